"""Tasks, day by day: edited, assigned, deleted, restored."""

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from chassis.ids import new_id
from tests.support.doors import Refused, RestDoor, refused
from tests.support.people import Person, known, signed_up
from tests.support.sql import rows
from tests.support.stack import Stack
from work_service.tables import activities, task_counters


def named(task: dict[str, Any], *, ref: str = "task") -> dict[str, Any]:
    return {"project": task["project"], ref: task["id"]}


async def edited(person: Person, task: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return await person.call("UpdateTask", **named(task, ref="taskRef"), task=fields)


async def test_only_what_is_named_is_changed(ada: Person, task: dict[str, Any]) -> None:
    changed = await edited(ada, task, title="Land softly", priority="URGENT", dueTime="2030-01-01T00:00:00Z")
    assert changed == task | {
        "title": "Land softly",
        "priority": "URGENT",
        "dueTime": "2030-01-01T00:00:00Z",
        "etag": "2",
        "updateTime": changed["updateTime"],
    }
    assert await ada.call("GetTask", **named(task)) == changed
    cleared = await edited(ada, task, description="", dueTime=None)
    assert cleared.get("dueTime") is None
    assert cleared["title"] == "Land softly"


async def test_a_change_to_what_is_there_already_changes_nothing(
    stack: Stack, ada: Person, task: dict[str, Any]
) -> None:
    assert await edited(ada, task, title=task["title"], status="TODO") == task
    assert await edited(ada, task) == task
    written = await rows(stack.work_url, select(activities.c.id).where(activities.c.task_id == task["id"]))
    assert len(written) == 1


async def test_a_status_among_the_changes_follows_its_rules(stack: Stack, ada: Person, task: dict[str, Any]) -> None:
    done = await edited(ada, task, title="Landed", status="DONE")
    assert done["completeTime"] == done["updateTime"]
    assert done["etag"] == "2"
    with refused("FAILED_PRECONDITION", "ILLEGAL_TRANSITION"):
        await edited(ada, task, title="Lost", status="CANCELLED")
    assert (await ada.call("GetTask", **named(task)))["title"] == "Landed"
    last = (
        await rows(
            stack.work_url,
            select(activities.c.verb, activities.c.changes)
            .where(activities.c.task_id == task["id"])
            .order_by(activities.c.id.desc()),
        )
    )[0]
    assert last.verb == "task_completed"
    assert {change["field"] for change in last.changes} == {"title", "status", "complete_time"}


async def test_everything_is_changed_when_everything_is_named(ada: Person, task: dict[str, Any]) -> None:
    await edited(ada, task, description="long", priority="HIGH", status="IN_PROGRESS")
    changed = await ada.call("UpdateTask", **named(task, ref="taskRef"), task={"title": "New"}, updateMask="*")
    assert (changed["title"], changed["description"]) == ("New", "")
    assert (changed["status"], changed["priority"]) == ("IN_PROGRESS", "HIGH"), "a task always has both"
    with refused("INVALID_ARGUMENT", field="task.title"):
        await ada.call("UpdateTask", **named(task, ref="taskRef"), task={"description": "x"}, updateMask="*")


@pytest.mark.parametrize("field", ["status", "priority"])
async def test_what_a_task_always_has_cannot_be_cleared(ada: Person, task: dict[str, Any], field: str) -> None:
    with refused("INVALID_ARGUMENT", field=f"task.{field}"):
        await ada.call("UpdateTask", **named(task, ref="taskRef"), task={}, updateMask=field)


async def test_rest_patches_what_it_sends_and_puts_the_whole(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada = await known(stack, await signed_up(door))
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    task = await ada.call("CreateTask", project=project["id"], task={"title": "Land", "description": "softly"})
    headers = {"authorization": f"Bearer {ada.token}"}
    path = f"/api/v1/projects/{project['slug']}/tasks/{task['number']}"

    async def sent(verb: str, body: Any, **more: str) -> dict[str, Any]:
        response = await door.client.request(verb, path, json=body, headers=headers | more)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    assert (await sent("PATCH", {"due_time": "2030-01-01T00:00:00Z"}))["dueTime"] == "2030-01-01T00:00:00Z"
    cleared = await sent("PATCH", {"dueTime": None})
    assert cleared.get("dueTime") is None
    assert cleared["description"] == "softly"
    assert (await sent("PUT", {"title": "Stay"}))["description"] == ""
    whole = (await door.client.get(path, headers=headers)).json()
    assert await sent("PUT", whole, **{"if-match": f'"{whole["etag"]}"'}) == whole, "what was got can be put back"
    assert await sent("PATCH", whole) == whole, "or sent as a patch"
    stale = await door.client.patch(path, json={"title": "x"}, headers=headers | {"if-match": '"1"'})
    assert stale.status_code == 412
    gone = await door.client.delete(path, headers=headers)
    assert gone.status_code == 204
    assert gone.content == b""
    assert (await door.client.get(path, headers=headers)).status_code == 404


async def test_a_task_is_put_into_a_members_hands(
    ada: Person, stranger: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    with refused("INVALID_ARGUMENT", "ASSIGNEE_NOT_MEMBER", field="assignee"):
        await ada.call("AssignTask", **named(task), assignee=stranger.id)
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    assigned = await ada.call("AssignTask", **named(task), assignee=stranger.id, etag=task["etag"])
    assert assigned["assignee"]["id"] == stranger.id
    assert await ada.call("AssignTask", **named(task), assignee=stranger.id) == assigned
    free = await ada.call("UnassignTask", **named(task))
    assert free.get("assignee") is None
    assert await ada.call("UnassignTask", **named(task)) == free


async def test_a_deleted_task_is_gone_and_comes_back(
    ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    await ada.call("DeleteTask", **named(task), etag=task["etag"])
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await ada.call("GetTask", **named(task))
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await ada.call("DeleteTask", **named(task))
    for rpc, request in (
        ("TransitionTask", {"status": "DONE"}),
        ("AssignTask", {"assignee": ada.id}),
        ("UnassignTask", {}),
    ):
        with refused("NOT_FOUND", "TASK_NOT_FOUND"):
            await ada.call(rpc, **named(task), **request)
    assert (await ada.call("ListTasks", project=project["id"]))["tasks"] == []
    (listed,) = (await ada.call("ListTasks", project=project["id"], showDeleted=True))["tasks"]
    assert listed["deleteTime"]
    assert await ada.call("GetTask", **named(task), showDeleted=True) == listed
    back = await ada.call("UndeleteTask", project=project["slug"], task=str(task["number"]))
    assert back.get("deleteTime") is None
    assert back["etag"] == "3"
    with refused("ALREADY_EXISTS", "TASK_NOT_DELETED"):
        await ada.call("UndeleteTask", **named(task))
    again = await ada.call("CreateTask", project=project["id"], task={"title": "Next"})
    assert again["number"] == task["number"] + 1, "numbers are never given twice"


async def test_another_projects_task_is_not_there(ada: Person, task: dict[str, Any]) -> None:
    other = await ada.call("CreateProject", project={"title": "Other"})
    for rpc, request in (
        ("UpdateTask", {"taskRef": task["id"], "task": {"title": "x"}}),
        ("AssignTask", {"task": task["id"], "assignee": ada.id}),
        ("UnassignTask", {"task": task["id"]}),
        ("DeleteTask", {"task": task["id"]}),
        ("UndeleteTask", {"task": task["id"]}),
    ):
        with refused("NOT_FOUND", "TASK_NOT_FOUND"):
            await ada.call(rpc, project=other["id"], **request)


async def test_writers_of_titles_lose_no_status(ada: Person, task: dict[str, Any]) -> None:
    """Two write titles while one moves the task: each acknowledged status is there afterwards."""
    await titles_beside_a_status(ada, task, rounds=40)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_writers_of_titles_lose_no_status_in_a_thousand_rounds(ada: Person, task: dict[str, Any]) -> None:
    await titles_beside_a_status(ada, task, rounds=1000)


async def titles_beside_a_status(ada: Person, task: dict[str, Any], *, rounds: int) -> None:
    async def write_titles(name: str) -> None:
        for number in range(rounds):
            try:
                await edited(ada, task, title=f"{name} {number}")
            except Refused as refusal:
                assert refusal.reason == "TASK_LOCKED", refusal

    async def move() -> None:
        for number in range(rounds):
            status = "IN_PROGRESS" if number % 2 == 0 else "TODO"
            try:
                moved = await ada.call("TransitionTask", **named(task), status=status)
            except Refused as refusal:
                assert refusal.reason in {"TASK_LOCKED", "ILLEGAL_TRANSITION"}, refusal
            else:
                assert moved["status"] == status
                assert (await ada.call("GetTask", **named(task)))["status"] == status

    await asyncio.gather(write_titles("a"), write_titles("b"), move())


async def test_an_unknown_assignee_is_refused(ada: Person, task: dict[str, Any]) -> None:
    with refused("INVALID_ARGUMENT", "ASSIGNEE_NOT_MEMBER"):
        await ada.call("AssignTask", **named(task), assignee=str(new_id()))


async def test_a_task_carries_annotations_and_an_external_id(ada: Person, project: dict[str, Any]) -> None:
    wanted: dict[str, Any] = {"title": "Land", "annotations": {"ci/build": "17", "é": "x"}, "externalId": "JIRA-1"}
    with refused("INVALID_ARGUMENT", field='task.annotations["é"]'):
        await ada.call("CreateTask", project=project["id"], task=wanted)
    wanted["annotations"] = {"ci/build": "17"}
    task = await ada.call("CreateTask", project=project["id"], task=wanted)
    assert (task["annotations"], task["externalId"]) == ({"ci/build": "17"}, "JIRA-1")
    name = {"project": project["id"], "taskRef": task["id"]}
    changed = await ada.call("UpdateTask", **name, task={"annotations": {"ci/build": "18", "seen": "yes"}})
    assert changed["annotations"] == {"ci/build": "18", "seen": "yes"}
    with refused("ALREADY_EXISTS", "EXTERNAL_ID_TAKEN"):
        await ada.call("CreateTask", project=project["id"], task={"title": "Again", "externalId": "JIRA-1"})
    await ada.call("DeleteTask", project=project["id"], task=task["id"])
    again = await ada.call("CreateTask", project=project["id"], task={"title": "Again", "externalId": "JIRA-1"})
    with refused("ALREADY_EXISTS", "EXTERNAL_ID_TAKEN"):
        await ada.call("UndeleteTask", project=project["id"], task=task["id"])
    other = await ada.call("CreateTask", project=project["id"], task={"title": "Other"})
    with refused("ALREADY_EXISTS", "EXTERNAL_ID_TAKEN"):
        await ada.call(
            "UpdateTask", project=project["id"], taskRef=other["id"], task={"externalId": again["externalId"]}
        )


async def test_a_task_is_a_part_of_another_but_not_of_its_own_parts(ada: Person, project: dict[str, Any]) -> None:
    tasks = [await ada.call("CreateTask", project=project["id"], task={"title": "1"})]
    for n in (2, 3):
        wanted = {"title": str(n), "parent": str(n - 1)}
        tasks.append(await ada.call("CreateTask", project=project["id"], task=wanted))
    assert [task["parent"] for task in tasks] == ["", tasks[0]["id"], tasks[1]["id"]]
    for part, whole in (("1", "3"), ("1", "1"), ("2", "3")):
        with refused("FAILED_PRECONDITION", "CIRCULAR"):
            await ada.call("UpdateTask", project=project["id"], taskRef=part, task={"parent": whole})
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND", field="task.parent"):
        await ada.call("UpdateTask", project=project["id"], taskRef="1", task={"parent": "first"})
    alone = await ada.call("UpdateTask", project=project["id"], taskRef="2", task={"parent": ""}, updateMask="parent")
    assert alone["parent"] == ""
    await ada.call("UpdateTask", project=project["id"], taskRef="1", task={"parent": "3"})


async def test_two_tasks_do_not_become_parts_of_each_other_at_once(ada: Person, project: dict[str, Any]) -> None:
    for turn in range(6):
        first, second = [
            (await ada.call("CreateTask", project=project["id"], task={"title": str(turn)}))["id"] for _ in range(2)
        ]
        outcomes = await asyncio.gather(
            ada.call("UpdateTask", project=project["id"], taskRef=first, task={"parent": second}),
            ada.call("UpdateTask", project=project["id"], taskRef=second, task={"parent": first}),
            return_exceptions=True,
        )
        assert sorted(getattr(outcome, "reason", "") for outcome in outcomes) == ["", "CIRCULAR"]


async def test_a_task_is_put_beside_another_and_no_other_changes(ada: Person, project: dict[str, Any]) -> None:
    tasks = [await ada.call("CreateTask", project=project["id"], task={"title": str(n)}) for n in range(1, 5)]
    etags = {task["id"]: task["etag"] for task in tasks}

    async def order() -> list[int]:
        listed = (await ada.call("ListTasks", project=project["id"]))["tasks"]
        assert {task["id"]: task["etag"] for task in listed} == etags
        return [task["number"] for task in sorted(listed, key=lambda task: task["position"])]

    async def put(number: int, **beside: str) -> list[int]:
        task = await ada.call("ReorderTask", project=project["id"], task=str(number), **beside)
        etags[task["id"]] = task["etag"]
        return await order()

    assert await order() == [1, 2, 3, 4]
    assert await put(4, before="1") == [4, 1, 2, 3]
    assert await put(4, after="2") == [1, 2, 4, 3]
    assert await put(1, after="3") == [2, 4, 3, 1]
    assert await put(3, before="4") == [2, 3, 4, 1]
    before = dict(etags)
    assert await put(3, before="4") == [2, 3, 4, 1]
    assert await put(3, after="3") == [2, 3, 4, 1]
    assert etags == before, "what stands there already is not put there again"
    fifth = await ada.call("CreateTask", project=project["id"], task={"title": "5"})
    etags[fifth["id"]] = fifth["etag"]
    assert await order() == [2, 3, 4, 1, 5]
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await put(3, before="77")


async def test_many_that_are_put_at_one_place_at_once_all_get_one(ada: Person, project: dict[str, Any]) -> None:
    tasks = [await ada.call("CreateTask", project=project["id"], task={"title": str(n)}) for n in range(8)]
    await asyncio.gather(
        *(ada.call("ReorderTask", project=project["id"], task=task["id"], before="1") for task in tasks[1:])
    )
    listed = (await ada.call("ListTasks", project=project["id"]))["tasks"]
    assert max(listed, key=lambda task: task["position"])["number"] == 1
    assert len({task["position"] for task in listed}) == 8


async def test_what_is_put_first_does_not_take_the_place_of_a_task_that_is_being_made(
    stack: Stack, ada: Person, project: dict[str, Any]
) -> None:
    """It has its number already, and nobody sees it yet."""
    name = {"project": project["id"]}
    label = await ada.call("CreateLabel", **name, label={"name": "UI"})
    plain = stack.work_url.replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(plain) as holding:
        await holding.execute("SELECT id FROM tags WHERE id = %s FOR UPDATE", (label["id"],))
        making = asyncio.create_task(ada.call("CreateTask", **name, task={"title": "1", "labels": ["ui"]}))
        numbers = select(task_counters.c.last_number).where(task_counters.c.project_id == project["id"])
        async with asyncio.timeout(20):
            while not (await rows(stack.work_url, numbers))[0].last_number:
                await asyncio.sleep(0.01)
        for title in ("2", "3"):
            await ada.call("CreateTask", **name, task={"title": title})
        await ada.call("ReorderTask", **name, task="3", before="2")
    made = await making
    assert made["number"] == 1
    listed = (await ada.call("ListTasks", **name, orderBy="position"))["tasks"]
    assert [task["number"] for task in listed] == [1, 3, 2]
