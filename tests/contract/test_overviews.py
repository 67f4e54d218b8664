"""Projects with how much there is in them. Through both doors."""

from typing import Any

import pytest

from tests.support.doors import RestDoor, refused
from tests.support.people import Person, known, signed_up, signed_up_as
from tests.support.stack import Stack

NOTHING = {"memberCount": 1, "taskCount": 0, "openTaskCount": 0}


@pytest.fixture
async def counted(ada: Person, stranger: Person, project: dict[str, Any]) -> dict[str, Any]:
    """The counts of the project in which there are two members, and tasks of every status."""
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    for status in ("TODO", "IN_PROGRESS", "IN_REVIEW", "DONE", "CANCELLED", "TODO"):
        task = await ada.call("CreateTask", project=project["id"], task={"title": "x", "status": status})
    await ada.call("DeleteTask", project=project["id"], task=task["id"])
    return {"memberCount": 2, "taskCount": 5, "openTaskCount": 3}


async def test_a_project_in_full_is_counted(
    ada: Person, stranger: Person, project: dict[str, Any], counted: dict[str, Any]
) -> None:
    for who in (ada, stranger):
        alone = await who.call("GetProject", project=project["id"], view="BASIC")
        assert alone == await who.call("GetProject", project=project["id"])
        assert "counts" not in alone
        for name in (project["id"], project["slug"]):
            assert await who.call("GetProject", project=name, view="FULL") == alone | {"counts": counted}


async def test_projects_are_listed_in_full(
    stack: Stack, ada: Person, project: dict[str, Any], counted: dict[str, Any]
) -> None:
    empty = await ada.call("CreateProject", project={"title": "Empty", "state": "DRAFT"})
    whole = [empty | {"counts": NOTHING}, project | {"counts": counted}]
    assert (await ada.call("ListProjects", view="FULL"))["projects"] == whole
    assert (await ada.call("ListProjects", view="FULL", state="DRAFT"))["projects"] == whole[:1]
    assert (await ada.call("ListProjects", view="BASIC"))["projects"] == [empty, project]
    manager = await signed_up_as(ada.door, stack.identity_url, "MANAGER")
    seen = (await manager.call("ListProjects", view="FULL", pageSize=2))["projects"]
    assert [each["counts"] for each in seen] == [NOTHING, counted]


async def test_a_project_that_was_deleted_is_counted_too(
    ada: Person, project: dict[str, Any], counted: dict[str, Any]
) -> None:
    await ada.call("DeleteProject", project=project["id"])
    gone = await ada.call("GetProject", project=project["id"], showDeleted=True, view="FULL")
    assert gone["counts"] == counted
    assert (await ada.call("ListProjects", showDeleted=True, view="FULL"))["projects"] == [gone]
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await ada.call("GetProject", project=project["id"], view="FULL")


async def test_who_does_not_see_a_project_does_not_count_it(stranger: Person, project: dict[str, Any]) -> None:
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await stranger.call("GetProject", project=project["id"], view="FULL")
    assert (await stranger.call("ListProjects", view="FULL"))["projects"] == []


async def test_a_list_is_continued_in_the_view_in_which_it_began(ada: Person, project: dict[str, Any]) -> None:
    await ada.call("CreateProject", project={"title": "Gemini"})
    token = (await ada.call("ListProjects", view="FULL", pageSize=1))["nextPageToken"]
    (second,) = (await ada.call("ListProjects", view="FULL", pageToken=token))["projects"]
    assert second == project | {"counts": NOTHING}
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", field="page_token"):
        await ada.call("ListProjects", pageToken=token)


async def test_counts_leave_the_etag_alone(stack: Stack) -> None:
    """Over REST there is none for what changes without the project."""
    rest = stack.doors["rest"]
    assert isinstance(rest, RestDoor)
    ada = await known(stack, await signed_up(rest))
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    await ada.call("CreateTask", project=project["id"], task={"title": "Land"})
    basic = await rest.send("GetProject", token=ada.token, project=project["id"])
    assert basic.headers["etag"] == f'"{project["etag"]}"'
    full = await rest.send("GetProject", token=ada.token, project=project["id"], view="FULL")
    assert "etag" not in full.headers
    assert full.json()["etag"] == project["etag"]
