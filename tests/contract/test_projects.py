"""Projects, day by day: listed, edited, deleted, restored."""

from typing import Any

import pytest

from tests.support.doors import refused
from tests.support.people import Person


async def test_projects_are_listed_newest_first_a_page_at_a_time(ada: Person, stranger: Person) -> None:
    made = [(await ada.call("CreateProject", project={"title": f"P{n}"}))["id"] for n in range(5)]
    await stranger.call("CreateProject", project={"title": "Not Ada's"})
    first = await ada.call("ListProjects", pageSize=2)
    assert [project["id"] for project in first["projects"]] == [made[4], made[3]]
    await ada.call("CreateProject", project={"title": "Newer"})
    second = await ada.call("ListProjects", pageSize=5, pageToken=first["nextPageToken"])
    assert [project["id"] for project in second["projects"]] == [made[2], made[1], made[0]]
    assert second["nextPageToken"] == ""
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        await stranger.call("ListProjects", pageToken=first["nextPageToken"])
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        await ada.call("ListProjects", pageToken=first["nextPageToken"], showDeleted=True)


async def test_only_what_is_named_is_changed(ada: Person, project: dict[str, Any]) -> None:
    changed = await ada.call("UpdateProject", projectRef=project["slug"], project={"description": "To the moon"})
    assert changed == project | {
        "description": "To the moon",
        "etag": changed["etag"],
        "updateTime": changed["updateTime"],
    }
    assert changed["etag"] != project["etag"]
    cleared = await ada.call("UpdateProject", projectRef=project["id"], project={"description": ""})
    assert cleared["description"] == ""
    assert await ada.call("GetProject", project=project["id"]) == cleared


async def test_a_change_to_what_is_there_already_changes_nothing(ada: Person, project: dict[str, Any]) -> None:
    assert await ada.call("UpdateProject", projectRef=project["id"], project={"title": project["title"]}) == project
    assert await ada.call("UpdateProject", projectRef=project["id"], project={}) == project


async def test_everything_is_changed_when_everything_is_named(ada: Person, project: dict[str, Any]) -> None:
    await ada.call("UpdateProject", projectRef=project["id"], project={"description": "old"})
    changed = await ada.call("UpdateProject", projectRef=project["id"], project={"title": "Artemis"}, updateMask="*")
    assert changed["title"] == "Artemis"
    assert changed["description"] == ""
    assert changed["slug"] == project["slug"], "a project always has one"
    with refused("INVALID_ARGUMENT", field="project.title"):
        await ada.call("UpdateProject", projectRef=project["id"], project={"description": "x"}, updateMask="*")


async def test_output_only_fields_are_ignored_and_unknown_ones_are_not(ada: Person, project: dict[str, Any]) -> None:
    sent = {"title": "Artemis", "id": "x", "etag": "x", "myRole": "VIEWER"}
    changed = await ada.call("UpdateProject", projectRef=project["id"], project=sent)
    assert changed["id"] == project["id"]
    assert changed["myRole"] == "OWNER"
    for mask in ("colour", "title.first"):
        with refused("INVALID_ARGUMENT", field="update_mask"):
            await ada.call("UpdateProject", projectRef=project["id"], project={"title": "x"}, updateMask=mask)


async def test_a_project_can_be_called_something_else(ada: Person, project: dict[str, Any]) -> None:
    slug = f"artemis-{project['id'][-12:]}"
    await ada.call("UpdateProject", projectRef=project["slug"], project={"slug": slug})
    assert (await ada.call("GetProject", project=slug))["id"] == project["id"]
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await ada.call("GetProject", project=project["slug"])
    other = await ada.call("CreateProject", project={"title": "Other"})
    with refused("ALREADY_EXISTS", "SLUG_TAKEN"):
        await ada.call("UpdateProject", projectRef=other["id"], project={"slug": slug})


async def test_a_change_of_what_has_changed_since_is_refused(ada: Person, project: dict[str, Any]) -> None:
    await ada.call("UpdateProject", projectRef=project["id"], project={"title": "A"}, etag=project["etag"])
    for rpc, request in (
        ("UpdateProject", {"projectRef": project["id"], "project": {"title": "B"}}),
        ("DeleteProject", {"project": project["id"]}),
    ):
        with refused("ABORTED", "ETAG_MISMATCH"):
            await ada.call(rpc, **request, etag=project["etag"])
    assert (await ada.call("GetProject", project=project["id"]))["title"] == "A"


async def test_a_deleted_project_is_gone_with_everything_in_it_and_comes_back(
    ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    await ada.call("DeleteProject", project=project["slug"])
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await ada.call("GetProject", project=project["id"])
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await ada.call("GetTask", project=project["id"], task=task["id"])
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await ada.call("DeleteProject", project=project["id"])
    assert project["id"] not in {p["id"] for p in (await ada.call("ListProjects"))["projects"]}
    with_deleted = (await ada.call("ListProjects", showDeleted=True))["projects"]
    assert [p["deleteTime"] is not None for p in with_deleted if p["id"] == project["id"]] == [True]
    gone = await ada.call("GetProject", project=project["slug"], showDeleted=True)
    assert gone["deleteTime"]

    back = await ada.call("UndeleteProject", project=project["slug"])
    assert back["id"] == project["id"]
    assert back.get("deleteTime") is None
    assert await ada.call("GetTask", project=project["id"], task=task["id"]) == task
    with refused("ALREADY_EXISTS", "PROJECT_NOT_DELETED"):
        await ada.call("UndeleteProject", project=project["id"])


async def test_the_slug_of_a_deleted_project_can_be_taken(ada: Person, project: dict[str, Any]) -> None:
    await ada.call("DeleteProject", project=project["id"])
    again = await ada.call("CreateProject", project={"title": "Again", "slug": project["slug"]})
    assert (await ada.call("GetProject", project=project["slug"], showDeleted=True))["id"] == again["id"]
    with refused("ALREADY_EXISTS", "SLUG_TAKEN"):
        await ada.call("UndeleteProject", project=project["id"])


@pytest.mark.parametrize("rpc", ["UpdateProject", "DeleteProject", "UndeleteProject"])
async def test_a_stranger_finds_nothing(stranger: Person, project: dict[str, Any], rpc: str) -> None:
    name = {"projectRef": project["id"], "project": {"title": "Mine"}} if rpc == "UpdateProject" else {}
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await stranger.call(rpc, **(name or {"project": project["id"]}))
