"""What tasks have to do with each other. Through both doors."""

import asyncio
from typing import Any

import pytest

from tests.support.doors import refused
from tests.support.people import Person
from tests.support.stack import Stack


@pytest.fixture
async def tasks(ada: Person, project: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = [{"task": {"title": f"Task {n}"}} for n in range(1, 5)]
    made: list[dict[str, Any]] = (await ada.call("BatchCreateTasks", project=project["id"], requests=wanted))["tasks"]
    return made


class Related:
    """Relations in one project."""

    def __init__(self, who: Person, project: str) -> None:
        self.who, self.project = who, project

    async def add(self, task: str, kind: str, other: str) -> dict[str, Any]:
        return await self.who.call("AddRelation", project=self.project, task=task, kind=kind, other=other)

    async def remove(self, task: str, kind: str, other: str) -> None:
        await self.who.call("RemoveRelation", project=self.project, task=task, kind=kind, other=other)

    async def of(self, task: str) -> list[tuple[str, int]]:
        found = await self.who.call("ListRelations", project=self.project, task=task)
        return [(each["kind"], each["number"]) for each in found["relations"]]


@pytest.fixture
def related(ada: Person, project: dict[str, Any], tasks: list[dict[str, Any]]) -> Related:
    return Related(ada, project["id"])


@pytest.mark.parametrize(
    ("kind", "seen_from_there"),
    [
        ("BLOCKS", "BLOCKED_BY"),
        ("BLOCKED_BY", "BLOCKS"),
        ("DUPLICATES", "DUPLICATED_BY"),
        ("DUPLICATED_BY", "DUPLICATES"),
        ("RELATES_TO", "RELATES_TO"),
    ],
)
async def test_both_tasks_tell_of_it_and_lose_it_together(related: Related, kind: str, seen_from_there: str) -> None:
    assert await related.of("1") == []
    added = await related.add("1", kind, "2")
    assert (added["kind"], added["number"], added["title"], added["status"]) == (kind, 2, "Task 2", "TODO")
    assert await related.of("1") == [(kind, 2)]
    assert await related.of("2") == [(seen_from_there, 1)]
    assert await related.add("1", kind, "2") == added, "what is so already stays as it is"
    assert (await related.add("2", seen_from_there, "1"))["createTime"] == added["createTime"]
    await related.remove("2", seen_from_there, "1")
    assert await related.of("1") == await related.of("2") == []
    with refused("NOT_FOUND", "RELATION_NOT_FOUND"):
        await related.remove("1", kind, "2")


@pytest.mark.parametrize(("kind", "inverse"), [("BLOCKS", "BLOCKED_BY"), ("DUPLICATES", "DUPLICATED_BY")])
async def test_nothing_goes_round_in_a_circle(related: Related, kind: str, inverse: str) -> None:
    for number in (1, 2, 3):
        await related.add(str(number), kind, str(number + 1))
    for task, how, other in (("4", kind, "1"), ("1", inverse, "4"), ("3", kind, "2")):
        with refused("FAILED_PRECONDITION", "CIRCULAR_RELATION"):
            await related.add(task, how, other)
    await related.add("1", kind, "4")
    await related.add("4", "RELATES_TO", "1")


async def test_two_tasks_do_not_block_each_other_at_once(
    related: Related, ada: Person, project: dict[str, Any]
) -> None:
    for _ in range(8):
        first, second = [
            (await ada.call("CreateTask", project=project["id"], task={"title": "x"}))["id"] for _ in range(2)
        ]
        outcomes = await asyncio.gather(
            related.add(first, "BLOCKS", second), related.add(second, "BLOCKS", first), return_exceptions=True
        )
        assert sorted(getattr(outcome, "reason", "") for outcome in outcomes) == ["", "CIRCULAR_RELATION"]


async def test_what_is_not_there_cannot_be_related(
    related: Related, stranger: Person, tasks: list[dict[str, Any]]
) -> None:
    with refused("INVALID_ARGUMENT", "RELATED_TO_ITSELF", field="other"):
        await related.add("1", "BLOCKS", tasks[0]["id"])
    for task, other in (("77", "1"), ("1", "77"), ("1", "other")):
        with refused("NOT_FOUND", "TASK_NOT_FOUND"):
            await related.add(task, "BLOCKS", other)
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await Related(stranger, related.project).add("1", "BLOCKS", "2")
    with refused("NOT_FOUND", "TASK_NOT_FOUND"):
        await Related(stranger, related.project).of("1")


async def test_a_deleted_task_is_not_told_of_until_it_is_back(related: Related, ada: Person) -> None:
    await related.add("1", "BLOCKS", "2")
    await ada.call("DeleteTask", project=related.project, task="2")
    assert await related.of("1") == []
    await ada.call("UndeleteTask", project=related.project, task="2")
    assert await related.of("1") == [("BLOCKS", 2)]


async def test_a_task_that_moves_away_leaves_its_relations(related: Related, ada: Person) -> None:
    there = await ada.call("CreateProject", project={"title": "There"})
    await related.add("1", "BLOCKS", "2")
    await related.add("3", "RELATES_TO", "2")
    moved = await ada.call("MoveTask", project=related.project, task="2", destination=there["id"])
    assert await related.of("1") == await related.of("3") == []
    assert await Related(ada, there["id"]).of(moved["id"]) == []


async def test_a_task_has_no_more_than_a_hundred(related: Related, ada: Person, project: dict[str, Any]) -> None:
    wanted = [{"task": {"title": str(n)}} for n in range(100)]
    made = (await ada.call("BatchCreateTasks", project=project["id"], requests=wanted))["tasks"]
    for task in made:
        await related.add("1", "RELATES_TO", task["id"])
    assert len(await related.of("1")) == 100
    for task, other in (("1", "2"), ("2", "1")):
        with refused("FAILED_PRECONDITION", "TOO_MANY_RELATIONS"):
            await related.add(task, "BLOCKS", other)
    await ada.call("DeleteTask", project=project["id"], task=made[0]["id"])
    await related.add("1", "BLOCKS", "2")  # what is not seen takes no place


async def test_it_is_told_once_and_asked_in_one_statement(stack: Stack, related: Related, ada: Person) -> None:
    await related.add("1", "BLOCKS", "2")
    await related.add("1", "BLOCKS", "2")
    await related.remove("1", "BLOCKS", "2")
    told = (await ada.call("ListActivities", project=related.project, task="1"))["activities"]
    assert [each["verb"] for each in told[:3]] == ["relation_removed", "relation_added", "task_created"]
    stack.clear()
    await related.of("1")
    assert len(stack.work.statements) == 1


async def test_an_attempt_that_is_made_again_gets_the_same_answer(related: Related, ada: Person) -> None:
    name = {"project": related.project, "task": "1", "kind": "BLOCKS", "other": "2"}
    first = await ada.call("AddRelation", **name, idempotencyKey="once")
    await related.remove("1", "BLOCKS", "2")
    assert await ada.call("AddRelation", **name, idempotencyKey="once") == first
    assert await related.of("1") == []
    await related.add("1", "BLOCKS", "2")
    for _ in range(2):
        await ada.call("RemoveRelation", **name, idempotencyKey="gone")
