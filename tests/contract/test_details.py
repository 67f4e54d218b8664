"""Tasks with what belongs to them. Through both doors."""

from typing import Any

import pytest

from tests.support.doors import RestDoor, refused
from tests.support.people import Person, known, signed_up, signed_up_as
from tests.support.stack import Stack


async def test_a_task_that_nothing_belongs_to(ada: Person, project: dict[str, Any], task: dict[str, Any]) -> None:
    full = await ada.call("GetTask", project=project["id"], task="1", view="FULL")
    details = full.pop("details")
    assert details == {
        "labels": [],
        "partCount": 0,
        "openPartCount": 0,
        "commentCount": 0,
        "latestComments": [],
    }
    assert full == task == await ada.call("GetTask", project=project["id"], task="1", view="BASIC")


async def test_a_task_with_everything(ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    name = {"project": project["id"]}
    category = await ada.call("CreateCategory", **name, category={"name": "Bug"})
    labels = [await ada.call("CreateLabel", **name, label={"name": f"L{n}"}) for n in range(2)]
    whole = await ada.call("CreateTask", **name, task={"title": "whole"})
    wanted = {"title": "Land", "category": "bug", "labels": ["l1", "l0"], "parent": "1"}
    await ada.call("CreateTask", **name, task=wanted)
    for status in ("TODO", "IN_REVIEW", "DONE", "CANCELLED", "TODO"):
        part = await ada.call("CreateTask", **name, task={"title": "part", "parent": "2", "status": status})
    await ada.call("DeleteTask", **name, task=part["id"])
    await ada.call("AddMember", **name, userId=stranger.id, role="DEVELOPER")
    said = [
        await who.call("CreateComment", **name, task="2", comment={"text": text})
        for who, text in ((ada, "1"), (stranger, "2"), (ada, "3"), (stranger, "4"))
    ]
    full = await ada.call("GetTask", **name, task="2", view="FULL")
    details = full["details"]
    assert details["category"] == category
    assert details["labels"] == labels[::-1]
    assert details["parent"] == {"id": whole["id"], "number": 1, "title": "whole", "status": "TODO"}
    assert (details["partCount"], details["openPartCount"]) == (4, 2)
    assert details["commentCount"] == 4
    assert details["latestComments"] == said[:0:-1]
    await ada.call("DeleteTask", **name, task="1")
    assert "parent" not in (await ada.call("GetTask", **name, task="2", view="FULL"))["details"]


@pytest.fixture
async def tagged(ada: Person, stranger: Person, project: dict[str, Any]) -> dict[str, Any]:
    """Three tasks: a whole, its part with all that it can have, and one that has nothing."""
    name = {"project": project["id"]}
    await ada.call("CreateCategory", **name, category={"name": "Bug"})
    await ada.call("CreateLabel", **name, label={"name": "UI"})
    await ada.call("AddMember", **name, userId=stranger.id, role="DEVELOPER")
    for task in ({"title": "Moon"}, {"title": "Moon boots", "category": "bug", "labels": ["ui"], "parent": "1"}):
        await ada.call("CreateTask", **name, task=task)
    await stranger.call("CreateTask", **name, task={"title": "Mars"})
    for n in range(5):
        await stranger.call("CreateComment", **name, task="2", comment={"text": f"The moon {n}"})
    return project


async def in_full(person: Person, project: dict[str, Any], number: int) -> dict[str, Any]:
    return await person.call("GetTask", project=project["id"], task=str(number), view="FULL")


async def test_tasks_are_listed_with_what_belongs_to_them(ada: Person, tagged: dict[str, Any]) -> None:
    alone = [await ada.call("GetTask", project=tagged["id"], task=str(number)) for number in (1, 2, 3)]
    whole = [await in_full(ada, tagged, number) for number in (1, 2, 3)]
    assert whole[0]["details"]["partCount"] == 1
    assert len(whole[1]["details"]["latestComments"]) == 3
    for more in ({}, {"filter": "number < 9"}, {"orderBy": "priority desc, due_time"}, {"showDeleted": True}):
        for project in (tagged["id"], tagged["slug"]):
            assert (await ada.call("ListTasks", project=project, view="FULL", **more))["tasks"] == whole
        assert (await ada.call("ListTasks", project=project, view="BASIC", **more))["tasks"] == alone
    assert (await ada.call("ListTasks", view="FULL"))["tasks"] == whole[::-1]
    assert (await ada.call("ListTasks", view="FULL", skip=1, pageSize=1))["tasks"] == [whole[1]]


async def test_a_manager_lists_them_too(stack: Stack, ada: Person, tagged: dict[str, Any]) -> None:
    manager = await signed_up_as(ada.door, stack.identity_url, "MANAGER")
    whole = [await in_full(ada, tagged, number) for number in (1, 2, 3)]
    asked = {"filter": "creator = " + " OR creator = ".join({task["creator"]["id"] for task in whole}), "view": "FULL"}
    assert (await manager.call("ListTasks", **asked))["tasks"] == whole[::-1]


async def test_tasks_are_searched_for_with_what_belongs_to_them(ada: Person, tagged: dict[str, Any]) -> None:
    for asked in ({"project": tagged["id"]}, {}):
        basic = (await ada.call("SearchTasks", query="moon", **asked))["results"]
        full = (await ada.call("SearchTasks", query="moon", view="FULL", **asked))["results"]
        assert [result["task"]["number"] for result in basic] == [1, 2]
        assert [result.pop("task") for result in full] == [await in_full(ada, tagged, number) for number in (1, 2)]
        assert all("details" not in result.pop("task") for result in basic)
        assert full == basic


async def test_an_empty_project_has_nothing_in_full(ada: Person, project: dict[str, Any]) -> None:
    assert (await ada.call("ListTasks", project=project["id"], view="FULL"))["tasks"] == []
    assert (await ada.call("SearchTasks", project=project["id"], query="moon", view="FULL"))["results"] == []


async def test_a_page_is_continued_in_the_view_in_which_it_began(ada: Person, tagged: dict[str, Any]) -> None:
    for rpc, more in (("ListTasks", {"orderBy": "status"}), ("SearchTasks", {"query": "moon"})):
        asked: dict[str, Any] = {"project": tagged["id"], "pageSize": 1, **more}
        page = await ada.call(rpc, view="FULL", **asked)
        second = await ada.call(rpc, view="FULL", pageToken=page["nextPageToken"], **asked)
        (task,) = second["tasks"] if rpc == "ListTasks" else [result["task"] for result in second["results"]]
        assert task == await in_full(ada, tagged, 2)
        with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", field="page_token"):
            await ada.call(rpc, view="BASIC", pageToken=page["nextPageToken"], **asked)


async def test_a_page_in_full_costs_one_statement(stack: Stack, ada: Person, tagged: dict[str, Any]) -> None:
    for rpc, asked in (("ListTasks", {}), ("SearchTasks", {"query": "moon"})):
        for where in ({"project": tagged["id"]}, {}):
            for page_size in (1, 2, 100):
                stack.clear()
                await ada.call(rpc, view="FULL", pageSize=page_size, **asked, **where)
                assert len(stack.work.statements) == 1


async def test_it_costs_one_statement(stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]) -> None:
    for n in range(5):
        await ada.call("CreateComment", project=project["id"], task="1", comment={"text": str(n)})
    stack.clear()
    await ada.call("GetTask", project=project["id"], task="1", view="FULL")
    assert len(stack.work.statements) == 1


async def test_what_is_not_seen_is_not_told_of(stranger: Person, project: dict[str, Any], task: dict[str, Any]) -> None:
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await stranger.call("GetTask", project=project["id"], task="1", view="FULL")


async def test_rest_has_no_etag_for_what_changes_without_the_task(stack: Stack) -> None:
    rest = stack.doors["rest"]
    assert isinstance(rest, RestDoor)
    ada = await known(stack, await signed_up(rest))
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    await ada.call("CreateTask", project=project["id"], task={"title": "Land"})
    name = {"project": project["id"], "task": "1"}
    assert (await rest.send("GetTask", token=ada.token, **name)).headers["etag"] == '"1"'
    full = await rest.send("GetTask", token=ada.token, view="FULL", **name)
    assert "etag" not in full.headers
    assert full.json()["etag"] == "1"
