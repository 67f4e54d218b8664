"""Exports: all tasks of a project, one after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from tandem.work.v1 import task_pb2, task_pb2_grpc

from tests.support.doors import Json, RestDoor, grpc_refusal, refused
from tests.support.people import Person, signed_up
from tests.support.stack import Stack
from work_service.exports import queries, store


async def several(ada: Person, project: Json, count: int, **task: Any) -> list[Json]:
    requests = [{"task": {"title": f"Step {number}", **task}} for number in range(count)]
    made: list[Json] = (await ada.call("BatchCreateTasks", project=project["id"], requests=requests))["tasks"]
    return made


async def test_an_export_tells_every_task_in_the_order_of_numbers(ada: Person, project: Json) -> None:
    made = await several(ada, project, 3)
    assert await ada.stream("ExportTasks", project=project["slug"]) == made


async def test_an_export_of_nothing_is_empty(ada: Person, project: Json) -> None:
    assert await ada.stream("ExportTasks", project=project["id"]) == []


async def test_categories_and_labels_are_named_as_another_project_knows_them(ada: Person, project: Json) -> None:
    await ada.call("CreateCategory", project=project["id"], category={"name": "Bug"})
    for label in ("UI", "API"):
        await ada.call("CreateLabel", project=project["id"], label={"name": label})
    await several(ada, project, 1, category="bug", labels=["ui", "api"])
    (told,) = await ada.stream("ExportTasks", project=project["id"])
    assert (told["category"], told["labels"]) == ("bug", ["ui", "api"])


async def test_deleted_tasks_are_told_on_request_and_so_are_parents_that_are_gone(ada: Person, project: Json) -> None:
    whole, gone = await several(ada, project, 2)
    await several(ada, project, 1, parent=whole["id"])
    await several(ada, project, 1, parent=gone["id"])
    await ada.call("DeleteTask", project=project["id"], task=gone["id"])
    told = await ada.stream("ExportTasks", project=project["id"])
    assert [(task["number"], task["parent"]) for task in told] == [(1, ""), (3, whole["id"]), (4, "")]
    told = await ada.stream("ExportTasks", project=project["id"], showDeleted=True)
    assert [(task["number"], task["parent"]) for task in told][1:] == [(2, ""), (3, whole["id"]), (4, gone["id"])]
    assert ["deleteTime" in task for task in told] == [False, True, False, False]


async def test_a_filter_is_that_of_lists(ada: Person, project: Json) -> None:
    await several(ada, project, 4)
    told = await ada.stream("ExportTasks", project=project["id"], filter="number > 1 AND number != 3")
    assert [task["number"] for task in told] == [2, 4]
    with refused("INVALID_ARGUMENT", "FILTER_INVALID", field="filter"):
        await ada.stream("ExportTasks", project=project["id"], filter="colour = 1")


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3)])
async def test_an_export_costs_one_statement_a_page(
    monkeypatch: pytest.MonkeyPatch, stack: Stack, ada: Person, project: Json, count: int, pages: int
) -> None:
    monkeypatch.setattr(queries, "PAGE", 3)
    made = await several(ada, project, count)
    for wanted in ({"project": project["slug"]}, {"project": project["id"], "filter": "number > 0"}):
        stack.clear()
        assert await ada.stream("ExportTasks", **wanted) == made
        assert len(stack.work.statements) == pages, stack.work.statements


@asynccontextmanager
async def exporting(stack: Stack, who: Person, project: Json) -> AsyncIterator[Any]:
    """An export that is read when one likes."""
    async with grpc.aio.insecure_channel(stack.work_address) as channel:
        request = task_pb2.ExportTasksRequest(project=project["id"])
        call = task_pb2_grpc.TaskServiceStub(channel).ExportTasks(
            request, metadata=(("authorization", f"Bearer {who.token}"),)
        )
        yield call
        call.cancel()


async def waits(stack: Stack) -> int:
    """How many pages were read when the export goes no further."""
    pages = 0
    while not pages or pages != len(stack.work.statements):
        pages = len(stack.work.statements)
        await asyncio.sleep(0.5)
    return pages


async def test_an_export_waits_for_who_reads_it_and_ends_when_they_leave(
    monkeypatch: pytest.MonkeyPatch, stack: Stack, ada: Person, project: Json
) -> None:
    page = store.page

    async def endless(*asked: Any, after: int | None, limit: int) -> Any:
        del after
        return await page(*asked, after=None, limit=limit)

    monkeypatch.setattr(queries, "PAGE", 10)
    monkeypatch.setattr(store, "page", endless)
    await several(ada, project, 11, description="x" * 20_000)
    stack.clear()
    async with asyncio.timeout(60), exporting(stack, ada, project) as call:
        assert (await call.read()).task.number == 1
        pages = await waits(stack)
    async with asyncio.timeout(20):
        while not any(span.name.endswith("/ExportTasks") for span in stack.work.spans):
            await asyncio.sleep(0.02)
    assert len(stack.work.statements) <= pages + 1


async def test_who_is_removed_amid_an_export_hears_no_more_of_it(
    monkeypatch: pytest.MonkeyPatch, stack: Stack, ada: Person, stranger: Person, project: Json
) -> None:
    monkeypatch.setattr(queries, "PAGE", 2)
    await several(ada, project, 100, description="x" * 20_000)
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    async with exporting(stack, stranger, project) as call:
        heard = 1 if await call.read() else 0
        await ada.call("RemoveMember", project=project["id"], userId=stranger.id)
        try:
            while await call.read():
                heard += 1
        except grpc.aio.AioRpcError as error:
            assert grpc_refusal(error).reason == "PROJECT_NOT_FOUND"
    assert 0 < heard < 100


async def test_over_rest_each_line_is_a_task(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada = await signed_up(door)
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    await several(ada, project, 2)
    response = await door.send("ExportTasks", token=ada.token, project=project["id"])
    assert response.headers["content-type"] == "application/x-ndjson"
    assert [line[:7] for line in response.text.splitlines()] == ['{"id":"'] * 2
    events = await door.send(
        "ExportTasks", token=ada.token, project=project["id"], headers={"accept": "text/event-stream"}
    )
    assert events.text.startswith('data: {"id":"')
