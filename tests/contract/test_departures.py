"""What becomes of what those had in projects whose accounts are deleted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from chassis.clock import SYSTEM_CLOCK
from chassis.database import Database, DatabaseSettings
from tests.contract.test_comments import wait_for_waiting
from tests.contract.test_project_states import verbs
from tests.contract.test_transfer import roles
from tests.support.doors import Door
from tests.support.people import Person, known, signed_up
from tests.support.recording import recording
from tests.support.sql import change, rows
from tests.support.stack import Stack
from work_service.departures.commands import Departures
from work_service.invitations.commands import withdrawn
from work_service.members.commands import one_after_the_other
from work_service.tables import activities, outbox, profiles, projects, tasks
from work_service.tasks.commands import released


async def gone(stack: Stack, person: Person) -> None:
    """Return once somebody has deleted their account, and work has settled what they had."""
    await person.call("DeleteMe")
    await settled(stack, person)


async def settled(stack: Stack, person: Person) -> None:
    statement = select(profiles.c.user_id).where(
        profiles.c.user_id == person.id, profiles.c.deleted, profiles.c.leaving.is_(False)
    )
    async with asyncio.timeout(20):
        while not await rows(stack.work_url, statement):
            await asyncio.sleep(0.02)


async def state(stack: Stack, project: dict[str, Any]) -> Any:
    (row,) = await rows(stack.work_url, select(projects).where(projects.c.id == project["id"]))
    return row


@pytest.fixture
async def leaver(stack: Stack, door: Door) -> Person:
    return await known(stack, await signed_up(door, "Leaver"))


async def test_a_member_who_is_gone_is_in_no_project_and_has_nothing_to_do(
    stack: Stack, ada: Person, leaver: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    name = {"project": project["id"]}
    await ada.call("AddMember", **name, userId=leaver.id, role="DEVELOPER")
    assigned = await ada.call("AssignTask", **name, task=task["id"], assignee=leaver.id)
    untouched = await ada.call("CreateTask", **name, task={"title": "x"})
    await gone(stack, leaver)
    now = await ada.call("GetTask", **name, task=task["id"])
    assert now.get("assignee") is None
    assert int(now["etag"]) == int(assigned["etag"]) + 1
    assert await ada.call("GetTask", **name, task=untouched["id"]) == untouched
    assert await ada.call("GetProject", **name) == project
    assert await roles(stack, project) == {ada.id: "OWNER"}
    assert sorted((await verbs(stack, project["id"]))[-2:]) == ["member_removed", "task_unassigned"]
    last = (await ada.call("ListActivities", **name))["activities"][0]
    assert last["actor"] == {"id": leaver.id, "username": "", "fullName": ""}


async def test_what_was_theirs_alone_goes_to_the_longest_serving_maintainer(
    stack: Stack, ada: Person, stranger: Person, leaver: Person
) -> None:
    project = await leaver.call("CreateProject", project={"title": "Apollo"})
    name = {"project": project["id"]}
    await leaver.call("AddMember", **name, userId=stranger.id, role="VIEWER")
    await leaver.call("AddMember", **name, userId=ada.id, role="MAINTAINER")
    await leaver.call("UpdateMember", **name, userId=stranger.id, member={"role": "MAINTAINER"})
    await gone(stack, leaver)
    assert await roles(stack, project) == {ada.id: "MAINTAINER", stranger.id: "OWNER"}
    now = await ada.call("GetProject", **name)
    assert now["owner"]["id"] == stranger.id
    assert now["state"] == "ACTIVE"
    assert sorted((await verbs(stack, project["id"]))[-2:]) == ["member_removed", "project_transferred"]


async def test_another_owner_keeps_it(stack: Stack, ada: Person, leaver: Person) -> None:
    project = await leaver.call("CreateProject", project={"title": "Apollo"})
    await leaver.call("AddMember", project=project["id"], userId=ada.id, role="OWNER")
    await gone(stack, leaver)
    assert await roles(stack, project) == {ada.id: "OWNER"}
    assert (await ada.call("GetProject", project=project["id"]))["owner"]["id"] == ada.id
    assert (await verbs(stack, project["id"]))[-1:] == ["member_removed"]


async def test_what_nobody_can_take_over_is_archived(stack: Stack, ada: Person, leaver: Person) -> None:
    project = await leaver.call("CreateProject", project={"title": "Apollo"})
    name = {"project": project["id"]}
    await leaver.call("AddMember", **name, userId=ada.id, role="DEVELOPER")
    task = await leaver.call("CreateTask", **name, task={"title": "x"})
    await leaver.call("AssignTask", **name, task=task["id"], assignee=leaver.id)
    await gone(stack, leaver)
    assert (await ada.call("GetProject", **name))["state"] == "ARCHIVED"
    assert await roles(stack, project) == {leaver.id: "OWNER", ada.id: "DEVELOPER"}, "it is theirs if they come back"
    assert (await ada.call("GetTask", **name, task=task["id"])).get("assignee") is None
    assert sorted((await verbs(stack, project["id"]))[-2:]) == ["project_archived", "task_unassigned"]


@pytest.mark.parametrize("closing", ["ArchiveProject", "DeleteProject"])
async def test_what_is_closed_is_settled_too(stack: Stack, ada: Person, leaver: Person, closing: str) -> None:
    project = await leaver.call("CreateProject", project={"title": "Apollo"})
    await leaver.call("AddMember", project=project["id"], userId=ada.id, role="MAINTAINER")
    await leaver.call(closing, project=project["id"])
    await gone(stack, leaver)
    assert await roles(stack, project) == {ada.id: "OWNER"}
    opening = {"ArchiveProject": "UnarchiveProject", "DeleteProject": "UndeleteProject"}[closing]
    assert (await ada.call(opening, project=project["id"]))["owner"]["id"] == ada.id


async def test_of_two_owners_who_are_gone_neither_is_the_others_heir(stack: Stack, ada: Person, door: Door) -> None:
    one, two = [await known(stack, await signed_up(door, name)) for name in ("One", "Two")]
    project = await one.call("CreateProject", project={"title": "Apollo"})
    await one.call("AddMember", project=project["id"], userId=two.id, role="OWNER")
    await one.call("AddMember", project=project["id"], userId=ada.id, role="MAINTAINER")
    await asyncio.gather(gone(stack, one), gone(stack, two))
    assert await roles(stack, project) == {ada.id: "OWNER"}


async def test_who_comes_back_finds_what_nobody_has_taken_over(
    stack: Stack, admin: Person, leaver: Person, project: dict[str, Any]
) -> None:
    alone = await leaver.call("CreateProject", project={"title": "Apollo"})
    await gone(stack, leaver)
    await admin.call("UndeleteUser", userId=leaver.id)
    await known(stack, leaver, "Leaver")
    (row,) = await rows(stack.work_url, select(profiles).where(profiles.c.user_id == leaver.id))
    assert (row.deleted, row.leaving) == (False, False)
    assert await roles(stack, alone) == {leaver.id: "OWNER"}
    assert leaver.id not in await roles(stack, project)


@pytest.fixture
async def processes(stack: Stack) -> AsyncIterator[list[Departures]]:
    """Some more processes on the same database."""
    with recording("work") as recorded:
        settings = DatabaseSettings(database_url=SecretStr(stack.work_url), database_pool_size=2)
        async with AsyncExitStack() as opened:
            yield [
                Departures(
                    await opened.enter_async_context(Database.opened(settings, recorded.telemetry)),
                    SYSTEM_CLOCK,
                    one_after_the_other(released, withdrawn),
                    lock_timeout=timedelta(seconds=10),
                )
                for _ in range(4)
            ]


async def test_whoever_is_settled_by_many_processes_is_settled_once(
    stack: Stack, ada: Person, door: Door, processes: list[Departures]
) -> None:
    for _ in range(5):
        leaver = await known(stack, await signed_up(door, "Leaver"))
        made = [await leaver.call("CreateProject", project={"title": title}) for title in ("heir", "orphan", "other")]
        heir, orphan, other = made
        await leaver.call("AddMember", project=heir["id"], userId=ada.id, role="MAINTAINER")
        await leaver.call("AddMember", project=other["id"], userId=ada.id, role="OWNER")
        for project in made:
            for _ in range(3):
                task = await leaver.call("CreateTask", project=project["id"], task={"title": "x"})
                await leaver.call("AssignTask", project=project["id"], task=task["id"], assignee=leaver.id)
        before = {project["id"]: len(await verbs(stack, project["id"])) for project in made}
        await change(
            stack.work_url,
            profiles.update().where(profiles.c.user_id == leaver.id).values(deleted=True, leaving=True),
        )
        await asyncio.gather(*(process.settle() for process in processes))
        await settled(stack, leaver)
        ends = {
            heir["id"]: ["member_removed", "project_transferred"],
            orphan["id"]: ["project_archived"],
            other["id"]: ["member_removed"],
        }
        for project in made:
            told = (await verbs(stack, project["id"]))[before[project["id"]] :]
            assert sorted(told) == ends[project["id"]] + ["task_unassigned"] * 3
            of_tasks = await rows(stack.work_url, select(tasks).where(tasks.c.project_id == project["id"]))
            assert [(row.assignee_id, row.version) for row in of_tasks] == [(None, 3)] * 3
            announced = select(activities.c.id).where(activities.c.project_id == project["id"])
            written = select(outbox.c.activity_id).where(outbox.c.project_id == project["id"])
            assert sorted(await rows(stack.work_url, announced)) == sorted(await rows(stack.work_url, written))
        assert (await state(stack, heir)).version == 2
        assert (await state(stack, orphan)).version == 2
        assert (await state(stack, other)).version == 2


async def test_what_is_locked_is_settled_later(stack: Stack, leaver: Person, processes: list[Departures]) -> None:
    project = await leaver.call("CreateProject", project={"title": "Apollo"})
    impatient = processes[0]
    impatient._lock_timeout = timedelta(milliseconds=50)
    leaving = profiles.update().where(profiles.c.user_id == leaver.id).values(deleted=True, leaving=True)
    await change(stack.work_url, leaving)
    engine_lock = select(projects.c.id).where(projects.c.id == project["id"]).with_for_update()
    async with (
        Database.opened(DatabaseSettings(database_url=SecretStr(stack.work_url)), stack.work.telemetry) as db,
        db.transaction() as tx,
    ):
        await tx.execute(engine_lock)
        await impatient.settle()
        (row,) = await rows(stack.work_url, select(profiles).where(profiles.c.user_id == leaver.id))
        assert row.leaving
    await processes[1].settle()
    assert (await state(stack, project)).state == "ARCHIVED"
    await settled(stack, leaver)


async def test_whoever_changes_a_task_meanwhile_is_waited_for_and_not_in_the_way(
    stack: Stack, ada: Person, leaver: Person, project: dict[str, Any], processes: list[Departures]
) -> None:
    """As everybody does, who is settled takes tasks first, and then the project."""
    name = {"project": project["id"]}
    await ada.call("AddMember", **name, userId=leaver.id, role="DEVELOPER")
    task = await ada.call("CreateTask", **name, task={"title": "x"})
    await ada.call("AssignTask", **name, task=task["id"], assignee=leaver.id)
    leaving = profiles.update().where(profiles.c.user_id == leaver.id).values(deleted=True, leaving=True)
    async with (
        Database.opened(DatabaseSettings(database_url=SecretStr(stack.work_url)), stack.work.telemetry) as db,
        db.transaction() as tx,
    ):
        await tx.find_one(select(tasks.c.id).where(tasks.c.id == task["id"]).with_for_update())
        await change(stack.work_url, leaving)
        settling = asyncio.create_task(processes[0].settle())
        await wait_for_waiting(stack, 1, settling)
        held = select(projects.c.id).where(projects.c.id == project["id"])
        await tx.find_one(held.with_for_update(read=True, key_share=True))
    await settling
    await settled(stack, leaver)
    assert (await ada.call("GetTask", **name, task=task["id"])).get("assignee") is None
    assert await roles(stack, project) == {ada.id: "OWNER"}
