"""What people are called in what work answers: identity's words, known here by its feed."""

import asyncio
from typing import Any

import pytest

from tests.support.doors import Door, Json
from tests.support.people import Person, known, signed_up
from tests.support.sql import change
from tests.support.stack import Stack
from work_service.tables import profiles


def called(person: Person, full_name: str, username: str = "") -> Json:
    return {"id": person.id, "username": username, "fullName": full_name}


@pytest.fixture
async def named(stack: Stack, door: Door) -> Person:
    return await known(stack, await signed_up(door, "Augusta"))


@pytest.fixture
async def project(named: Person) -> Json:
    return await named.call("CreateProject", project={"title": "A project"})


async def everywhere(person: Person, project: Json, task: str) -> list[Json]:
    """How somebody who owns a project and has made its task is named in all that can be read."""
    where: dict[str, Any] = {"project": project["id"]}
    return [
        (await person.call("GetProject", **where))["owner"],
        next(each for each in (await person.call("ListProjects"))["projects"] if each["id"] == project["id"])["owner"],
        (await person.call("GetTask", **where, task=task))["creator"],
        (await person.call("ListTasks", **where))["tasks"][0]["creator"],
    ]


async def test_owners_and_creators_are_named_in_every_answer(named: Person, project: Json) -> None:
    augusta = called(named, "Augusta")
    assert project["owner"] == augusta
    changed = await named.call("UpdateProject", projectRef=project["id"], project={"title": "Another"})
    assert changed["owner"] == augusta
    task = await named.call("CreateTask", project=project["id"], task={"title": "A task"})
    assert task["creator"] == augusta
    moved = await named.call("TransitionTask", project=project["id"], task="1", status="DONE")
    assert moved["creator"] == augusta
    assert await everywhere(named, project, "1") == [augusta] * 4


async def test_assignees_are_named_in_every_answer(stack: Stack, door: Door, named: Person, project: Json) -> None:
    bert = await known(stack, await signed_up(door, "Bert"))
    where = {"project": project["id"], "task": "1"}
    await named.call("CreateTask", project=project["id"], task={"title": "A task"})
    await named.call("AddMember", project=project["id"], userId=bert.id, role="DEVELOPER")
    assigned = await named.call("AssignTask", **where, assignee=bert.id, idempotencyKey="assign")
    assert assigned["assignee"] == called(bert, "Bert")
    assert await named.call("AssignTask", **where, assignee=bert.id, idempotencyKey="assign") == assigned
    assert (await named.call("GetTask", **where))["assignee"] == called(bert, "Bert")
    (listed,) = (await named.call("ListTasks", project=project["id"]))["tasks"]
    assert (listed["assignee"], listed["creator"]) == (called(bert, "Bert"), called(named, "Augusta"))
    assert (await named.call("UnassignTask", **where)).get("assignee") is None


async def test_a_new_name_is_in_the_next_answer_and_changes_no_etag(stack: Stack, named: Person, project: Json) -> None:
    task = await named.call("CreateTask", project=project["id"], task={"title": "A task"})
    await named.call("UpdateMe", user={"fullName": "Augusta Ada King", "username": f"ada-{named.id[-8:]}"})
    await known(stack, named, "Augusta Ada King")
    ada = called(named, "Augusta Ada King", f"ada-{named.id[-8:]}")
    assert await everywhere(named, project, "1") == [ada] * 4
    assert (await named.call("GetTask", project=project["id"], task="1"))["etag"] == task["etag"]


async def test_of_those_who_are_gone_the_id_is_left(stack: Stack, door: Door, named: Person, project: Json) -> None:
    await named.call("CreateTask", project=project["id"], task={"title": "A task"})
    bert = await signed_up(door, "Bert")
    await named.call("AddMember", project=project["id"], userId=bert.id, role="OWNER")
    await named.call("DeleteMe")
    await known(stack, named, "")
    await known(stack, bert)
    async with asyncio.timeout(20):
        while (await bert.call("GetProject", project=project["id"]))["owner"]["id"] != bert.id:
            await asyncio.sleep(0.02)
    assert await everywhere(bert, project, "1") == [called(bert, "Bert")] * 2 + [called(named, "")] * 2


async def test_whoever_is_not_known_here_yet_is_an_id(stack: Stack, named: Person, project: Json) -> None:
    await named.call("CreateTask", project=project["id"], task={"title": "A task"})
    await change(stack.work_url, profiles.delete().where(profiles.c.user_id == named.id))
    assert await everywhere(named, project, "1") == [called(named, "")] * 4
