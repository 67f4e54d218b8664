"""Bad input, field by field: the documented error, the field's name, and nothing changed. Through both doors."""

from typing import Any

import grpc
import grpc.aio
import pytest
from sqlalchemy import MetaData, func, select
from tandem.work.v1 import task_pb2, task_pb2_grpc

import identity_service.tables
import work_service.tables
from tests.support.doors import RPCS, Door, RestDoor, grpc_refusal, refused
from tests.support.people import PASSWORD, Person, signed_up
from tests.support.sql import rows
from tests.support.stack import Stack

REGISTER: dict[str, Any] = {"email": "new@example.com", "password": PASSWORD, "fullName": "New", "username": "new-one"}
LOGIN: dict[str, Any] = {"email": "new@example.com", "password": PASSWORD}

# RPC, a request that would do, the field to spoil (a dotted path), what with, and the field that the answer names.
SPOILED = [
    ("Register", REGISTER, "email", "", "email"),
    ("Register", REGISTER, "email", "not an address", "email"),
    ("Register", REGISTER, "email", "a" * 250 + "@b.de", "email"),
    ("Register", REGISTER, "email", "a\0b@example.com", "email"),
    ("Register", REGISTER, "password", "", "password"),
    ("Register", REGISTER, "password", "a" * 14, "password"),
    ("Register", REGISTER, "password", "a" * 257, "password"),
    ("Register", REGISTER, "password", PASSWORD + "\0", "password"),
    ("Register", REGISTER, "fullName", "", "full_name"),
    ("Register", REGISTER, "fullName", "a" * 201, "full_name"),
    ("Register", REGISTER, "fullName", "A\0", "full_name"),
    ("Register", REGISTER, "username", "ab", "username"),
    ("Register", REGISTER, "username", "a" * 33, "username"),
    ("Register", REGISTER, "username", "Has Space", "username"),
    ("Register", REGISTER, "username", "abc\0", "username"),
    ("Login", LOGIN, "email", "", "email"),
    ("Login", LOGIN, "email", "a" * 255, "email"),
    ("Login", LOGIN, "email", "a\0", "email"),
    ("Login", LOGIN, "password", "", "password"),
    ("Login", LOGIN, "password", "a" * 257, "password"),
    ("Login", LOGIN, "password", "a\0", "password"),
    ("CreateProject", {}, "project", None, "project"),
    ("CreateProject", {"project": {"title": "x"}}, "project.title", "", "project.title"),
    ("CreateProject", {"project": {"title": "x"}}, "project.title", "a" * 201, "project.title"),
    ("CreateProject", {"project": {"title": "x"}}, "project.title", "a\0", "project.title"),
    ("CreateProject", {"project": {"title": "x"}}, "project.description", "a" * 20_001, "project.description"),
    ("CreateProject", {"project": {"title": "x"}}, "project.description", "\0", "project.description"),
    ("CreateProject", {"project": {"title": "x"}}, "project.slug", "-a", "project.slug"),
    ("CreateProject", {"project": {"title": "x"}}, "project.slug", "Upper", "project.slug"),
    ("CreateProject", {"project": {"title": "x"}}, "project.slug", "a" * 64, "project.slug"),
    ("CreateProject", {"project": {"title": "x"}}, "project.slug", "a\0", "project.slug"),
    (
        "CreateProject",
        {"project": {"title": "x"}},
        "project.slug",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "project.slug",
    ),
    ("GetProject", {}, "project", "a" * 64, "project"),
    ("GetProject", {}, "project", "a\0b", "project"),
    ("CreateTask", {"project": "p"}, "task", None, "task"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "project", "a" * 64, "project"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "project", "a\0b", "project"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.title", "", "task.title"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.title", "a" * 201, "task.title"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.title", "a\0", "task.title"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.description", "a" * 20_001, "task.description"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.description", "\0", "task.description"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.status", 99, "task.status"),
    ("CreateTask", {"project": "p", "task": {"title": "x"}}, "task.priority", 99, "task.priority"),
    ("GetTask", {"project": "p", "task": "1"}, "project", "a" * 64, "project"),
    ("GetTask", {"project": "p", "task": "1"}, "task", "1" * 37, "task"),
    ("GetTask", {"project": "p", "task": "1"}, "task", "1\0", "task"),
    ("ListTasks", {"project": "p"}, "project", "a" * 64, "project"),
    ("ListTasks", {"project": "p"}, "pageSize", -1, "page_size"),
    ("ListTasks", {"project": "p"}, "pageToken", "a" * 1025, "page_token"),
    ("ListTasks", {"project": "p"}, "pageToken", "nonsense", "page_token"),
    ("ListTasks", {"project": "p"}, "pageToken", "a\0", "page_token"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "project", "a" * 64, "project"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "task", "1" * 37, "task"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "status", 0, "status"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "status", 99, "status"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "etag", "a" * 65, "etag"),
    ("TransitionTask", {"project": "p", "task": "1", "status": "DONE"}, "etag", "1\0", "etag"),
]


