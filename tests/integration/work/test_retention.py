"""What was deleted goes for good when its time has come, and not before."""

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text

from chassis.database import Database, DatabaseSettings
from tests.support.clock import TestClock
from tests.support.databases import Databases
from tests.support.doors import RestDoor, refused
from tests.support.people import Person, signed_in, signed_up
from tests.support.recording import recording
from tests.support.sql import rows
from tests.support.stack import Stack, running_stack
from work_service.retention import commands
from work_service.retention.commands import Retention
from work_service.tables import activities, comments, outbox, projects, relations, tags, tasks

TABLES = (projects, tasks, tags, comments, relations, activities, outbox)


async def counted(stack: Stack) -> dict[str, int]:
    columns = [select(func.count()).select_from(table).scalar_subquery().label(table.name) for table in TABLES]
    return dict((await rows(stack.work_url, select(*columns)))[0]._mapping)


async def swept(stack: Stack, *, in_days: float) -> None:
    """As if it were so many days from now."""
    clock = TestClock()
    clock.advance(hours=24 * in_days)
    with recording("work") as recorded:
        settings = DatabaseSettings(database_url=SecretStr(stack.work_url))
        async with Database.opened(settings, recorded.telemetry) as db:
            await Retention(db, clock, kept_for=timedelta(days=30)).sweep()


async def a_project(ada: Person, title: str) -> dict[str, Any]:
    project = await ada.call("CreateProject", project={"title": title})
    name = {"project": project["id"]}
    await ada.call("CreateLabel", **name, label={"name": "UI"})
    wanted = [{"task": {"title": str(n), "labels": ["ui"]}} for n in range(5)]
    await ada.call("BatchCreateTasks", **name, requests=wanted)
    await ada.call("CreateComment", **name, task="1", comment={"text": "x"})
    await ada.call("AddRelation", **name, task="1", kind="BLOCKS", other="2")
    return project


