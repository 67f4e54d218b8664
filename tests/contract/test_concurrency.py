"""Many at once: the lock keeps transitions in order, and nothing is lost or seen by the wrong people."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text

from tests.support.doors import Door, Refused, RestDoor, refused
from tests.support.people import Person
from tests.support.sql import rows
from tests.support.stack import Stack
from work_service.tables import activities
from work_service.tasks.domain import MOVES, Status
from work_service.tasks.store.locking import LOCK

_TAKE = """
    SELECT pg_advisory_xact_lock(('x' || left(encode(sha256(%s::bytea), 'hex'), 16))::bit(64)::bigint)
"""


@asynccontextmanager
async def locked_elsewhere(url: str, task_id: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """Somebody else's transaction holds the task's lock until the block is left."""
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(plain) as connection:
        await connection.execute(_TAKE, (f"{LOCK}/{task_id}".encode(),))
        yield connection


async def test_fifty_transitions_of_one_task_make_a_legal_serial_history(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    wanted = [list(Status)[number % len(Status)] for number in range(50)]

    async def move(status: Status) -> dict[str, Any] | None:
        try:
            return await ada.call("TransitionTask", project=project["id"], task=task["id"], status=status.value)
        except Refused as refusal:
            assert refusal.reason in {"ILLEGAL_TRANSITION", "TASK_LOCKED"}, refusal
            return None

    answers = [answer for answer in await asyncio.gather(*map(move, wanted)) if answer is not None]
    history = await rows(
        stack.work_url,
        select(activities.c.changes).where(activities.c.task_id == task["id"]).order_by(activities.c.id),
    )
    status = Status.TODO
    moves = 0
    for entry in history[1:]:
        (step,) = [change for change in entry.changes if change["field"] == "status"]
        assert step["old"] == status.value
        assert Status(step["new"]) in MOVES[status]
        status = Status(step["new"])
        moves += 1
    now = await ada.call("GetTask", project=project["id"], task=task["id"])
    assert moves > 0
    assert now["status"] == status.value
    assert int(now["etag"]) == 1 + moves
    versions = Counter(answer["etag"] for answer in answers)
    assert set(map(int, versions)) <= set(range(1, moves + 2))
    assert set(map(int, versions)) >= set(range(2, moves + 2)), "every step was somebody's answer"


async def test_of_many_who_saw_the_same_version_exactly_one_wins(
    ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    async def move(number: int) -> str:
        status = ("IN_PROGRESS", "DONE", "CANCELLED")[number % 3]
        try:
            await ada.call("TransitionTask", project=project["id"], task=task["id"], status=status, etag=task["etag"])
        except Refused as refusal:
            return refusal.reason
        return "won"

    outcomes = Counter(await asyncio.gather(*map(move, range(20))))
    assert outcomes["won"] == 1
    assert outcomes["won"] + outcomes["ETAG_MISMATCH"] + outcomes["TASK_LOCKED"] == 20


async def test_with_if_match_the_losers_get_412(stack: Stack, ada: Person) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    task = await ada.call("CreateTask", project=project["id"], task={"title": "Land"})

    async def move() -> int:
        response = await door.send(
            "TransitionTask",
            token=ada.token,
            headers={"if-match": f'"{task["etag"]}"'},
            project=project["id"],
            task=task["id"],
            status="DONE",
        )
        return response.status_code

    codes = Counter(await asyncio.gather(*(move() for _ in range(10))))
    assert codes[200] == 1
    assert codes[200] + codes[412] + codes[409] == 10


async def test_a_lock_held_elsewhere_gives_a_member_a_conflict_and_a_stranger_nothing(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    async with locked_elsewhere(stack.work_url, task["id"]):
        with refused("NOT_FOUND", "TASK_NOT_FOUND"):  # who had waited would have been told that it is locked
            await stranger.call("TransitionTask", project=project["id"], task=task["id"], status="DONE")
        with refused("ABORTED", "TASK_LOCKED") as said:
            await ada.call("TransitionTask", project=project["id"], task=task["id"], status="DONE")
        assert said[0].retry_after
        if said[0].http is not None:
            assert said[0].http.status_code == 409
            assert int(said[0].http.headers["retry-after"]) >= 1
        # Reading waits for nobody.
        assert (await ada.call("GetTask", project=project["id"], task=task["id"]))["status"] == "TODO"
    moved = await ada.call("TransitionTask", project=project["id"], task=task["id"], status="DONE")
    assert moved["status"] == "DONE"


async def test_who_waits_sees_what_the_holder_committed(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    async with locked_elsewhere(stack.work_url, task["id"]) as holder:
        waiting = asyncio.create_task(
            ada.call("TransitionTask", project=project["id"], task=task["id"], status="IN_REVIEW")
        )
        await wait_for_a_lock(stack.work_url)
        await holder.execute("UPDATE tasks SET status = 'IN_PROGRESS', version = 2 WHERE id = %s", (task["id"],))
    assert (await waiting)["etag"] == "3"


async def test_a_task_moves_where_it_was_meant_to_or_nowhere(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    there = await stranger.call("CreateProject", project={"title": "There"})
    other = await ada.call("CreateProject", project={"title": "Other"})
    await stranger.call("AddMember", project=there["id"], userId=ada.id, role="DEVELOPER")
    name = {"project": project["id"], "task": task["id"]}
    async with locked_elsewhere(stack.work_url, task["id"]) as holder:
        moving = asyncio.create_task(ada.call("MoveTask", **name, destination=there["slug"]))
        await wait_for_a_lock(stack.work_url)
        await holder.execute("DELETE FROM members WHERE project_id = %s AND user_id = %s", (there["id"], ada.id))
        for renamed, slug in ((there, f"{there['slug']}-before"), (other, there["slug"])):
            await holder.execute("UPDATE projects SET slug = %s WHERE id = %s", (slug, renamed["id"]))
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await moving
    assert await ada.call("GetTask", **name) == task


async def test_a_holder_that_dies_frees_the_lock(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    plain = stack.work_url.replace("postgresql+psycopg://", "postgresql://")
    holder = await psycopg.AsyncConnection.connect(plain)
    await holder.execute(_TAKE, (f"{LOCK}/{task['id']}".encode(),))
    waiting = asyncio.create_task(ada.call("TransitionTask", project=project["id"], task=task["id"], status="DONE"))
    await wait_for_a_lock(stack.work_url)
    await rows(stack.work_url, text(f"SELECT pg_terminate_backend({holder.info.backend_pid})"))
    assert (await waiting)["status"] == "DONE"
    with pytest.raises(psycopg.OperationalError):
        await holder.execute("SELECT 1")
    await holder.close()


async def test_a_role_is_asked_for_after_the_task_is_seen(
    ada: Person, stranger: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    assert (await stranger.call("GetTask", project=project["id"], task=task["id"])) == task
    with refused("PERMISSION_DENIED", "ROLE_TOO_LOW") as said:
        await stranger.call("TransitionTask", project=project["id"], task=task["id"], status="DONE")
    assert said[0].metadata == {"role": "VIEWER", "permission": "task.transition"}
    with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
        await stranger.call("CreateTask", project=project["id"], task={"title": "Mine"})


async def test_tasks_created_at_once_get_numbers_of_their_own(ada: Person, project: dict[str, Any]) -> None:
    created = await asyncio.gather(
        *(ada.call("CreateTask", project=project["id"], task={"title": str(n)}) for n in range(30))
    )
    assert sorted(task["number"] for task in created) == list(range(1, 31))


async def test_one_slug_claimed_at_once_is_given_once(door: Door, ada: Person) -> None:
    async def claim() -> str:
        try:
            await ada.call("CreateProject", project={"title": "x", "slug": f"claimed-{door.name}"})
        except Refused as refusal:
            return refusal.reason
        return "won"

    assert Counter(await asyncio.gather(*(claim() for _ in range(8)))) == {"won": 1, "SLUG_TAKEN": 7}


async def test_no_lock_is_left_behind(stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]) -> None:
    await ada.call("TransitionTask", project=project["id"], task=task["id"], status="DONE")
    left = await rows(stack.work_url, text("SELECT count(*) AS number FROM pg_locks WHERE locktype = 'advisory'"))
    assert left[0].number == 0


async def wait_for_a_lock(url: str, *, how_many: int = 1) -> None:
    """Return once so many wait for an advisory lock."""
    waiting = text("SELECT count(*) AS number FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with asyncio.timeout(10):
        while (await rows(url, waiting))[0].number < how_many:
            await asyncio.sleep(0.01)
