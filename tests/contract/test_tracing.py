"""One trace from the HTTP request to the SQL statement, with the right status at every step."""

import json
from typing import Any

import grpc
import grpc.aio
import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from tandem.work.v1 import task_pb2, task_pb2_grpc

from tests.contract.test_concurrency import locked_elsewhere
from tests.support.doors import Refused, RestDoor
from tests.support.people import PASSWORD, Person, signed_up
from tests.support.stack import Stack


def by_id(spans: list[ReadableSpan]) -> dict[int, ReadableSpan]:
    return {span.context.span_id: span for span in spans if span.context is not None}


def same_trace(span: ReadableSpan, other: ReadableSpan) -> bool:
    """Periodic work, which runs meanwhile, has traces of its own."""
    assert span.context is not None
    assert other.context is not None
    return bool(span.context.trace_id == other.context.trace_id)


async def test_one_trace_reaches_from_http_to_sql(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada = await signed_up(door)
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    stack.clear()
    trace = "0af7651916cd43dd8448eb211c80319c"
    await door.send(
        "GetProject",
        token=ada.token,
        headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"},
        project=project["slug"],
    )
    spans = [*stack.gateway.spans, *stack.work.spans]
    spans = [span for span in spans if span.context is not None and format(span.context.trace_id, "032x") == trace]
    known = by_id(spans)
    (statement,) = [span for span in spans if span.attributes and "db.query.text" in span.attributes]
    path = [statement]
    while path[-1].parent is not None and path[-1].parent.span_id in known:
        path.append(known[path[-1].parent.span_id])
    assert [(span.name, span.kind) for span in path] == [
        ("SELECT projects members profiles", SpanKind.CLIENT),
        ("tandem.work.v1.ProjectService/GetProject", SpanKind.SERVER),
        ("tandem.work.v1.ProjectService/GetProject", SpanKind.CLIENT),
        ("GET /api/v1/projects/{project}", SpanKind.SERVER),
    ]
    assert path[-1].parent is not None
    assert format(path[-1].parent.span_id, "016x") == "b7ad6b7169203331"
    assert {span.status.status_code for span in path} == {StatusCode.UNSET}


async def test_one_trace_reaches_through_both_services(stack: Stack) -> None:
    """REST, work, identity, SQL."""
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada, bob = await signed_up(door), await signed_up(door, "Bob")
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    stack.clear()
    await ada.call("AddMember", project=project["id"], userId=bob.id, role="VIEWER")
    spans = [*stack.gateway.spans, *stack.work.spans, *stack.identity.spans]
    (first,) = [span for span in stack.gateway.spans if span.name == "POST /api/v1/projects/{project}/members"]
    trace = [span for span in spans if same_trace(span, first)]
    known = by_id(trace)
    (lookup,) = [span for span in stack.identity.spans if span in trace and span.name == "SELECT users"]
    path = [lookup]
    while path[-1].parent is not None:
        path.append(known[path[-1].parent.span_id])
    assert [span.name for span in path] == [
        "SELECT users",
        "tandem.identity.v1.ProfileService/LookupProfile",
        "tandem.identity.v1.ProfileService/LookupProfile",
        "tandem.work.v1.MemberService/AddMember",
        "tandem.work.v1.MemberService/AddMember",
        "POST /api/v1/projects/{project}/members",
    ]


async def test_a_refusal_is_no_failure_of_the_server(stack: Stack, ada: Person) -> None:
    stack.clear()
    with pytest.raises(Refused):
        await ada.call("GetProject", project="nope")
    span = await stack.work.call()
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "NOT_FOUND"
    assert span.status.status_code is StatusCode.UNSET
    assert span.events == ()


async def test_a_deadline_is_a_failure_and_ends_the_statement(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    async with grpc.aio.insecure_channel(stack.work_address) as channel:
        stub = task_pb2_grpc.TaskServiceStub(channel)
        async with locked_elsewhere(stack.work_url, task["id"]):
            stack.clear()
            request = task_pb2.TransitionTaskRequest(
                project=project["id"], task=task["id"], status=task_pb2.Task.Status.DONE
            )
            metadata = (("authorization", f"Bearer {ada.token}"),)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.TransitionTask(request, metadata=metadata, timeout=0.9)  # sooner than the lock's own
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            server = await stack.work.call()
    assert server.attributes is not None
    assert server.attributes["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
    assert server.status.status_code is StatusCode.ERROR
    (statement,) = [
        span
        for span in stack.work.spans
        if same_trace(span, server) and "db.query.text" in (span.attributes or {}) and span.name != "SELECT"
    ]
    assert statement.status.status_code is StatusCode.ERROR


async def test_durations_are_measured(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    await ada.call("GetProject", project=project["id"])
    data = json.loads(stack.work.metrics.get_metrics_data().to_json())  # type: ignore[union-attr] # something was measured
    names = {
        metric["name"]
        for resource in data["resource_metrics"]
        for scope in resource["scope_metrics"]
        for metric in scope["metrics"]
    }
    assert {"rpc.server.call.duration", "db.client.operation.duration"} <= names


async def test_nothing_secret_is_logged_or_traced(
    stack: Stack, ada: Person, project: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    stack.clear()
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logged:
        tokens = await ada.door.call("Login", email=ada.email, password=PASSWORD)
        with pytest.raises(Refused):
            await ada.door.call("Login", email=ada.email, password="wrong " + PASSWORD)
        await ada.call("GetProject", project=project["id"])
    assert {"call"} <= {entry["event"] for entry in logged}
    traced = "".join(span.to_json() for rec in (stack.identity, stack.work, stack.gateway) for span in rec.spans)
    told = json.dumps(logged, default=repr) + caplog.text + traced
    for secret in (PASSWORD, tokens["accessToken"], tokens["refreshToken"], ada.token):
        assert secret not in told