async def test_what_was_deleted_long_ago_goes_with_all_that_hangs_on_it(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "_BATCH", 2)
    async with running_stack(databases) as stack:
        ada = await signed_up(stack.doors["grpc"], "Ada")
        kept, gone = await a_project(ada, "Kept"), await a_project(ada, "Gone")
        whole = await counted(stack)
        await ada.call("DeleteProject", project=gone["id"])
        deleted = await counted(stack)
        await swept(stack, in_days=29)
        assert await counted(stack) == deleted
        await swept(stack, in_days=31)
        assert await counted(stack) == {name: many // 2 for name, many in whole.items()}

        await ada.call("DeleteTask", project=kept["id"], task="1")
        await ada.call("DeleteLabel", project=kept["id"], label="ui")
        await swept(stack, in_days=31)
        left = await counted(stack)
        assert (left["projects"], left["tasks"], left["tags"]) == (1, 4, 0)
        assert (left["comments"], left["relations"]) == (0, 0)
        assert (await ada.call("CreateTask", project=kept["id"], task={"title": "x"}))["number"] == 6


async def test_what_a_task_was_before_it_moved_does_not_go_with_where_it_was(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        ada = await signed_up(stack.doors["grpc"], "Ada")
        kept, gone = await a_project(ada, "Kept"), await a_project(ada, "Gone")
        moved = await ada.call("MoveTask", project=gone["id"], task="1", destination=kept["id"])
        name = {"project": kept["id"], "task": moved["id"]}
        before = [each["verb"] for each in (await ada.call("ListActivities", **name))["activities"]]
        assert before[0] == "task_moved"
        assert before[-1] == "task_created"
        await ada.call("DeleteProject", project=gone["id"])
        await swept(stack, in_days=31)
        assert [each["verb"] for each in (await ada.call("ListActivities", **name))["activities"]] == before


async def wait_for_a_row(stack: Stack) -> None:
    """Return once somebody waits for a row that another transaction holds."""
    waiting = text(
        "SELECT count(*) AS times FROM pg_locks WHERE locktype IN ('transactionid', 'tuple') AND NOT granted"
    )
    async with asyncio.timeout(20):
        while not (await rows(stack.work_url, waiting))[0].times:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("door_name", ["grpc", "rest"])
async def test_a_project_comes_back_whole_or_not_at_all(databases: Databases, door_name: str) -> None:
    """When its time has come, some of its tasks may be gone already."""
    async with running_stack(databases, retention_days=1, lock_timeout_ms=60_000) as stack:
        ada = await signed_up(stack.doors[door_name])
        project = await a_project(ada, "Apollo")
        name = {"project": project["id"]}
        await ada.call("DeleteProject", **name)
        stack.clock.advance(hours=23)
        ada = await signed_in(ada.door, ada.email)
        await ada.call("UndeleteProject", **name)
        await ada.call("DeleteProject", **name)
        stack.clock.advance(hours=23)
        ada = await signed_in(ada.door, ada.email)
        plain = stack.work_url.replace("postgresql+psycopg://", "postgresql://")
        async with await psycopg.AsyncConnection.connect(plain) as sweeping:
            await sweeping.execute("SELECT id FROM projects WHERE id = %s FOR UPDATE", (project["id"],))
            waiting = asyncio.create_task(ada.call("UndeleteProject", **name))
            await wait_for_a_row(stack)
            stack.clock.advance(hours=2)
        with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
            await waiting
        ada = await signed_in(ada.door, ada.email)
        with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
            await ada.call("UndeleteProject", **name)


async def test_nothing_is_taken_from_a_project_that_is_being_brought_back(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        ada = await signed_up(stack.doors["grpc"])
        project = await a_project(ada, "Apollo")
        await ada.call("DeleteProject", project=project["id"])
        whole = await counted(stack)
        plain = stack.work_url.replace("postgresql+psycopg://", "postgresql://")
        async with await psycopg.AsyncConnection.connect(plain) as restoring:
            await restoring.execute("UPDATE projects SET delete_time = NULL WHERE id = %s", (project["id"],))
            await swept(stack, in_days=31)
            assert await counted(stack) == whole
        await swept(stack, in_days=31)
        assert await counted(stack) == whole


@pytest.mark.parametrize("door_name", ["grpc", "rest"])
async def test_a_task_whose_whole_goes_for_good_is_another_version(databases: Databases, door_name: str) -> None:
    async with running_stack(databases, lock_timeout_ms=60_000) as stack:
        ada = await signed_up(stack.doors[door_name])
        project = await a_project(ada, "Apollo")
        name = {"project": project["id"]}
        parts = [
            await ada.call("UpdateTask", **name, taskRef=number, task={"parent": "1"}) for number in ("2", "3", "4")
        ]
        for number in ("1", "4"):
            await ada.call("DeleteTask", **name, task=number)
        plain = stack.work_url.replace("postgresql+psycopg://", "postgresql://")
        async with await psycopg.AsyncConnection.connect(plain) as holding:
            await holding.execute("SELECT id FROM tags WHERE project_id = %s FOR UPDATE", (project["id"],))
            changing = asyncio.create_task(
                ada.call("UpdateTask", **name, taskRef="3", task={"labels": ["ui"], "title": "x"})
            )
            await wait_for_a_row(stack)
            await swept(stack, in_days=31)
        with refused("ABORTED", "CONCURRENT_MODIFICATION"):
            await changing
        for before in parts[:2]:
            after = await ada.call("GetTask", **name, task=before["id"])
            assert {key for key in after if after[key] != before[key]} == {"parent", "etag", "updateTime"}
            assert after["parent"] == ""
        if isinstance(ada.door, RestDoor):
            headers = {"if-none-match": f'"{parts[0]["etag"]}"'}
            answer = await ada.door.send("GetTask", token=ada.token, headers=headers, **name, task="2")
            assert answer.status_code == 200
        await ada.call("UpdateTask", **name, taskRef="3", task={"labels": ["ui"], "title": "x"})
