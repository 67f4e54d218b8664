"""Imports: tasks out of a file, all of them or none, as often as one likes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import psycopg
import pytest
from sqlalchemy import func, select, text
from tandem.work.v1 import task_pb2, task_pb2_grpc

from tests.support.databases import Databases
from tests.support.doors import RPCS, Json, Refused, grpc_refusal, refused
from tests.support.people import Person, known, signed_up
from tests.support.sql import change, rows
from tests.support.stack import Stack, running_stack
from work_service.imports import commands, store
from work_service.tables import activities, outbox, tasks

TAKE = "SELECT pg_advisory_xact_lock(('x' || left(encode(sha256(%s::bytea), 'hex'), 16))::bit(64)::bigint)"
NOTHING: Json = {"created": 0, "updated": 0, "unchanged": 0, "skipped": 0, "violations": [], "violationCount": 0}


def came(**of_it: Any) -> Json:
    return {**NOTHING, **of_it}


async def listed(ada: Person, project: Json) -> list[Json]:
    answer: list[Json] = (await ada.call("ListTasks", project=project["id"], pageSize=100))["tasks"]
    return answer


async def told(stack: Stack, project: Json) -> tuple[list[str], int]:
    """The verbs of the journal about tasks, and how many of these are announced."""
    about = (activities.c.project_id == project["id"], activities.c.task_id.is_not(None))
    verbs = await rows(stack.work_url, select(activities.c.verb).where(*about).order_by(activities.c.id))
    ids = select(activities.c.id).where(*about)
    (announced,) = await rows(stack.work_url, select(func.count().label("times")).where(outbox.c.activity_id.in_(ids)))
    return [row.verb for row in verbs], announced.times


@pytest.fixture
async def full(ada: Person, project: Json) -> Json:
    """A project with something of everything in it."""
    name = {"project": project["id"]}
    await ada.call("CreateCategory", **name, category={"name": "Bug"})
    await ada.call("CreateLabel", **name, label={"name": "UI"})
    await ada.call("CreateLabel", **name, label={"name": "API"})
    whole = await ada.call("CreateTask", **name, task={"title": "Whole", "externalId": "JIRA-1"})
    for number, status in enumerate(("TODO", "IN_REVIEW", "DONE", "CANCELLED")):
        await ada.call(
            "CreateTask",
            **name,
            task={
                "title": f"Part {number}",
                "description": "of *it*",
                "status": status,
                "priority": "HIGH",
                "dueTime": "2030-01-02T03:04:05.678901Z",
                "category": "bug",
                "labels": ["ui", "api"],
                "parent": whole["id"],
                "annotations": {"tool/x": "y"},
            },
        )
    gone = await ada.call("CreateTask", **name, task={"title": "Gone"})
    await ada.call("CreateTask", **name, task={"title": "Part of what is gone", "parent": gone["id"]})
    await ada.call("DeleteTask", **name, task=gone["id"])
    return project


async def test_an_export_into_its_own_project_changes_nothing(stack: Stack, ada: Person, full: Json) -> None:
    before, journal = await listed(ada, full), await told(stack, full)
    for deleted_too in (False, True):
        lines = await ada.stream("ExportTasks", project=full["id"], showDeleted=deleted_too)
        outcome = await ada.upload("ImportTasks", lines, project=full["id"])
        assert outcome == came(unchanged=6, skipped=int(deleted_too))
    assert await listed(ada, full) == before
    assert await told(stack, full) == journal


async def test_an_export_into_another_project_makes_one_copy_however_often(
    stack: Stack, ada: Person, full: Json
) -> None:
    lines = await ada.stream("ExportTasks", project=full["id"])
    other = await ada.call("CreateProject", project={"title": "Gemini"})
    await ada.call("CreateCategory", project=other["id"], category={"name": "Bug"})
    for label in ("UI", "API"):
        await ada.call("CreateLabel", project=other["id"], label={"name": label})
    assert await ada.upload("ImportTasks", lines, project=other["id"], validateOnly=True) == came(created=6)
    assert await listed(ada, other) == []
    assert await ada.upload("ImportTasks", lines, project=other["slug"]) == came(created=6)
    copies = await ada.stream("ExportTasks", project=other["id"])
    key_of = {line["id"]: line["externalId"] or line["id"] for line in lines}
    id_of = {copy["externalId"]: copy["id"] for copy in copies}
    assert set(id_of) == set(key_of.values())
    for line, copy in zip(lines, copies, strict=True):
        same = ("title", "description", "status", "priority", "dueTime", "category", "labels", "annotations")
        assert [copy.get(name) for name in same] == [line.get(name) for name in same]
        assert copy["parent"] == (id_of[key_of[line["parent"]]] if line["parent"] else "")
        assert ("completeTime" in copy) is (line["status"] == "DONE")
    assert [copy["number"] for copy in copies] == list(range(1, 7))
    assert await ada.upload("ImportTasks", lines, project=other["id"]) == came(unchanged=6)
    assert await told(stack, other) == (["task_created"] * 6, 6)
    # And back: what has become of the copies becomes of what they were made of.
    await ada.call("TransitionTask", project=other["id"], task="2", status="IN_PROGRESS")
    back = await ada.stream("ExportTasks", project=other["id"])
    assert await ada.upload("ImportTasks", back, project=full["id"]) == came(updated=1, unchanged=5)


async def test_a_line_changes_what_it_says_and_nothing_else(stack: Stack, ada: Person, full: Json) -> None:
    before = await ada.call("GetTask", project=full["id"], task="2")
    lines = [{"id": before["id"], "status": "DONE", "labels": ["api"]}, {"externalId": "JIRA-1", "title": "Whole"}]
    assert await ada.upload("ImportTasks", lines, project=full["id"]) == came(updated=1, unchanged=1)
    after = await ada.call("GetTask", project=full["id"], task="2")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"status", "labels", "completeTime", "updateTime", "etag"}
    verbs, announced = await told(stack, full)
    assert (verbs[-1], len(verbs)) == ("task_completed", announced)


async def test_with_a_mask_of_everything_what_is_empty_is_cleared(ada: Person, full: Json) -> None:
    before = await ada.call("GetTask", project=full["id"], task="2")
    lines = [{"id": before["id"], "title": "Alone"}]
    assert await ada.upload("ImportTasks", lines, project=full["id"], updateMask="*") == came(updated=1)
    after = await ada.call("GetTask", project=full["id"], task="2")
    assert (after["title"], after["description"], after["labels"], after["parent"]) == ("Alone", "", [], "")
    assert (after["status"], after["priority"]) == (before["status"], before["priority"])
    assert await ada.upload("ImportTasks", lines, project=full["id"], updateMask="description") == came(unchanged=1)
    await ada.call("UpdateTask", project=full["id"], taskRef="2", task={"externalId": "kept"})
    lines = [{"externalId": "kept", "title": "x"}, {"externalId": "JIRA-1"}]
    with refused("INVALID_ARGUMENT", field="tasks[1].title"):
        await ada.upload("ImportTasks", lines, project=full["id"], updateMask="*")
    await ada.upload("ImportTasks", lines[:1], project=full["id"], updateMask="*")
    assert (await ada.call("GetTask", project=full["id"], task="2"))["externalId"] == "kept"


async def test_parents_are_named_by_key_in_any_order(ada: Person, project: Json) -> None:
    here = await ada.call("CreateTask", project=project["id"], task={"title": "Here", "externalId": "here"})
    lines = [
        {"externalId": "leaf", "title": "Leaf", "parent": "12"},
        {"externalId": "12", "title": "Branch", "parent": "root"},
        {"externalId": "root", "title": "Root", "parent": "here"},
        {"title": "By id", "parent": here["id"]},
        {"title": "By number", "parent": "1"},
    ]
    assert await ada.upload("ImportTasks", lines, project=project["id"]) == came(created=5)
    found = {task["title"]: task for task in await listed(ada, project)}
    wholes = {title: task["parent"] for title, task in found.items()}
    ids = {title: task["id"] for title, task in found.items()}
    assert wholes == {
        "Here": "",
        "Leaf": ids["Branch"],
        "Branch": ids["Root"],
        "Root": ids["Here"],
        "By id": ids["Here"],
        "By number": ids["Here"],
    }
    assert [found[title]["number"] for title in ("Leaf", "Branch", "Root")] == [2, 3, 4]


async def test_a_tree_is_turned_upside_down_bit_by_bit(
    monkeypatch: pytest.MonkeyPatch, ada: Person, project: Json
) -> None:
    """What is written before the rest looks like a circle."""
    monkeypatch.setattr(commands, "CHUNK", 1)
    keys = ["a", "b", "c", "d"]
    for wholes in (["b", "c", "d", ""], ["", "a", "b", "c"]):
        lines = [{"externalId": key, "title": key, "parent": whole} for key, whole in zip(keys, wholes, strict=True)]
        await ada.upload("ImportTasks", lines, project=project["id"], updateMask="*")
        found = await listed(ada, project)
        key_of = {task["id"]: task["externalId"] for task in found}
        assert [key_of.get(task["parent"], "") for task in found] == wholes
    with refused("INVALID_ARGUMENT", field="tasks[0].parent"):
        await ada.upload("ImportTasks", [{"externalId": "a", "parent": "d"}], project=project["id"])


async def test_lines_without_a_key_are_always_new(ada: Person, project: Json) -> None:
    for _ in range(2):
        assert await ada.upload("ImportTasks", [{"title": "x"}, {"title": "x"}], project=project["id"]) == came(
            created=2
        )
    assert len(await listed(ada, project)) == 4


async def test_nothing_is_an_import_too(ada: Person, project: Json) -> None:
    assert await ada.upload("ImportTasks", [], project=project["id"]) == NOTHING


WRONG: list[tuple[str, list[Json], str, str]] = [
    ("a new one without a title", [{"externalId": "a"}], "tasks[0].title", "string.min_len"),
    ("too long a title", [{"title": "ok"}, {"title": "a" * 201}], "tasks[1].title", "string.max_len"),
    ("a zero byte", [{"title": "ok"}, {"title": "x", "externalId": "a\0"}], "tasks[1].external_id", ""),
    ("an unknown label", [{"title": "x", "labels": ["ui", "no"]}], "tasks[0].labels[1]", "REFERENCE_NOT_FOUND"),
    ("an unknown category", [{"title": "x", "category": "no"}], "tasks[0].category", "REFERENCE_NOT_FOUND"),
    ("an unknown parent", [{"title": "x", "parent": "999"}], "tasks[0].parent", "REFERENCE_NOT_FOUND"),
    (
        "one key twice",
        [{"title": "x", "externalId": "a"}, {"title": "y"}, {"title": "z", "externalId": "a"}],
        "tasks[2].external_id",
        "NAMED_TWICE",
    ),
    ("its own parent", [{"title": "x", "externalId": "a", "parent": "a"}], "tasks[0].parent", "CIRCULAR"),
    (
        "a circle of new ones",
        [{"title": "x", "externalId": "a", "parent": "b"}, {"title": "y", "externalId": "b", "parent": "a"}],
        "tasks[1].parent",
        "CIRCULAR",
    ),
    (
        "a move that is not allowed",
        [{"externalId": "CANCELLED", "status": "DONE"}],
        "tasks[0].status",
        "ILLEGAL_TRANSITION",
    ),
    ("a circle with others", [{"externalId": "top", "parent": "bottom"}], "tasks[0].parent", "CIRCULAR"),
]


@pytest.fixture
async def crooked(ada: Person, project: Json) -> Json:
    """A project with which some things cannot be done."""
    name = {"project": project["id"]}
    await ada.call("CreateLabel", **name, label={"name": "UI"})
    await ada.call("CreateTask", **name, task={"title": "x", "externalId": "CANCELLED", "status": "CANCELLED"})
    for key, parent in (("top", ""), ("middle", "2"), ("bottom", "3")):
        await ada.call("CreateTask", **name, task={"title": "x", "externalId": key, "parent": parent})
    return project


@pytest.mark.parametrize(("lines", "field", "reason"), [pytest.param(*case[1:], id=case[0]) for case in WRONG])
async def test_one_line_that_is_wrong_refuses_all(
    stack: Stack, ada: Person, crooked: Json, lines: list[Json], field: str, reason: str
) -> None:
    before, journal = await listed(ada, crooked), await told(stack, crooked)
    good = {"title": "fine", "externalId": "fine"}
    outcome = await ada.upload("ImportTasks", [*lines, good], project=crooked["id"], validateOnly=True)
    assert (field, reason) in [(each["field"], each["reason"]) for each in outcome["violations"]]
    assert outcome["violationCount"] == len(outcome["violations"])
    with refused("INVALID_ARGUMENT", "VALIDATION_FAILED", field=field):
        await ada.upload("ImportTasks", [*lines, good], project=crooked["id"])
    assert await listed(ada, crooked) == before
    assert await told(stack, crooked) == journal


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"title": "a" * 201}, "string.max_len"),
        ({"description": "a" * 20_001}, "string.max_len"),
        ({"externalId": "a" * 129}, "string.max_len"),
        ({"annotations": {"NO": "x"}}, "string.pattern"),
        ({"status": 77}, "enum.defined_only"),
        ({"priority": 77}, "enum.defined_only"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_a_mask_lets_nothing_into_new_tasks_that_breaks_a_rule(
    ada: Person, project: Json, wrong: Json, reason: str
) -> None:
    """It is about tasks that are there. A new one is made of all that its line says."""
    how = {"project": project["id"], "updateMask": "dueTime"}
    lines = [{"title": "new", **wrong}]
    outcome = await ada.upload("ImportTasks", lines, **how, validateOnly=True)
    (violation,) = outcome["violations"]
    assert violation["reason"] == reason
    with refused("INVALID_ARGUMENT", "VALIDATION_FAILED", field=violation["field"]):
        await ada.upload("ImportTasks", lines, **how)
    assert await listed(ada, project) == []


async def test_what_a_mask_does_not_name_may_be_missing(ada: Person, project: Json) -> None:
    await ada.upload("ImportTasks", [{"externalId": "a", "title": "x"}], project=project["id"])
    lines = [{"externalId": "a", "dueTime": "2030-01-02T03:04:05Z"}]
    how = {"project": project["id"], "updateMask": "dueTime"}
    assert await ada.upload("ImportTasks", lines, **how) == came(updated=1)
    with refused("INVALID_ARGUMENT", field="tasks[0].title"):
        await ada.upload("ImportTasks", [{"dueTime": "2030-01-02T03:04:05Z"}], **how)


async def test_everything_that_is_wrong_is_told_at_once(ada: Person, crooked: Json) -> None:
    lines = [line for _, lines, _, _ in WRONG for line in lines]
    outcome = await ada.upload("ImportTasks", lines, project=crooked["id"], validateOnly=True)
    assert outcome["violationCount"] == len(outcome["violations"]) > 10
    places = [int(each["field"].partition("]")[0].removeprefix("tasks[")) for each in outcome["violations"]]
    assert places == sorted(places)
    told = {each["field"].partition(".")[2].partition("[")[0] for each in outcome["violations"]}
    assert told == {"title", "external_id", "labels", "category", "parent", "status"}
    with refused("INVALID_ARGUMENT") as said:
        await ada.upload("ImportTasks", lines, project=crooked["id"])
    assert 0 < len(said[0].fields) <= 10


async def test_two_names_of_one_task_are_one_name_too_many(ada: Person, crooked: Json) -> None:
    task = await ada.call("GetTask", project=crooked["id"], task="2")
    lines = [{"externalId": "top"}, {"id": task["id"]}]
    with refused("INVALID_ARGUMENT", field="tasks[1].id") as said:
        await ada.upload("ImportTasks", lines, project=crooked["id"])
    assert "tasks[0]" in said[0].message


@pytest.mark.parametrize("sent", ["9" * 5_000, "a" * 129, "".join(chr(0x4E00 + i) for i in range(3_000))])
async def test_an_id_that_is_no_external_id_either_is_refused(ada: Person, project: Json, sent: str) -> None:
    lines: list[Json] = [{"title": "x"}, {"title": "", "priority": 77, "id": sent}]
    outcome = await ada.upload("ImportTasks", lines, project=project["id"], validateOnly=True)
    assert ("tasks[1].id", "string.max_len") in [(each["field"], each["reason"]) for each in outcome["violations"]]
    with refused("INVALID_ARGUMENT", "VALIDATION_FAILED", field="tasks[1].id"):
        await ada.upload("ImportTasks", [lines[0], {"title": "x", "id": sent}], project=project["id"])
    assert await listed(ada, project) == []


async def test_an_id_of_the_largest_size_is_a_key_and_one_that_is_none_can_be_any(ada: Person, project: Json) -> None:
    """What comes of it can be exported and imported again."""
    lines = [{"title": "x", "id": "é" * 128}, {"title": "y", "id": "9" * 5_000, "externalId": "a"}]
    assert await ada.upload("ImportTasks", lines, project=project["id"]) == came(created=2)
    lines = await ada.stream("ExportTasks", project=project["id"])
    assert await ada.upload("ImportTasks", lines, project=project["id"]) == came(unchanged=2)


async def test_an_attempt_is_answered_again(ada: Person, project: Json) -> None:
    attempt = {"project": project["id"], "idempotencyKey": "k"}
    lines = [{"title": "x"}, {"title": "y"}]
    first = await ada.upload("ImportTasks", lines, **attempt)
    assert await ada.upload("ImportTasks", lines, **attempt) == first == came(created=2)
    assert len(await listed(ada, project)) == 2
    with refused("INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED"):
        await ada.upload("ImportTasks", lines[:1], **attempt)
    assert await ada.upload("ImportTasks", lines, **attempt, validateOnly=True) == came(created=2)


async def test_an_import_costs_the_same_for_many_as_for_few(stack: Stack, ada: Person, project: Json) -> None:
    lines = [{"externalId": str(number), "title": f"Step {number}"} for number in range(101)]
    for some, outcome, cost in (
        (lines[:1], came(created=1), 9),
        (lines[1:], came(created=100), 9),
        (lines, came(unchanged=101), 7),
        ([{**line, "title": "x"} for line in lines], came(updated=101), 9),
    ):
        stack.clear()
        assert await ada.upload("ImportTasks", some, project=project["id"]) == outcome
        assert len(stack.work.statements) == cost, stack.work.statements


async def same_time(ada: Person, project: Json, *files: Sequence[Json]) -> list[Json]:
    """Imports at the same time; one that others keep waiting for too long comes again."""

    async def imported(lines: Sequence[Json]) -> Json:
        while True:
            try:
                return await ada.upload("ImportTasks", lines, project=project["id"])
            except Refused as refusal:
                if refusal.reason not in {"IMPORT_LOCKED", "LOCK_TIMEOUT", "CONCURRENT_MODIFICATION"}:
                    raise
                assert refusal.retry_after

    return list(await asyncio.gather(*map(imported, files)))


async def test_two_imports_of_one_file_at_the_same_time_make_every_task_once(
    stack: Stack, ada: Person, project: Json
) -> None:
    lines = [{"externalId": str(number), "title": f"Step {number}"} for number in range(300)]
    outcomes = await same_time(ada, project, lines, lines[::-1], lines[::2])
    assert sum(outcome["created"] for outcome in outcomes) == 300
    found = await rows(stack.work_url, select(tasks.c.external_id).where(tasks.c.project_id == project["id"]))
    assert sorted(row.external_id for row in found) == sorted(str(number) for number in range(300))
    verbs, announced = await told(stack, project)
    assert (verbs, announced) == (["task_created"] * 300, 300)


async def test_an_import_waits_for_another_one_and_for_who_holds_a_task_but_not_for_ever(
    stack: Stack, ada: Person, project: Json
) -> None:
    line = {"externalId": "a", "title": "x"}
    await ada.upload("ImportTasks", [line], project=project["id"])
    lines = [{**line, "title": "y"}, {"title": "new"}]
    key = f"{store.LOCK}/{project['id']}".encode()
    held = "SELECT id FROM tasks WHERE project_id = %s FOR UPDATE"
    url = stack.work_url.replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as elsewhere:
        for statement, about, reason in ((TAKE, key, "IMPORT_LOCKED"), (held, project["id"], "LOCK_TIMEOUT")):
            async with elsewhere.transaction():
                await elsewhere.execute(statement, (about,))
                with refused("ABORTED", reason) as said:
                    await ada.upload("ImportTasks", lines, project=project["id"])
                assert said[0].retry_after
    assert await ada.upload("ImportTasks", lines, project=project["id"]) == came(updated=1, created=1)


@pytest.mark.parametrize(
    ("lines", "change"),
    [
        pytest.param(
            [{"externalId": "a", "parent": "2"}],
            "UPDATE tasks SET project_id = %(other)s WHERE id = %(b)s",
            id="moved away",
        ),
        pytest.param(
            [{"externalId": "a", "parent": "b"}, {"externalId": "b", "title": "z"}],
            "UPDATE tasks SET parent_id = %(a)s, version = version + 1 WHERE id = %(b)s",
            id="made a part of it",
        ),
    ],
)
async def test_who_links_tasks_when_an_import_begins_is_waited_for_and_not_overlooked(
    stack: Stack, ada: Person, project: Json, lines: list[Json], change: str
) -> None:
    other = await ada.call("CreateProject", project={"title": "Gemini"})
    a, b = [await ada.call("CreateTask", project=project["id"], task={"title": "x", "externalId": key}) for key in "ab"]
    url = stack.work_url.replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(url) as linking:
        await linking.execute(TAKE, (f"work/v1/links/{project['id']}".encode(),))
        await linking.execute(change, {"a": a["id"], "b": b["id"], "other": other["id"]})
        waiting = asyncio.create_task(same_time(ada, project, lines))
        about_it = "SELECT count(*) AS times FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        async with asyncio.timeout(20):
            while not (await rows(stack.work_url, text(about_it)))[0].times:
                await asyncio.sleep(0.01)
    with refused("INVALID_ARGUMENT", "VALIDATION_FAILED", field="tasks[0].parent"):
        await waiting
    assert await ada.call("GetTask", project=project["id"], task=a["id"]) == a


@pytest.mark.parametrize("times", [1, 2])
async def test_what_is_deleted_while_an_import_looks_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch, stack: Stack, ada: Person, project: Json, times: int
) -> None:
    """Before its numbers are taken for known ones, and before it is held."""
    await ada.upload("ImportTasks", [{"externalId": "a", "title": "x"}], project=project["id"])
    register, looked = store.register, 0

    async def deleted_then(*asked: Any) -> Any:
        nonlocal looked
        found = await register(*asked)
        looked += 1
        if looked == times:
            gone = tasks.update().values(delete_time=tasks.c.create_time).where(tasks.c.project_id == project["id"])
            await change(stack.work_url, gone)
        return found

    monkeypatch.setattr(store, "register", deleted_then)
    with refused("ABORTED", "CONCURRENT_MODIFICATION") as said:
        await ada.upload("ImportTasks", [{"externalId": "a", "title": "y"}], project=project["id"])
    assert said[0].retry_after
    assert await ada.upload("ImportTasks", [{"externalId": "a", "title": "y"}], project=project["id"]) == came(
        created=1
    )


async def test_imports_and_other_changes_at_the_same_time_lose_nothing(ada: Person, project: Json) -> None:
    lines = [{"externalId": str(number), "title": "x"} for number in range(20)]
    await ada.upload("ImportTasks", lines, project=project["id"])
    before = {task["id"]: int(task["etag"]) for task in await listed(ada, project)}
    changed: dict[str, int] = dict.fromkeys(before, 0)

    async def renamed(number: int) -> None:
        task_id = list(before)[number % 20]
        try:
            await ada.call("UpdateTask", project=project["id"], taskRef=task_id, task={"description": str(number)})
        except Refused as refusal:
            assert refusal.code == "ABORTED", refusal
        else:
            changed[task_id] += 1

    files = [[{**line, "title": f"x{number}"} for line in lines] for number in range(3)]
    importing = asyncio.ensure_future(same_time(ada, project, *files))
    await asyncio.gather(*map(renamed, range(60)))
    outcomes = await importing
    after = {task["id"]: int(task["etag"]) for task in await listed(ada, project)}
    assert sum(outcome["updated"] for outcome in outcomes) == 60
    assert after == {task_id: etag + 3 + changed[task_id] for task_id, etag in before.items()}


@asynccontextmanager
async def importing(stack: Stack, who: Person) -> AsyncIterator[Any]:
    """An import that is written when one likes, over gRPC."""
    async with grpc.aio.insecure_channel(stack.work_address) as channel:
        call = task_pb2_grpc.TaskServiceStub(channel).ImportTasks(metadata=(("authorization", f"Bearer {who.token}"),))
        yield call
        call.cancel()


async def answer_to(stack: Stack, who: Person, *requests: task_pb2.ImportTasksRequest) -> Refused:
    """How a stream of these is refused."""
    async with importing(stack, who) as call:
        try:
            for request in requests:
                await call.write(request)
            await call.done_writing()
            answer = await call
        except grpc.aio.AioRpcError as error:
            return grpc_refusal(error)
    raise AssertionError(answer)


@pytest.fixture
async def grace(stack: Stack) -> Person:
    """Somebody who uses gRPC."""
    return await known(stack, await signed_up(stack.doors["grpc"], "Grace"))


@pytest.fixture
async def gemini(grace: Person) -> Json:
    return await grace.call("CreateProject", project={"title": "Gemini"})


async def test_the_first_message_says_what_all_of_them_are_about(stack: Stack, grace: Person, gemini: Json) -> None:
    def request(project: str = "", **fields: Any) -> task_pb2.ImportTasksRequest:
        return task_pb2.ImportTasksRequest(project=project, **fields)

    task = task_pb2.Task(title="x")
    assert (await answer_to(stack, grace)).fields == ("project",)
    assert (await answer_to(stack, grace, request(task=task))).fields == ("project",)
    first = request(gemini["id"], task=task)
    for second, field in (
        (request(gemini["slug"], task=task), "project"),
        (request(task=task, validate_only=True), "validate_only"),
        (request(task=task, idempotency_key="k"), "idempotency_key"),
        (request(task=task, update_mask={"paths": ["title"]}), "update_mask"),
        (request("a" * 64, task=task), "project"),
        (request(), "tasks[1]"),
    ):
        refusal = await answer_to(stack, grace, first, second)
        assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", (field,)), refusal
    assert await listed(grace, gemini) == []
    async with importing(stack, grace) as call:
        await call.write(request(gemini["id"], idempotency_key="k"))
        await call.write(request(gemini["id"], task=task, idempotency_key="k"))
        await call.write(request(task=task))
        await call.done_writing()
        assert (await call).created == 2


async def test_a_message_that_is_none_refuses_all(stack: Stack, grace: Person, gemini: Json) -> None:
    async with grpc.aio.insecure_channel(stack.work_address) as channel:
        rpc: grpc.aio.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(
            "/tandem.work.v1.TaskService/ImportTasks"
        )
        first = task_pb2.ImportTasksRequest(project=gemini["id"], task=task_pb2.Task(title="x"))
        sent = [first.SerializeToString(), b"\xff"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rpc(sent, metadata=(("authorization", f"Bearer {grace.token}"),))  # type: ignore[arg-type] # a list
    assert grpc_refusal(caught.value).reason == "MALFORMED_REQUEST"
    assert await listed(grace, gemini) == []


async def test_who_may_not_import_is_told_before_they_have_sent_all(
    stack: Stack, grace: Person, stranger: Person, gemini: Json
) -> None:
    request = task_pb2.ImportTasksRequest(project=gemini["id"], task=task_pb2.Task(title="x"))
    for role, reason in (("", "PROJECT_NOT_FOUND"), ("VIEWER", "ROLE_TOO_LOW")):
        if role:
            await grace.call("AddMember", project=gemini["id"], userId=stranger.id, role=role)
        async with importing(stack, stranger) as call:
            await call.write(request)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert grpc_refusal(caught.value).reason == reason


async def test_who_loses_the_role_while_they_send_is_refused(
    stack: Stack, grace: Person, stranger: Person, gemini: Json
) -> None:
    await grace.call("AddMember", project=gemini["id"], userId=stranger.id, role="DEVELOPER")
    stack.clear()
    async with importing(stack, stranger) as call:
        await call.write(task_pb2.ImportTasksRequest(project=gemini["id"], task=task_pb2.Task(title="x")))
        async with asyncio.timeout(20):
            while not stack.work.statements:  # they are let in
                await asyncio.sleep(0.02)
        await grace.call("RemoveMember", project=gemini["id"], userId=stranger.id)
        await call.done_writing()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    assert grpc_refusal(caught.value).reason == "PROJECT_NOT_FOUND"
    assert await listed(grace, gemini) == []


async def test_a_slow_client_keeps_nobody_waiting(stack: Stack, grace: Person, gemini: Json) -> None:
    line = {"externalId": "a", "title": "x"}
    stack.clear()
    async with importing(stack, grace) as call:
        await call.write(task_pb2.ImportTasksRequest(project=gemini["id"], task=task_pb2.Task(title="x")))
        async with asyncio.timeout(20):
            while not stack.work.statements:
                await asyncio.sleep(0.02)
        busy = "SELECT count(*) AS times FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
        busy += " AND backend_type = 'client backend'"
        (open_,) = await rows(stack.work_url, text(f"{busy} AND pid <> pg_backend_pid()"))
        assert open_.times == 0
        assert await grace.upload("ImportTasks", [line], project=gemini["id"]) == came(created=1)
    assert len(await listed(grace, gemini)) == 1


@pytest.mark.parametrize("door_name", ["grpc", "rest"])
async def test_an_import_has_bounds_and_says_which(databases: Databases, door_name: str) -> None:
    async with running_stack(databases, import_most_tasks=3, import_most_bytes=2_000) as bounded:
        ada = await signed_up(bounded.doors[door_name])
        project = await ada.call("CreateProject", project={"title": "Apollo"})
        assert await ada.upload("ImportTasks", [{"title": "x"}] * 3, project=project["id"]) == came(created=3)
        for lines, bound in (([{"title": "x"}] * 4, "3"), ([{"title": "x", "description": "y" * 1_000}] * 2, "2000")):
            with refused("INVALID_ARGUMENT", "IMPORT_TOO_LARGE", field="tasks") as said:
                await ada.upload("ImportTasks", lines, project=project["id"])
            assert bound in said[0].message
        assert len(await listed(ada, project)) == 3


async def test_who_leaves_before_the_end_has_imported_nothing(stack: Stack, grace: Person, gemini: Json) -> None:
    """Whatever the moment: what has come by then looks like all of it."""
    request = task_pb2.ImportTasksRequest(project=gemini["id"], task=task_pb2.Task(title="x"))
    for number in range(50):
        async with importing(stack, grace) as call:
            for _ in range(number % 5 + 1):
                await call.write(request)
            await asyncio.sleep(number % 10 / 1000)
    path = RPCS["ImportTasks"].path.replace("{project}", gemini["id"])
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {grace.token}\r\n"
        "Content-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n"
    )
    host, _, port = stack.gateway_address.partition(":")
    stack.clear()
    for _ in range(20):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(head.encode() + b'{"title":"x"}\n' * 3)
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.5)
    assert await listed(grace, gemini) == []
    assert await grace.upload("ImportTasks", [{"title": "x"}], project=gemini["id"]) == came(created=1)
    assert len(await listed(grace, gemini)) == 1
