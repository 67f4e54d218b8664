"""Many tasks at once: all of them, or none. Through both doors."""

import asyncio
from typing import Any

import pytest

from tests.support.doors import refused
from tests.support.people import Person
from tests.support.stack import Stack


@pytest.fixture
async def tasks(ada: Person, project: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = [{"task": {"title": f"Task {n}"}} for n in range(1, 4)]
    made: list[dict[str, Any]] = (await ada.call("BatchCreateTasks", project=project["id"], requests=wanted))["tasks"]
    return made


async def listed(ada: Person, project: dict[str, Any]) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = (await ada.call("ListTasks", project=project["id"], pageSize=100))["tasks"]
    return tasks


async def test_many_are_made_in_their_order(ada: Person, project: dict[str, Any]) -> None:
    await ada.call("CreateCategory", project=project["id"], category={"name": "Bug"})
    wanted = [
        {"task": {"title": "a", "category": "bug"}},
        {"task": {"title": "b", "status": "DONE", "annotations": {"x": "y"}}},
    ]
    made = (await ada.call("BatchCreateTasks", project=project["slug"], requests=wanted))["tasks"]
    assert [(task["title"], task["number"]) for task in made] == [("a", 1), ("b", 2)]
    assert made[0]["category"]
    assert made[1]["completeTime"]
    assert await listed(ada, project) == made


async def test_they_are_got_in_the_order_in_which_they_are_named(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    names = ["3", tasks[0]["id"], "2", "3"]
    got = (await ada.call("BatchGetTasks", project=project["slug"], tasks=names))["tasks"]
    assert got == [tasks[2], tasks[0], tasks[1], tasks[2]]
    with refused("NOT_FOUND", "TASK_NOT_FOUND") as said:
        await ada.call("BatchGetTasks", project=project["slug"], tasks=["1", "77"])
    assert said[0].metadata["request"] == "tasks[1]"
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await ada.call("BatchGetTasks", project=project["slug"], tasks=["first"])


async def test_each_is_changed_as_its_request_says(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    requests = [
        {"taskRef": "1", "task": {"title": "One", "status": "DONE"}, "etag": tasks[0]["etag"]},
        {"taskRef": tasks[1]["id"], "task": {"description": "Two"}, "updateMask": "description"},
        {"taskRef": "3", "task": {"title": "Task 3"}},
    ]
    changed = (await ada.call("BatchUpdateTasks", project=project["id"], requests=requests))["tasks"]
    assert [task["etag"] for task in changed] == ["2", "2", "1"]
    assert (changed[0]["title"], changed[0]["status"], changed[1]["description"]) == ("One", "DONE", "Two")
    assert changed[2] == tasks[2], "what is so already is not changed"
    assert await listed(ada, project) == changed
    told = (await ada.call("ListActivities", project=project["id"]))["activities"]
    assert [each["verb"] for each in told[:3]] == ["task_updated", "task_completed", "task_created"]


async def test_they_are_moved_to_other_statuses_and_deleted(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    requests = [{"task": "1", "status": "IN_PROGRESS"}, {"task": "2", "status": "DONE"}]
    moved = (await ada.call("BatchTransitionTasks", project=project["id"], requests=requests))["tasks"]
    assert [task["status"] for task in moved] == ["IN_PROGRESS", "DONE"]
    gone = (
        await ada.call("BatchDeleteTasks", project=project["id"], requests=[{"task": "1"}, {"task": tasks[2]["id"]}])
    )["tasks"]
    assert all(task["deleteTime"] for task in gone)
    assert await listed(ada, project) == [moved[1]]


@pytest.mark.parametrize(
    ("rpc", "bad", "code", "reason"),
    [
        ("BatchUpdateTasks", {"taskRef": "77", "task": {"title": "x"}}, "NOT_FOUND", "TASK_NOT_FOUND"),
        ("BatchUpdateTasks", {"taskRef": "first", "task": {"title": "x"}}, "NOT_FOUND", "TASK_NOT_FOUND"),
        ("BatchUpdateTasks", {"taskRef": "2", "task": {"title": "x"}, "etag": "7"}, "ABORTED", "ETAG_MISMATCH"),
        ("BatchTransitionTasks", {"task": "2", "status": "IN_REVIEW"}, "FAILED_PRECONDITION", "ILLEGAL_TRANSITION"),
        ("BatchDeleteTasks", {"task": "2", "etag": "7"}, "ABORTED", "ETAG_MISMATCH"),
    ],
)
async def test_one_that_fails_is_named_and_none_is_changed(
    ada: Person,
    project: dict[str, Any],
    tasks: list[dict[str, Any]],
    rpc: str,
    bad: dict[str, Any],
    code: str,
    reason: str,
) -> None:
    good: dict[str, dict[str, Any]] = {
        "BatchUpdateTasks": {"taskRef": "1", "task": {"title": "changed"}},
        "BatchTransitionTasks": {"task": "1", "status": "DONE"},
        "BatchDeleteTasks": {"task": "1"},
    }
    with refused(code, reason) as said:
        await ada.call(rpc, project=project["id"], requests=[good[rpc], bad])
    assert said[0].metadata["request"] == "requests[1]"
    assert said[0].message.startswith("requests[1]: ")
    assert await listed(ada, project) == tasks


async def test_what_they_cannot_be_linked_with_is_named(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    wanted = [{"task": {"title": "x"}}, {"task": {"title": "y", "labels": ["nothing"], "parent": "77"}}]
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as said:
        await ada.call("BatchCreateTasks", project=project["id"], requests=wanted)
    assert said[0].fields == ("requests[1].task.labels[0]", "requests[1].task.parent")
    with refused("INVALID_ARGUMENT", "NAMED_TWICE", field="requests[1]"):
        twice = [{"task": "1", "status": "DONE"}, {"task": tasks[0]["id"], "status": "DONE"}]
        await ada.call("BatchTransitionTasks", project=project["id"], requests=twice)
    with refused("FAILED_PRECONDITION", "CIRCULAR"):
        circle = [{"taskRef": str(n), "task": {"parent": str(n % 3 + 1)}} for n in (1, 2, 3)]
        await ada.call("BatchUpdateTasks", project=project["id"], requests=circle)
    with refused("ALREADY_EXISTS", "EXTERNAL_ID_TAKEN") as said:
        same = [{"task": {"title": "x", "externalId": "X-1"}}] * 2
        await ada.call("BatchCreateTasks", project=project["id"], requests=same)
    assert said[0].metadata["request"] == "requests[1]"
    assert await listed(ada, project) == tasks


async def test_who_has_the_external_id_already_is_no_riddle(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    def update(number: int, name: str) -> dict[str, Any]:
        return {"taskRef": str(number), "task": {"externalId": name}, "updateMask": "externalId"}

    name = {"project": project["id"]}
    await ada.call("UpdateTask", **name, taskRef="1", task={"externalId": "X-1"})
    told = (await ada.call("ListActivities", **name, task="1"))["activities"][0]
    assert told["changes"] == [{"field": "external_id", "new": "X-1"}]
    for rpc, wanted in (
        ("BatchCreateTasks", [{"task": {"title": "x", "externalId": each}} for each in ("X-0", "X-1", "X-2")]),
        ("BatchUpdateTasks", [update(2, "X-0"), update(3, "X-1")]),
        ("BatchCreateTasks", [{"task": {"title": "x"}}, {"task": {"title": "x", "externalId": "X-1"}}]),
        ("BatchUpdateTasks", [{"taskRef": "2", "task": {"title": "x"}}, update(3, "X-1")]),
    ):
        with refused("ALREADY_EXISTS", "EXTERNAL_ID_TAKEN") as said:
            await ada.call(rpc, **name, requests=wanted)
        assert said[0].metadata["request"] == "requests[1]"
    # They hand them to each other, in either order, and nobody else's is touched.
    await ada.call("BatchUpdateTasks", **name, requests=[update(2, "X-2"), update(3, "X-3")])
    swapped = [update(1, "X-2"), update(2, "X-3"), update(3, "X-1")]
    changed = (await ada.call("BatchUpdateTasks", **name, requests=swapped))["tasks"]
    assert [task["externalId"] for task in changed] == ["X-2", "X-3", "X-1"]
    assert [task["externalId"] for task in await listed(ada, project)] == ["X-2", "X-3", "X-1"]
    given = [update(1, "X-1"), update(3, "")]
    changed = (await ada.call("BatchUpdateTasks", **name, requests=given))["tasks"]
    assert [task["externalId"] for task in changed] == ["X-1", ""]


@pytest.mark.parametrize(
    ("rpc", "bad"),
    [
        ("BatchUpdateTasks", {"taskRef": "77", "task": {"title": "x"}}),
        ("BatchTransitionTasks", {"task": "77", "status": "DONE"}),
        ("BatchDeleteTasks", {"task": "77"}),
    ],
)
async def test_where_none_is_there_the_first_is_named(
    ada: Person, project: dict[str, Any], rpc: str, bad: dict[str, Any]
) -> None:
    with refused("NOT_FOUND", "TASK_NOT_FOUND") as said:
        await ada.call(rpc, project=project["id"], requests=[bad])
    assert said[0].metadata["request"] == "requests[0]"


@pytest.mark.parametrize("together", [False, True])
async def test_a_task_can_be_put_as_it_is_while_its_whole_is_deleted(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]], *, together: bool
) -> None:
    name = {"project": project["id"]}
    await ada.call("UpdateTask", **name, taskRef="2", task={"parent": "1"})
    await ada.call("DeleteTask", **name, task="1")
    part = await ada.call("GetTask", **name, task="2")
    assert part["parent"] == tasks[0]["id"]
    whole = {key: part[key] for key in ("title", "description", "status", "priority", "parent")}
    request = {"taskRef": "2", "task": whole | {"title": "renamed"}, "updateMask": ",".join(whole)}
    if together:
        (changed,) = (await ada.call("BatchUpdateTasks", **name, requests=[request]))["tasks"]
    else:
        changed = await ada.call("UpdateTask", **name, **request)
    assert (changed["title"], changed["parent"]) == ("renamed", part["parent"])
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await ada.call("UpdateTask", **name, taskRef="3", task={"parent": tasks[0]["id"]})


async def test_an_attempt_that_is_made_again_changes_nothing_more(ada: Person, project: dict[str, Any]) -> None:
    request = {"project": project["id"], "requests": [{"task": {"title": "x"}}], "idempotencyKey": "once"}
    first = await ada.call("BatchCreateTasks", **request)
    assert await ada.call("BatchCreateTasks", **request) == first
    assert await listed(ada, project) == first["tasks"]
    request = {"project": project["id"], "requests": [{"task": "1", "status": "DONE"}], "idempotencyKey": "once"}
    first = await ada.call("BatchTransitionTasks", **request)
    assert await ada.call("BatchTransitionTasks", **request) == first


async def test_of_a_hundred_that_fail_the_first_are_told(ada: Person, project: dict[str, Any]) -> None:
    wanted = [{"task": {"title": "x", "parent": "77", "labels": [f"{'é' * 50}{n}"]}} for n in range(100)]
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as said:
        await ada.call("BatchCreateTasks", project=project["id"], requests=wanted)
    assert said[0].fields[:2] == ("requests[0].task.labels[0]", "requests[0].task.parent")
    assert len(said[0].fields) == 10
    assert len(said[0].message.encode()) == 512


async def test_a_hundred_cost_as_many_statements_as_one(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    await ada.call("CreateLabel", project=project["id"], label={"name": "UI"})
    costs = {}
    for many in (2, 100):
        wanted = [{"task": {"title": str(n), "labels": ["ui"]}} for n in range(many)]
        stack.clear()
        made = (await ada.call("BatchCreateTasks", project=project["id"], requests=wanted))["tasks"]
        costs["create", many] = len(stack.work.statements)
        ids = [task["id"] for task in made]
        for name, rpc, request in (
            ("get", "BatchGetTasks", {"tasks": ids}),
            (
                "update",
                "BatchUpdateTasks",
                {
                    "requests": [
                        {
                            "taskRef": each,
                            "task": {"title": "x", "parent": ids[0]},
                            "updateMask": "title,labels,parent",
                        }
                        for each in ids[1:]
                    ]
                },
            ),
            ("transition", "BatchTransitionTasks", {"requests": [{"task": each, "status": "DONE"} for each in ids]}),
            ("delete", "BatchDeleteTasks", {"requests": [{"task": each} for each in ids]}),
        ):
            stack.clear()
            await ada.call(rpc, project=project["id"], **request)
            costs[name, many] = len(stack.work.statements)
    for name, most in (("create", 6), ("get", 1), ("update", 7), ("transition", 4), ("delete", 4)):
        assert costs[name, 2] == costs[name, 100] <= most, costs


async def test_a_batch_and_its_reverse_do_not_wait_for_each_other(
    stack: Stack, ada: Person, project: dict[str, Any]
) -> None:
    wanted = [{"task": {"title": str(n)}} for n in range(20)]
    made = (await ada.call("BatchCreateTasks", project=project["id"], requests=wanted))["tasks"]
    ids = [task["id"] for task in made]
    for turn in range(6):
        orders = [ids, ids[::-1], ids[::2] + ids[1::2]]
        outcomes = await asyncio.gather(
            *(
                ada.call(
                    "BatchUpdateTasks",
                    project=project["id"],
                    requests=[{"taskRef": each, "task": {"title": f"{turn} {n}"}} for each in order],
                )
                for n, order in enumerate(orders)
            )
        )
        assert len(outcomes) == 3
    assert {task["etag"] for task in await listed(ada, project)} == {str(1 + 6 * 3)}


async def test_a_task_moves_with_what_hangs_on_it(ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    there = await ada.call("CreateProject", project={"title": "There"})
    await ada.call("CreateTask", project=there["id"], task={"title": "first there"})
    await ada.call("CreateCategory", project=project["id"], category={"name": "Bug"})
    await ada.call("CreateLabel", project=project["id"], label={"name": "UI"})
    await ada.call("CreateTask", project=project["id"], task={"title": "whole"})
    wanted = {"title": "moving", "category": "bug", "labels": ["ui"], "parent": "1"}
    task = await ada.call("CreateTask", project=project["id"], task=wanted)
    await ada.call("CreateTask", project=project["id"], task={"title": "part", "parent": "2"})
    await ada.call("AssignTask", project=project["id"], task="2", assignee=ada.id)
    said = await ada.call("CreateComment", project=project["id"], task="2", comment={"text": "Go."})

    moved = await ada.call("MoveTask", project=project["id"], task="2", destination=there["slug"])
    assert (moved["id"], moved["project"], moved["number"]) == (task["id"], there["id"], 2)
    assert (moved["category"], moved["labels"], moved["parent"]) == ("", [], "")
    assert moved["assignee"]["id"] == ada.id
    name = {"project": there["id"], "task": task["id"]}
    assert await ada.call("GetTask", **name) == moved
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await ada.call("GetTask", project=project["id"], task=task["id"])
    comments = (await ada.call("ListComments", **name))["comments"]
    assert comments == [said | {"project": there["id"]}]
    part = await ada.call("GetTask", project=project["id"], task="3")
    assert (part["parent"], part["etag"]) == ("", "2")
    told = (await ada.call("ListActivities", **name))["activities"]
    assert told[0]["verb"] == "task_moved"
    to_there = {"field": "project", "old": project["id"], "new": there["id"]}
    assert to_there in told[0]["changes"]
    assert [each["verb"] for each in told].count("task_moved") == 1
    left = (await ada.call("ListActivities", project=project["id"]))["activities"][0]
    assert (left["verb"], left["task"], left["changes"][0]) == (
        "task_moved",
        "",
        {"field": "task", "old": task["id"]},
    )
    assert to_there in left["changes"], "those who stay learn where it went"
    assert await ada.call("MoveTask", **name, destination=there["id"]) == moved


async def test_who_is_not_a_member_there_loses_the_task(
    ada: Person, stranger: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    there = await ada.call("CreateProject", project={"title": "There"})
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="DEVELOPER")
    await ada.call("AssignTask", project=project["id"], task="1", assignee=stranger.id)
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await stranger.call("MoveTask", project=project["id"], task="1", destination=there["id"])
    moved = await ada.call("MoveTask", project=project["id"], task="1", destination=there["id"])
    assert "assignee" not in moved


async def test_a_viewer_there_cannot_move_anything_in(ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    mine = await stranger.call("CreateProject", project={"title": "Mine"})
    await stranger.call("CreateTask", project=mine["id"], task={"title": "x"})
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
        await stranger.call("MoveTask", project=mine["id"], task="1", destination=project["id"])
    with refused("ABORTED", "ETAG_MISMATCH"):
        await stranger.call("MoveTask", project=mine["id"], task="1", destination=mine["id"], etag="7")


async def test_nothing_moves_into_or_out_of_what_is_archived(ada: Person, project: dict[str, Any]) -> None:
    there = await ada.call("CreateProject", project={"title": "There"})
    await ada.call("CreateTask", project=project["id"], task={"title": "x"})
    for closed in (project, there):
        await ada.call("ArchiveProject", project=closed["id"])
        with refused("FAILED_PRECONDITION", "PROJECT_ARCHIVED"):
            await ada.call("MoveTask", project=project["id"], task="1", destination=there["id"])
        with refused("FAILED_PRECONDITION", "PROJECT_ARCHIVED"):
            await ada.call("BatchCreateTasks", project=closed["id"], requests=[{"task": {"title": "x"}}])
        await ada.call("UnarchiveProject", project=closed["id"])
    await ada.call("MoveTask", project=project["id"], task="1", destination=there["id"])


async def test_no_task_is_lost_when_its_destination_is_archived_or_deleted_at_that_time(
    ada: Person, project: dict[str, Any]
) -> None:
    for turn in range(8):
        there = await ada.call("CreateProject", project={"title": f"There {turn}"})
        task = await ada.call("CreateTask", project=project["id"], task={"title": "x"})
        rpc = ("ArchiveProject", "DeleteProject")[turn % 2]
        moved, _ = await asyncio.gather(
            ada.call("MoveTask", project=project["id"], task=task["id"], destination=there["id"]),
            ada.call(rpc, project=there["id"]),
            return_exceptions=True,
        )
        if isinstance(moved, BaseException):
            assert getattr(moved, "reason", "") in {"PROJECT_ARCHIVED", "PROJECT_NOT_FOUND", "CONCURRENT_MODIFICATION"}
            assert await ada.call("GetTask", project=project["id"], task=task["id"]) == task
        else:
            if rpc == "DeleteProject":
                await ada.call("UndeleteProject", project=there["id"])
            assert await ada.call("GetTask", project=there["id"], task=task["id"]) == moved


async def test_a_task_that_is_moved_by_many_at_once_ends_in_one_place(ada: Person, project: dict[str, Any]) -> None:
    places = [(await ada.call("CreateProject", project={"title": f"There {n}"}))["id"] for n in range(3)]
    task = await ada.call("CreateTask", project=project["id"], task={"title": "x"})
    outcomes = await asyncio.gather(
        *(
            ada.call("MoveTask", project=project["id"], task=task["id"], destination=place, idempotencyKey=place)
            for place in places
        ),
        return_exceptions=True,
    )
    reasons = sorted(getattr(outcome, "reason", "") for outcome in outcomes)
    assert reasons == ["", "TASK_NOT_FOUND", "TASK_NOT_FOUND"]
    found = [place for place in places if (await ada.call("ListTasks", project=place))["tasks"]]
    assert len(found) == 1


async def test_nobody_becomes_a_part_of_what_moves_away(ada: Person, project: dict[str, Any]) -> None:
    there = await ada.call("CreateProject", project={"title": "There"})
    for _ in range(5):
        task = await ada.call("CreateTask", project=project["id"], task={"title": "whole"})
        moved, *made = await asyncio.gather(
            ada.call("MoveTask", project=project["id"], task=task["id"], destination=there["id"]),
            *(
                ada.call("CreateTask", project=project["id"], task={"title": "part", "parent": task["id"]})
                for _ in range(3)
            ),
            return_exceptions=True,
        )
        assert not isinstance(moved, BaseException)
        assert {getattr(outcome, "reason", "") for outcome in made} <= {"", "REFERENCE_NOT_FOUND"}
        assert {each["parent"] for each in await listed(ada, project)} <= {""}


async def test_a_stranger_learns_nothing_from_a_batch(
    stack: Stack, stranger: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    for place in (project["id"], "01a1f953-0000-7000-8000-000000000000"):
        with refused("NOT_FOUND", "TASK_NOT_FOUND"):
            await stranger.call("BatchDeleteTasks", project=place, requests=[{"task": "1"}])
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await stranger.call("BatchCreateTasks", project=project["id"], requests=[{"task": {"title": "x"}}])


async def test_what_is_deleted_by_one_cannot_be_changed_by_another(
    ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]
) -> None:
    names = ("1", "2", "3")
    outcomes = await asyncio.gather(
        ada.call("BatchDeleteTasks", project=project["id"], requests=[{"task": name} for name in names]),
        ada.call(
            "BatchUpdateTasks",
            project=project["id"],
            requests=[{"taskRef": name, "task": {"title": "x"}} for name in names],
        ),
        return_exceptions=True,
    )
    assert not isinstance(outcomes[0], Exception)
    assert getattr(outcomes[1], "reason", "") in {"", "TASK_NOT_FOUND"}
    assert await listed(ada, project) == []