def spoiled(request: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The request with another value in one place."""
    first, _, rest = path.partition(".")
    changed = dict(request)
    if rest:
        changed[first] = spoiled(changed.get(first, {}), rest, value)
    elif value is None:
        changed.pop(first, None)
    else:
        changed[first] = value
    return changed


async def contents(stack: Stack) -> dict[str, int]:
    """How many rows there are in every table."""

    async def counted(url: str, metadata: MetaData) -> dict[str, int]:
        columns = [
            select(func.count()).select_from(table).scalar_subquery().label(table.name)
            for table in metadata.sorted_tables
        ]
        return dict((await rows(url, select(*columns)))[0]._mapping)

    return await counted(stack.identity_url, identity_service.tables.metadata) | await counted(
        stack.work_url, work_service.tables.metadata
    )


@pytest.mark.parametrize(
    ("rpc", "request_", "path", "value", "named"),
    [pytest.param(*case, id=f"{case[0]}-{case[2]}-{str(case[3])[:16]!r}-{n}") for n, case in enumerate(SPOILED)],
)
async def test_a_bad_value_is_refused_by_name_and_changes_nothing(
    stack: Stack, ada: Person, rpc: str, request_: dict[str, Any], path: str, value: Any, named: str
) -> None:
    before = await contents(stack)
    with refused("INVALID_ARGUMENT", field=named) as said:
        await ada.call(rpc, **spoiled(request_, path, value))
    assert PASSWORD not in said[0].message
    assert await contents(stack) == before


async def test_every_request_field_has_been_spoiled() -> None:
    """What is not in the table above has not been thought about."""
    output_only = {
        "id",
        "owner",
        "myRole",
        "createTime",
        "updateTime",
        "etag",
        "project",
        "number",
        "creator",
        "completeTime",
    }
    wanted = set()
    for name, rpc in RPCS.items():
        for field in rpc.method.input_type.fields:
            wanted.add((name, field.json_name))
            if field.message_type is not None and field.message_type.full_name.startswith("tandem."):
                wanted |= {
                    (name, f"{field.json_name}.{inner.json_name}")
                    for inner in field.message_type.fields
                    if inner.json_name not in output_only
                }
    spoiled_fields = {(rpc, path) for rpc, _, path, _, _ in SPOILED} | {
        ("CreateTask", "task.dueTime"),  # below: the two doors disagree on what can be said at all
    }
    assert wanted - spoiled_fields == set()


@pytest.mark.parametrize("seconds", [-62_135_596_801, 253_402_300_800])
async def test_an_instant_beyond_the_calendar_is_refused(stack: Stack, seconds: int) -> None:
    """gRPC only: JSON cannot spell it."""
    door = stack.doors["grpc"]
    ada = await signed_up(door)
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    request = task_pb2.CreateTaskRequest(project=project["id"], task=task_pb2.Task(title="x"))
    request.task.due_time.seconds = seconds
    async with grpc.aio.insecure_channel(stack.work_address) as channel:
        stub = task_pb2_grpc.TaskServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CreateTask(request, metadata=(("authorization", f"Bearer {ada.token}"),))
    refusal = grpc_refusal(caught.value)
    assert refusal.code == "INVALID_ARGUMENT"
    assert refusal.fields == ("task.due_time",)


async def test_bytes_that_are_no_message_are_refused(stack: Stack, ada: Person) -> None:
    async with grpc.aio.insecure_channel(stack.work_address) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/tandem.work.v1.TaskService/GetTask"
        )
        for nonsense in (b"\xff\xff\xff", b"\x0a\x02\xff\xfe"):  # no field; text that is not UTF-8
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(nonsense, metadata=(("authorization", f"Bearer {ada.token}"),))
            assert grpc_refusal(caught.value).reason == "MALFORMED_REQUEST"


JSON = {"content-type": "application/json"}

# Body, and the field that the answer names.
BODIES = [
    pytest.param(b"{", "", 400, id="malformed"),
    pytest.param(b'{"title": "x"} {}', "", 400, id="trailing bytes"),
    pytest.param(b'{"title": "x", "title": "y"}', "title", 400, id="duplicate key"),
    pytest.param(b'{"title": "x", "dueTime": null, "due_time": null}', "due", 400, id="camel and snake twins"),
    pytest.param(b'{"title": "x", "colour": "red"}', "colour", 400, id="unknown field"),
    pytest.param(b'{"title": 5}', "title", 400, id="wrong type"),
    pytest.param(b'{"title": "x", "status": "SOON"}', "status", 400, id="unknown enum value"),
    pytest.param(b'{"title": "x", "dueTime": "tomorrow"}', "due", 400, id="not a time"),
    pytest.param(b'{"title": "x", "dueTime": "2030-13-45T00:00:00Z"}', "due", 400, id="not a date"),
    pytest.param(b'{"title": "\\ud800"}', "title", 400, id="lone surrogate"),
    pytest.param(b'{"title": "\xff"}', "", 400, id="not UTF-8"),
    pytest.param(b'["x"]', "", 400, id="an array"),
    pytest.param(b'{"title": "x", "description": "' + b"a" * 5_000_000 + b'"}', "", 413, id="too large"),
]


@pytest.mark.parametrize(("body", "named", "status"), BODIES)
async def test_a_bad_body_is_refused_and_changes_nothing(stack: Stack, body: bytes, named: str, status: int) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada = await signed_up(door)
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    before = await contents(stack)
    response = await door.client.post(
        f"/api/v1/projects/{project['id']}/tasks",
        content=body,
        headers=JSON | {"authorization": f"Bearer {ada.token}"},
    )
    assert response.status_code == status, response.text
    error = response.json()
    assert error["code"] == status
    assert error["requestId"]
    violations = [v["field"] for detail in error["details"] for v in detail.get("fieldViolations", [])]
    assert not named or any(named in field for field in violations), error
    assert await contents(stack) == before


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("pageSize=many", "pageSize"),
        ("pageSize=1&pageSize=2", "pageSize"),
        ("page_size=1&pageSize=2", "page"),
        ("pagesize=1", "pagesize"),
        ("project=other", "project"),
        ("pageToken=%ff", ""),
    ],
)
async def test_a_bad_query_is_refused(stack: Stack, query: str, named: str) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada = await signed_up(door)
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    response = await door.client.get(
        f"/api/v1/projects/{project['id']}/tasks?{query}", headers={"authorization": f"Bearer {ada.token}"}
    )
    assert response.status_code == 400, response.text
    violations = [v["field"] for detail in response.json()["details"] for v in detail.get("fieldViolations", [])]
    assert not named or any(named in field for field in violations), response.text


async def test_strings_at_their_longest_are_taken(door: Door, ada: Person) -> None:
    project = await ada.call("CreateProject", project={"title": "ü" * 200, "description": "🚀" * 20_000})
    task = await ada.call("CreateTask", project=project["id"], task={"title": "x" * 200, "description": "y" * 20_000})
    assert len(task["description"]) == 20_000
    assert len((await ada.call("GetProject", project=project["id"]))["description"]) == 20_000
