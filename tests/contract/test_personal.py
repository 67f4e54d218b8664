"""Tasks without a project: they go to one's personal project, and are found by their ids alone."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.contract.test_project_states import verbs
from tests.contract.test_transfer import roles
from tests.support.doors import Door, RestDoor, refused
from tests.support.people import Person, known, signed_up
from tests.support.sql import rows
from tests.support.stack import Stack
from work_service.tables import projects, task_counters

NO_PROJECT = {"project": ""}


@pytest.fixture
async def grace(stack: Stack) -> Person:
    """Somebody at the gRPC door, where a project can be left out of any request."""
    return await known(stack, await signed_up(stack.doors["grpc"], "Grace"))


async def personal(person: Person) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await person.call("ListProjects"))["projects"]
    return [project for project in listed if project["personal"]]


async def test_a_task_without_a_project_goes_to_a_personal_one(stack: Stack, grace: Person) -> None:
    first = await grace.call("CreateTask", **NO_PROJECT, task={"title": "Buy milk"})
    second = await grace.call("CreateTask", **NO_PROJECT, task={"title": "Drink it"})
    assert (first["number"], second["number"]) == (1, 2)
    (project,) = await personal(grace)
    assert first["project"] == second["project"] == project["id"]
    assert (project["title"], project["myRole"], project["state"]) == ("Personal", "OWNER", "ACTIVE")
    assert project["owner"]["id"] == grace.id
    assert await roles(stack, project) == {grace.id: "OWNER"}
    assert await verbs(stack, project["id"]) == ["project_created", "task_created", "task_created"]
    assert await grace.call("GetTask", project=project["slug"], task="1") == first


async def test_who_has_none_has_no_project_that_is_personal(ada: Person, project: dict[str, Any]) -> None:
    assert project["personal"] is False
    assert await personal(ada) == []


async def test_of_many_tasks_at_once_all_go_to_one_project(stack: Stack) -> None:
    for _ in range(8):
        grace = await known(stack, await signed_up(stack.doors["grpc"], "Grace"))
        made = await asyncio.gather(
            *(grace.call("CreateTask", **NO_PROJECT, task={"title": str(number)}) for number in range(8))
        )
        assert len({task["project"] for task in made}) == 1
        assert sorted(task["number"] for task in made) == list(range(1, 9))
        (project,) = await personal(grace)
        assert (await verbs(stack, project["id"])).count("project_created") == 1
        alone = select(func.count().label("number")).where(projects.c.owner_id == grace.id)
        assert (await rows(stack.work_url, alone))[0].number == 1
        counters = select(func.count().label("number")).where(task_counters.c.project_id == project["id"])
        assert (await rows(stack.work_url, counters))[0].number == 1


async def test_the_same_attempt_makes_one_task(grace: Person) -> None:
    request = {**NO_PROJECT, "task": {"title": "x"}, "idempotencyKey": "once"}
    assert await grace.call("CreateTask", **request) == await grace.call("CreateTask", **request)


async def test_a_personal_project_that_is_gone_is_followed_by_another(grace: Person) -> None:
    first = await grace.call("CreateTask", **NO_PROJECT, task={"title": "x"})
    await grace.call("DeleteProject", project=first["project"])
    second = await grace.call("CreateTask", **NO_PROJECT, task={"title": "x"})
    assert second["project"] != first["project"]
    with refused("ALREADY_EXISTS", "PERSONAL_PROJECT_EXISTS"):
        await grace.call("UndeleteProject", project=first["project"])
    await grace.call("DeleteProject", project=second["project"])
    assert (await grace.call("UndeleteProject", project=first["project"]))["personal"] is True


async def test_what_is_given_away_is_nobodys_personal_project(grace: Person, stranger: Person) -> None:
    task = await grace.call("CreateTask", **NO_PROJECT, task={"title": "x"})
    await grace.call("AddMember", project=task["project"], userId=stranger.id, role="DEVELOPER")
    given = await grace.call("TransferProject", project=task["project"], userId=stranger.id)
    assert given["personal"] is False
    assert (await grace.call("CreateTask", **NO_PROJECT, task={"title": "y"}))["project"] != task["project"]


async def test_what_is_given_to_its_owner_stays_personal(stack: Stack, grace: Person, admin: Person) -> None:
    mine = (await grace.call("CreateTask", **NO_PROJECT, task={"title": "x"}))["project"]
    await admin.through(stack.doors["grpc"]).call("TransferProject", project=mine, userId=grace.id)
    assert [project["id"] for project in await personal(grace)] == [mine]


async def test_an_archived_one_refuses(grace: Person) -> None:
    task = await grace.call("CreateTask", **NO_PROJECT, task={"title": "x"})
    await grace.call("ArchiveProject", project=task["project"])
    with refused("FAILED_PRECONDITION", "PROJECT_ARCHIVED"):
        await grace.call("CreateTask", **NO_PROJECT, task={"title": "y"})


async def test_a_task_is_found_by_its_id_alone(stack: Stack, grace: Person, stranger: Person) -> None:
    project = await grace.call("CreateProject", project={"title": "Apollo"})
    task = await grace.call("CreateTask", project=project["id"], task={"title": "Land"})
    name = {"project": "", "task": task["id"]}
    assert await grace.call("GetTask", **name) == task
    assert (await grace.call("TransitionTask", **name, status="IN_PROGRESS"))["status"] == "IN_PROGRESS"
    changed = await grace.call("UpdateTask", project="", taskRef=task["id"], task={"title": "Land!"})
    assert changed["title"] == "Land!"
    assert (await grace.call("AssignTask", **name, assignee=grace.id))["assignee"]["id"] == grace.id
    assert (await grace.call("UnassignTask", **name)).get("assignee") is None
    somebody = stranger.through(stack.doors["grpc"])
    for rpc, more in (("GetTask", {}), ("DeleteTask", {}), ("TransitionTask", {"status": "DONE"})):
        with refused("NOT_FOUND", "TASK_NOT_FOUND"):
            await somebody.call(rpc, **name, **more)
    await grace.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    assert (await somebody.call("GetTask", **name))["id"] == task["id"]
    with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
        await somebody.call("DeleteTask", **name)
    await grace.call("DeleteTask", **name)
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await grace.call("GetTask", **name)
    assert (await grace.call("UndeleteTask", **name))["id"] == task["id"]


async def test_a_number_needs_a_project(grace: Person) -> None:
    await grace.call("CreateTask", **NO_PROJECT, task={"title": "x"})
    for rpc in ("GetTask", "DeleteTask", "UnassignTask"):
        with refused("INVALID_ARGUMENT", field="project"):
            await grace.call(rpc, project="", task="1")


async def test_finding_by_id_costs_one_statement(stack: Stack, grace: Person) -> None:
    task = await grace.call("CreateTask", **NO_PROJECT, task={"title": "x"})
    stack.clear()
    await grace.call("GetTask", project="", task=task["id"])
    assert len(stack.work.statements) == 1
    stack.clear()
    await grace.call("CreateTask", **NO_PROJECT, task={"title": "y"})
    costs = len(stack.work.statements)
    stack.clear()
    await grace.call("CreateTask", project=task["project"], task={"title": "z"})
    assert costs == len(stack.work.statements) + 1


async def test_rest_has_paths_without_a_project(stack: Stack) -> None:
    door: Door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada = await known(stack, await signed_up(door, "Ada"))
    headers = {"authorization": f"Bearer {ada.token}"}

    async def ask(verb: str, path: str, status: int = 200, **more: Any) -> Any:
        response = await door.client.request(verb, f"/api/v1/tasks{path}", headers=headers, **more)
        assert response.status_code == status, response.text
        return response.json() if response.content else response

    made = await door.client.post("/api/v1/tasks", json={"title": "Buy milk"}, headers=headers)
    assert made.status_code == 201
    task = made.json()
    assert made.headers["location"] == f"/api/v1/projects/{task['project']}/tasks/1"
    path = f"/{task['id']}"
    assert await ask("GET", path) == task
    assert (await ask("PATCH", path, json={"description": "Two bottles"}))["title"] == "Buy milk"
    assert (await ask("PUT", path, json={"title": "Buy more milk"}))["description"] == ""
    assert (await ask("POST", f"{path}:assign", json={"assignee": ada.id}))["assignee"]["id"] == ada.id
    assert (await ask("POST", f"{path}:unassign", json={})).get("assignee") is None
    assert (await ask("POST", f"{path}:transition", json={"status": "DONE"}))["status"] == "DONE"
    await ask("DELETE", path, 204)
    await ask("GET", path, 404)
    assert (await ask("POST", f"{path}:undelete", json={}))["id"] == task["id"]
    await ask("GET", "/1", 400)
