"""A project's tasks, counted."""

from datetime import timedelta
from typing import Any

from tests.support.doors import refused
from tests.support.people import Person
from tests.support.stack import Stack


async def test_an_empty_project_has_nothing_of_everything(ada: Person, project: dict[str, Any]) -> None:
    assert await ada.call("GetProjectStats", project=project["slug"]) == {
        "total": 0,
        "overdue": 0,
        "unassigned": 0,
        "byStatus": [
            {"status": status, "count": 0} for status in ("TODO", "IN_PROGRESS", "IN_REVIEW", "DONE", "CANCELLED")
        ],
        "byPriority": [{"priority": priority, "count": 0} for priority in ("LOW", "MEDIUM", "HIGH", "URGENT")],
        "byAssignee": [],
    }


async def test_tasks_are_counted_by_what_they_are(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    name = {"project": project["id"]}
    await ada.call("AddMember", **name, userId=stranger.id, role="DEVELOPER")
    past = (stack.clock.now() - timedelta(hours=1)).isoformat()
    future = (stack.clock.now() + timedelta(hours=1)).isoformat()
    for more, assignee in (
        ({"priority": "URGENT", "dueTime": past}, stranger),
        ({"priority": "LOW", "dueTime": future, "status": "IN_PROGRESS"}, stranger),
        ({"dueTime": past, "status": "DONE"}, stranger),
        ({"dueTime": past, "status": "CANCELLED"}, ada),
        ({"dueTime": past, "status": "IN_REVIEW"}, None),
        ({}, None),
    ):
        task = await ada.call("CreateTask", **name, task={"title": "x", **more})
        if assignee is not None:
            await ada.call("AssignTask", **name, task=task["id"], assignee=assignee.id)
    deleted = await ada.call("CreateTask", **name, task={"title": "gone", "dueTime": past})
    await ada.call("DeleteTask", **name, task=deleted["id"])
    other = await ada.call("CreateProject", project={"title": "Another"})
    await ada.call("CreateTask", project=other["id"], task={"title": "elsewhere"})

    stats = await stranger.call("GetProjectStats", **name)
    assert (stats["total"], stats["overdue"], stats["unassigned"]) == (6, 2, 2)
    assert {row["status"]: row["count"] for row in stats["byStatus"]} == {
        "TODO": 2,
        "IN_PROGRESS": 1,
        "IN_REVIEW": 1,
        "DONE": 1,
        "CANCELLED": 1,
    }
    assert {row["priority"]: row["count"] for row in stats["byPriority"]} == {
        "LOW": 1,
        "MEDIUM": 4,
        "HIGH": 0,
        "URGENT": 1,
    }
    assert stats["byAssignee"] == [
        {"assignee": {"id": stranger.id, "username": "", "fullName": "Stranger"}, "count": 3},
        {"assignee": {"id": ada.id, "username": "", "fullName": "Ada"}, "count": 1},
    ]


async def test_a_stranger_counts_nothing(stranger: Person, project: dict[str, Any]) -> None:
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await stranger.call("GetProjectStats", project=project["id"])


async def test_what_is_archived_can_be_counted(ada: Person, project: dict[str, Any], task: dict[str, Any]) -> None:
    await ada.call("ArchiveProject", project=project["id"])
    assert (await ada.call("GetProjectStats", project=project["id"]))["total"] == 1
