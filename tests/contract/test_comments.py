"""What members say about tasks, and what has happened to them. Through both doors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from tests.support.doors import Json, RestDoor, refused
from tests.support.people import Person, known, signed_up
from tests.support.sql import rows
from tests.support.stack import Stack


async def say(person: Person, project: Json, text: str = "Well done.", **more: Any) -> Json:
    return await person.call("CreateComment", project=project["id"], task="1", comment={"text": text}, **more)


@pytest.fixture
async def bea(stack: Stack, ada: Person, project: Json) -> Person:
    """A developer in the project."""
    somebody = await known(stack, await signed_up(ada.door, "Bea"))
    await ada.call("AddMember", project=project["id"], userId=somebody.id, role="DEVELOPER")
    return somebody


async def test_a_comment_says_who_said_what_about_which_task(ada: Person, project: Json, task: Json) -> None:
    comment = await say(ada, project)
    assert comment["author"] == {"id": ada.id, "username": "", "fullName": "Ada"}
    assert (comment["text"], comment["task"], comment["project"]) == ("Well done.", task["id"], project["id"])
    assert comment["createTime"] == comment["updateTime"]
    for name in (project["slug"], project["id"]):
        for ref in ("1", task["id"]):
            found = await ada.call("GetComment", project=name, task=ref, commentId=comment["id"])
            assert found == comment


async def test_comments_are_listed_the_oldest_first_a_page_at_a_time(ada: Person, project: Json, task: Json) -> None:
    said = [(await say(ada, project, str(number)))["text"] for number in range(5)]
    page = await ada.call("ListComments", project=project["slug"], task="1", pageSize=3)
    rest = await ada.call(
        "ListComments", project=project["slug"], task="1", pageSize=3, pageToken=page["nextPageToken"]
    )
    assert [comment["text"] for comment in page["comments"] + rest["comments"]] == said
    assert rest["nextPageToken"] == ""


async def test_a_token_of_one_task_does_not_continue_another(ada: Person, project: Json, task: Json) -> None:
    await ada.call("CreateTask", project=project["id"], task={"title": "Another"})
    for number in range(2):
        await say(ada, project, str(number))
    page = await ada.call("ListComments", project=project["id"], task="1", pageSize=1)
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", field="page_token"):
        await ada.call("ListComments", project=project["id"], task="2", pageToken=page["nextPageToken"])


async def test_a_task_without_comments_is_no_missing_task(ada: Person, project: Json, task: Json) -> None:
    assert (await ada.call("ListComments", project=project["id"], task="1"))["comments"] == []
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await ada.call("ListComments", project=project["id"], task="2")


async def test_the_author_says_something_else(ada: Person, bea: Person, project: Json, task: Json) -> None:
    comment = await say(bea, project)
    name = {"project": project["id"], "task": "1", "commentId": comment["id"]}
    changed = await bea.call("UpdateComment", **name, comment={"text": "Not bad."})
    assert (changed["text"], changed["createTime"]) == ("Not bad.", comment["createTime"])
    assert changed["etag"] != comment["etag"]
    again = await bea.call("UpdateComment", **name, comment={"text": "Not bad."})
    assert again == changed, "that is no change"
    with refused("ABORTED", "ETAG_MISMATCH"):
        await bea.call("UpdateComment", **name, comment={"text": "Late."}, etag=comment["etag"])
    for somebody in (ada,):  # who may do everything else in the project
        with refused("PERMISSION_DENIED", "NOT_THE_AUTHOR"):
            await somebody.call("UpdateComment", **name, comment={"text": "Put into somebody's mouth."})


async def test_the_author_and_maintainers_remove_a_comment(
    stack: Stack, ada: Person, bea: Person, project: Json, task: Json
) -> None:
    cid = await known(stack, await signed_up(ada.door, "Cid"))
    await ada.call("AddMember", project=project["id"], userId=cid.id, role="DEVELOPER")
    for remover, code in ((cid, "PERMISSION_DENIED"), (bea, ""), (ada, "")):
        comment = await say(bea, project)
        name = {"project": project["id"], "task": "1", "commentId": comment["id"]}
        if code:
            with refused(code, "NOT_THE_AUTHOR"):
                await remover.call("DeleteComment", **name)
            continue
        await remover.call("DeleteComment", **name)
        for rpc in ("GetComment", "DeleteComment"):
            with refused("NOT_FOUND", "COMMENT_NOT_FOUND"):
                await remover.call(rpc, **name)


async def test_a_comment_is_found_by_way_of_its_own_task_only(ada: Person, project: Json, task: Json) -> None:
    comment = await say(ada, project)
    await ada.call("CreateTask", project=project["id"], task={"title": "Another"})
    other = await ada.call("CreateProject", project={"title": "Another"})
    await ada.call("CreateTask", project=other["id"], task={"title": "Alike"})
    for where, ref in ((project["id"], "2"), (other["id"], "1"), (other["id"], task["id"])):
        for rpc, more in (("GetComment", {}), ("UpdateComment", {"comment": {"text": "x"}}), ("DeleteComment", {})):
            with refused("NOT_FOUND"):
                await ada.call(rpc, project=where, task=ref, commentId=comment["id"], **more)


async def test_a_deleted_task_takes_its_comments_along_and_brings_them_back(
    ada: Person, project: Json, task: Json
) -> None:
    comment = await say(ada, project)
    name = {"project": project["id"], "task": "1"}
    await ada.call("DeleteTask", **name)
    for rpc, more in (("GetComment", {"commentId": comment["id"]}), ("ListComments", {})):
        with refused("NOT_FOUND"):
            await ada.call(rpc, **name, **more)
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await say(ada, project)
    await ada.call("UndeleteTask", **name)
    assert (await ada.call("ListComments", **name))["comments"] == [comment]


@asynccontextmanager
async def nobody_finishes(stack: Stack, *projects: Json) -> AsyncIterator[None]:
    """Who changes something in these projects does so, and then waits until the block is left."""
    plain = stack.work_url.replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(plain) as connection:
        ids = [project["id"] for project in projects]
        await connection.execute("SELECT id FROM projects WHERE id = ANY(%s::uuid[]) FOR UPDATE", (ids,))
        yield


async def wait_for_waiting(stack: Stack, how_many: int, *calls: asyncio.Task[Any]) -> None:
    """Return once so many wait for others in the database, or one of the calls has not."""
    of_here = "datname = current_database() AND wait_event_type = 'Lock'"
    waiting = text(f"SELECT count(*) AS number FROM pg_stat_activity WHERE {of_here}")
    async with asyncio.timeout(10):
        while (await rows(stack.work_url, waiting))[0].number < how_many and not any(call.done() for call in calls):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("away", ["MoveTask", "DeleteTask"])
@pytest.mark.parametrize("rpc", ["CreateComment", "UpdateComment", "DeleteComment"])
async def test_nobody_has_a_say_about_a_task_that_leaves_meanwhile(
    stack: Stack, ada: Person, bea: Person, project: Json, task: Json, away: str, rpc: str
) -> None:
    there = await ada.call("CreateProject", project={"title": "There"})
    comment = await say(bea, project)
    name = {"project": project["id"], "task": task["id"]}
    more = {
        "CreateComment": {"comment": {"text": "Late."}},
        "UpdateComment": {"comment": {"text": "Late."}, "commentId": comment["id"]},
        "DeleteComment": {"commentId": comment["id"]},
    }[rpc]
    to = {"destination": there["id"]} if away == "MoveTask" else {}
    async with nobody_finishes(stack, there if away == "MoveTask" else project):
        leaving = asyncio.create_task(ada.call(away, **name, **to))
        await wait_for_waiting(stack, 1)
        speaking = asyncio.create_task(bea.call(rpc, **name, **more))
        await wait_for_waiting(stack, 2, speaking)
    await leaving
    with refused("NOT_FOUND"):
        await speaking
    if away == "DeleteTask":
        await ada.call("UndeleteTask", **name)
    where = there if away == "MoveTask" else project
    listed = await ada.call("ListComments", project=where["id"], task=task["id"])
    assert [each["text"] for each in listed["comments"]] == [comment["text"]]


async def test_trying_again_says_it_once(ada: Person, project: Json, task: Json) -> None:
    said = await asyncio.gather(*(say(ada, project, idempotencyKey="k") for _ in range(5)))
    assert len({comment["id"] for comment in said}) == 1
    assert len((await ada.call("ListComments", project=project["id"], task="1"))["comments"]) == 1
    with refused("INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED"):
        await say(ada, project, "Something else.", idempotencyKey="k")


async def test_those_who_change_a_comment_at_once_take_turns(ada: Person, project: Json, task: Json) -> None:
    comment = await say(ada, project)
    name = {"project": project["id"], "task": "1", "commentId": comment["id"]}
    outcomes = await asyncio.gather(
        *(
            ada.call("UpdateComment", **name, comment={"text": str(number)}, etag=comment["etag"])
            for number in range(6)
        ),
        return_exceptions=True,
    )
    assert len([outcome for outcome in outcomes if isinstance(outcome, dict)]) == 1
    assert {str(outcome).split(":")[0] for outcome in outcomes if not isinstance(outcome, dict)} == {
        "ABORTED ETAG_MISMATCH"
    }


async def test_reading_comments_and_activity_costs_one_statement(
    stack: Stack, ada: Person, project: Json, task: Json
) -> None:
    comment = await say(ada, project)
    name = {"project": project["slug"], "task": "1"}
    for rpc, request in (
        ("GetComment", name | {"commentId": comment["id"]}),
        ("ListComments", name),
        ("ListActivities", {"project": project["slug"]}),
        ("ListActivities", name),
    ):
        stack.clear()
        await ada.call(rpc, **request)
        assert len(stack.work.statements) == 1, (rpc, stack.work.statements)
    stack.clear()
    await ada.call("UpdateComment", **name, commentId=comment["id"], comment={"text": "x"})
    assert len(stack.work.statements) == 3, stack.work.statements
    stack.clear()
    await say(ada, project, "y")
    assert len(stack.work.statements) == 4, stack.work.statements


async def test_activity_tells_who_changed_what(ada: Person, bea: Person, project: Json, task: Json) -> None:
    name = {"project": project["id"], "task": "1"}
    await bea.call("TransitionTask", **name, status="DONE", request_id="the-move")
    comment = await say(bea, project)
    await ada.call("UpdateTask", project=project["id"], taskRef="1", task={"title": "Land softly"})
    found = (await ada.call("ListActivities", **name))["activities"]
    assert [activity["verb"] for activity in found] == [
        "task_updated",
        "comment_created",
        "task_completed",
        "task_created",
    ]
    updated, said, moved, created = found
    assert updated["changes"] == [{"field": "title", "old": "Land on the moon", "new": "Land softly"}]
    assert {"field": "comment", "new": comment["id"]} in said["changes"]
    assert {"field": "status", "old": "TODO", "new": "DONE"} in moved["changes"]
    assert (moved["actor"]["id"], moved["actor"]["fullName"], moved["requestId"]) == (bea.id, "Bea", "the-move")
    assert created["task"] == task["id"]


async def test_activity_of_a_project_holds_what_is_about_no_task(ada: Person, bea: Person, project: Json) -> None:
    found = (await ada.call("ListActivities", project=project["slug"]))["activities"]
    assert [activity["verb"] for activity in found] == ["member_added", "project_created"]
    assert found[0]["task"] == ""


async def test_activity_comes_a_page_at_a_time(ada: Person, project: Json, task: Json) -> None:
    for number in range(4):
        await say(ada, project, str(number))
    name = {"project": project["id"], "task": "1"}
    page = await ada.call("ListActivities", **name, pageSize=3)
    rest = await ada.call("ListActivities", **name, pageSize=3, pageToken=page["nextPageToken"])
    ids = [activity["id"] for activity in page["activities"] + rest["activities"]]
    assert len(ids) == 5
    assert ids == sorted(ids, reverse=True)
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        await ada.call("ListActivities", project=project["id"], pageToken=page["nextPageToken"])


async def test_what_is_refused_or_changes_nothing_leaves_no_activity(ada: Person, project: Json, task: Json) -> None:
    comment = await say(ada, project)
    name = {"project": project["id"], "task": "1", "commentId": comment["id"]}
    before = await ada.call("ListActivities", project=project["id"])
    await ada.call("UpdateComment", **name, comment={"text": comment["text"]})
    with refused("ABORTED"):
        await ada.call("DeleteComment", **name, etag="99")
    assert await ada.call("ListActivities", project=project["id"]) == before


async def test_rest_finds_the_activity_of_a_task_below_the_task(ada: Person, project: Json, task: Json) -> None:
    if not isinstance(ada.door, RestDoor):
        return
    headers = {"authorization": f"Bearer {ada.token}"}
    answer = await ada.door.client.get(f"/api/v1/projects/{project['slug']}/tasks/1/activity", headers=headers)
    assert [activity["verb"] for activity in answer.json()["activities"]] == ["task_created"]
    created = await ada.door.send(
        "CreateComment", token=ada.token, project=project["slug"], task="1", comment={"text": "x"}
    )
    found = await ada.door.client.get(created.headers["location"], headers=headers)
    assert found.json() == created.json()
    assert found.headers["etag"] == f'"{created.json()["etag"]}"'
