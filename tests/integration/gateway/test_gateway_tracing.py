"""The spans and the log line of a request."""

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from structlog.testing import capture_logs

from tests.integration.gateway.conftest import Running

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def span(gateway: Running, kind: SpanKind) -> ReadableSpan:
    (found,) = [span for span in gateway.recording.spans if span.kind is kind]
    return found


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_one_trace_from_the_first_byte_to_the_server(gateway: Running) -> None:
    answer = await gateway.client.post(
        "/v1/act", json={}, headers={"traceparent": PARENT, "tracestate": "vendor=1", "authorization": "Bearer secret"}
    )
    server, client = span(gateway, SpanKind.SERVER), span(gateway, SpanKind.CLIENT)
    assert server.name == "POST /v1/act"
    assert attributes(server) == {
        "http.request.method": "POST",
        "http.route": "/v1/act",
        "http.response.status_code": 200,
        "url.path": "/v1/act",
        "url.scheme": "http",
    }
    assert client.name == "library.v1.Library/Act"
    assert attributes(client) == {
        "rpc.system.name": "grpc",
        "rpc.method": "library.v1.Library/Act",
        "rpc.response.status_code": "OK",
    }
    assert server.parent
    assert client.parent
    assert (f"{server.parent.trace_id:032x}", f"{server.parent.span_id:016x}") == tuple(PARENT.split("-")[1:3])
    assert client.parent == server.get_span_context()
    metadata = answer.json()["metadata"]
    context = client.get_span_context()
    assert context
    assert metadata["traceparent"] == f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
    assert metadata["tracestate"] == "vendor=1"


@pytest.mark.parametrize(
    ("request_", "status", "code", "server_failed"),
    [
        ({"code": "NOT_FOUND"}, 404, "NOT_FOUND", False),
        ({"crash": True}, 500, "UNKNOWN", True),
        ({"code": "UNAVAILABLE"}, 503, "UNAVAILABLE", True),
    ],
)
async def test_a_span_says_how_it_ended(
    gateway: Running,
    request_: dict[str, Any],
    status: int,
    code: str,
    server_failed: bool,  # noqa: FBT001 - a column
) -> None:
    await gateway.client.post("/v1/act", json=request_)
    server, client = span(gateway, SpanKind.SERVER), span(gateway, SpanKind.CLIENT)
    assert attributes(server)["http.response.status_code"] == status
    assert attributes(server).get("error.type") == (str(status) if server_failed else None)
    assert server.status.status_code is (StatusCode.ERROR if server_failed else StatusCode.UNSET)
    assert attributes(client)["rpc.response.status_code"] == code
    assert client.status.status_code is StatusCode.ERROR


async def test_a_request_that_leads_nowhere_has_a_span_without_a_route(gateway: Running) -> None:
    await gateway.client.get("/v1/nothing?token=secret")
    server = span(gateway, SpanKind.SERVER)
    assert server.name == "GET"
    assert "http.route" not in attributes(server)
    assert "secret" not in json.dumps(attributes(server))


async def test_probes_leave_no_span_and_no_line(gateway: Running) -> None:
    with capture_logs() as lines:
        await gateway.client.get("/healthz")
    assert not gateway.recording.spans
    assert not lines


async def test_a_line_in_the_log_tells_enough_and_no_secret(gateway: Running) -> None:
    with capture_logs() as lines:
        await gateway.client.get(
            "/v1/shelves/s/books?page_token=secret",
            headers={"authorization": "Bearer secret", "x-request-id": "r-1"},
        )
    (line,) = lines
    context = span(gateway, SpanKind.SERVER).get_span_context()
    assert context is not None
    assert line.pop("duration_ms") > 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "route": "/v1/shelves/{shelf}/books",
        "status": 200,
        "request_id": "r-1",
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
    }
