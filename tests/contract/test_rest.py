"""What REST adds: statuses, headers, conditional requests. The bodies are the same as everywhere."""

import asyncio
from typing import Any

import pytest

from tests.contract.test_concurrency import locked_elsewhere
from tests.support.doors import RestDoor
from tests.support.people import Person, known, signed_up
from tests.support.stack import Stack


@pytest.fixture
def rest(stack: Stack) -> RestDoor:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    return door


@pytest.fixture
async def ada(stack: Stack, rest: RestDoor) -> Person:
    return await known(stack, await signed_up(rest))


async def test_creating_answers_201_with_the_place_of_what_was_created(rest: RestDoor, ada: Person) -> None:
    created = await rest.send("CreateProject", token=ada.token, project={"title": "Apollo"})
    project = created.json()
    assert created.status_code == 201
    assert created.headers["location"] == f"/api/v1/projects/{project['id']}"
    task = await rest.send("CreateTask", token=ada.token, project=project["slug"], task={"title": "Land"})
    assert task.headers["location"] == f"/api/v1/projects/{project['id']}/tasks/1"
    followed = await rest.client.get(task.headers["location"], headers={"authorization": f"Bearer {ada.token}"})
    assert followed.json() == task.json()


async def test_what_has_not_changed_is_not_sent_again(rest: RestDoor, ada: Person, task: dict[str, Any]) -> None:
    name = {"project": task["project"], "task": task["id"]}
    first = await rest.send("GetTask", token=ada.token, **name)
    assert first.headers["etag"] == '"1"'
    again = await rest.send("GetTask", token=ada.token, headers={"if-none-match": '"1"'}, **name)
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == '"1"'
    await rest.send("TransitionTask", token=ada.token, status="DONE", **name)
    changed = await rest.send("GetTask", token=ada.token, headers={"if-none-match": '"1"'}, **name)
    assert changed.status_code == 200
    assert changed.headers["etag"] == '"2"'


async def test_if_match_guards_a_transition(rest: RestDoor, ada: Person, task: dict[str, Any]) -> None:
    name = {"project": task["project"], "task": task["id"], "token": ada.token}
    stale = await rest.send("TransitionTask", status="DONE", headers={"if-match": '"7"'}, **name)
    assert stale.status_code == 412
    assert stale.json()["status"] == "ABORTED"
    in_body = await rest.send("TransitionTask", status="DONE", etag="7", **name)
    assert in_body.status_code == 409
    any_version = await rest.send("TransitionTask", status="IN_PROGRESS", headers={"if-match": "*"}, **name)
    assert any_version.status_code == 200
    fresh = await rest.send("TransitionTask", status="DONE", headers={"if-match": '"2"'}, **name)
    assert fresh.status_code == 200


async def test_unknown_paths_and_methods_are_told_apart(rest: RestDoor) -> None:
    nowhere = await rest.client.get("/api/v1/nowhere")
    assert nowhere.status_code == 404
    assert nowhere.json()["status"] == "NOT_FOUND"
    wrong = await rest.client.delete("/api/v1/auth/register")
    assert wrong.status_code == 405
    assert "POST" in wrong.headers["allow"]


async def test_a_request_keeps_its_name_from_end_to_end(rest: RestDoor, ada: Person) -> None:
    refused = await rest.send("GetProject", token=ada.token, request_id="my-request.1", project="nope")
    assert refused.headers["x-request-id"] == "my-request.1"
    assert refused.json()["requestId"] == "my-request.1"
    (info,) = [d for d in refused.json()["details"] if d["@type"].endswith("RequestInfo")]
    assert info["requestId"] == "my-request.1"


async def test_a_deadline_is_kept(stack: Stack, rest: RestDoor, ada: Person, task: dict[str, Any]) -> None:
    bad = await rest.send("GetProject", token=ada.token, headers={"grpc-timeout": "soon"}, project="p")
    assert bad.status_code == 400
    async with locked_elsewhere(stack.work_url, task["id"]):
        late = await rest.send(
            "TransitionTask",
            token=ada.token,
            headers={"grpc-timeout": "200m"},
            project=task["project"],
            task=task["id"],
            status="DONE",
        )
    assert late.status_code == 504
    assert late.json()["status"] == "DEADLINE_EXCEEDED"


async def test_keys_may_be_cached_and_answers_for_one_person_may_not(rest: RestDoor, ada: Person) -> None:
    keys = await rest.send("GetJsonWebKeySet")
    assert keys.headers["cache-control"] == "public, max-age=300, must-revalidate"
    login = await rest.send("Login", email=ada.email, password="correct horse battery staple")
    assert login.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "key"),
    [("/healthz", None), ("/readyz", None), ("/health", "database"), ("/health", "identity_feed")],
)
async def test_health_is_told(rest: RestDoor, path: str, key: str | None) -> None:
    # While a test that is not asynchronous runs, nobody in this process hears anything.
    async with asyncio.timeout(20):
        while (response := await rest.client.get(path)).status_code != 200:
            await asyncio.sleep(0.05)
    if key is not None:
        body = response.json()
        assert body["redis"] == "not_configured"
        assert body[key] in {"ok", "SERVING", "healthy", "up"}, body
