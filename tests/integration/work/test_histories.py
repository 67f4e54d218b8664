"""Whatever happens to tasks, in whatever order: it comes out as a small model of them says.

Every example is a history of two projects of one person. Each step is taken in the system and in the model; the answer,
and all that can be seen afterwards, are compared.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.doors import Door, Refused
from tests.support.histories import MOVES
from tests.support.people import Person, known, signed_up
from tests.support.stack import Stack

INVERSE = {"BLOCKS": "BLOCKED_BY", "DUPLICATES": "DUPLICATED_BY", "RELATES_TO": "RELATES_TO"}


class Refusal(Exception):
    """What the model answers instead."""


@dataclass
class Tag:
    """A category or a label of the model."""

    id: str
    project: "Project"
    deleted: bool = False


@dataclass
class Project:
    """A project of the model; its tasks stand in their order."""

    id: str
    category: Tag | None = None
    label: Tag | None = None
    archived: bool = False
    tasks: list["Task"] = field(default_factory=list)

    def change(self) -> None:
        if self.archived:
            raise Refusal("PROJECT_ARCHIVED")


@dataclass(eq=False)
class Task:
    """A task of the model."""

    id: str
    project: Project
    title: str
    parent: "Task | None" = None
    status: str = "TODO"
    category: Tag | None = None
    labels: list[Tag] = field(default_factory=list)
    assigned: bool = False
    deleted: bool = False
    version: int = 1
    relations: set[tuple[str, "Task"]] = field(default_factory=set)

    def found(self) -> "Task":
        if self.deleted:
            raise Refusal("TASK_NOT_FOUND")
        return self

    def set(self, **values: Any) -> None:
        if all(getattr(self, name) == value for name, value in values.items()):
            return
        self.project.change()
        for name, value in values.items():
            setattr(self, name, value)
        self.version += 1

    def wholes(self) -> list["Task"]:
        found, whole = [], self.parent
        while whole is not None:
            found.append(whole)
            whole = whole.parent
        return found

    def leads_to(self, other: "Task", kind: str) -> bool:
        return self is other or any(there.leads_to(other, kind) for how, there in self.relations if how == kind)

    def seen(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "status": self.status,
            "parent": self.parent.id if self.parent else "",
            "category": self.category.id if self.category else "",
            "labels": [label.id for label in self.labels],
            "assigned": self.assigned,
            "deleted": self.deleted,
            "etag": str(self.version),
            "done": self.status == "DONE",
        }


def seen(task: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: task[name] for name in ("id", "title", "status", "parent", "category", "labels", "etag")},
        "assigned": "assignee" in task,
        "deleted": "deleteTime" in task,
        "done": "completeTime" in task,
    }


Step = tuple[str, int, int, int]
STEPS = [
    *("create", "create", "rename", "move_on", "assign", "unassign", "label", "unlabel", "categorize", "make_part"),
    *("relate", "unrelate", "delete", "undelete", "move", "reorder", "toggle_archived", "toggle_tag", "rename_many"),
]


class History:
    """Two projects, in the system and in the model."""

    def __init__(self, ada: Person, projects: list[Project]) -> None:
        self.ada, self.projects = ada, projects
        self.all: list[Task] = []

    async def take(self, step: Step) -> None:
        what, first, second, third = step
        method = getattr(self, what)
        if what in {"create", "toggle_archived", "toggle_tag"}:
            subject: Any = self.projects[first % 2]
        elif not self.all:
            return
        else:
            subject = self.all[first % len(self.all)]
        await method(subject, second, third)

    async def same(self, rpc: str, expect: Any, **request: Any) -> dict[str, Any] | None:
        """Ask the system for what the model has just done, or refused."""
        expected = ""
        try:
            expect()
        except Refusal as refusal:
            expected = str(refusal)
        try:
            answer = await self.ada.call(rpc, **request)
        except Refused as refused:
            assert refused.reason == expected, (rpc, request, refused)
            return None
        assert not expected, (rpc, request, answer)
        return answer

    def name(self, task: Task) -> dict[str, Any]:
        return {"project": task.project.id, "task": task.id}

    def other(self, number: int) -> Task:
        return self.all[number % len(self.all)]

    async def create(self, project: Project, second: int, third: int) -> None:
        whole = self.other(second) if self.all and third % 2 else None
        wanted = {"title": f"{third}", **({"parent": whole.id} if whole else {})}

        def expect() -> None:
            if whole and (whole.deleted or whole.project is not project):
                raise Refusal("REFERENCE_NOT_FOUND")
            project.change()

        made = await self.same("CreateTask", expect, project=project.id, task=wanted)
        if made is not None:
            task = Task(made["id"], project, wanted["title"], whole)
            project.tasks.append(task)
            self.all.append(task)

    async def rename(self, task: Task, second: int, _third: int) -> None:
        title = str(second % 3)
        name = {"project": task.project.id, "taskRef": task.id}
        await self.same("UpdateTask", lambda: task.found().set(title=title), **name, task={"title": title})

    async def move_on(self, task: Task, second: int, _third: int) -> None:
        status = list(MOVES)[second % 5]

        def expect() -> None:
            if task.found().status != status and status not in MOVES[task.status]:
                raise Refusal("ILLEGAL_TRANSITION")
            task.set(status=status)

        await self.same("TransitionTask", expect, **self.name(task), status=status)

    async def assign(self, task: Task, *_: int) -> None:
        await self.same("AssignTask", lambda: task.found().set(assigned=True), **self.name(task), assignee=self.ada.id)

    async def unassign(self, task: Task, *_: int) -> None:
        await self.same("UnassignTask", lambda: task.found().set(assigned=False), **self.name(task))

    async def label(self, task: Task, second: int, _third: int) -> None:
        label = self.projects[second % 2].label
        assert label

        def expect() -> None:
            if task.found().project is not label.project or label.deleted:
                raise Refusal("LABEL_NOT_FOUND")
            task.set(labels=[label])

        await self.same("AttachLabel", expect, **self.name(task), label=label.id)

    async def unlabel(self, task: Task, *_: int) -> None:
        label = task.project.label
        assert label

        def expect() -> None:
            task.found()
            if label.deleted:
                raise Refusal("LABEL_NOT_FOUND")
            task.set(labels=[])

        await self.same("DetachLabel", expect, **self.name(task), label=label.id)

    async def categorize(self, task: Task, second: int, third: int) -> None:
        category = self.projects[second % 2].category if third % 3 else None

        def expect() -> None:
            task.found()
            if category and (category.deleted or category.project is not task.project):
                raise Refusal("REFERENCE_NOT_FOUND")
            task.set(category=category)

        await self.same(
            "UpdateTask",
            expect,
            project=task.project.id,
            taskRef=task.id,
            task={"category": category.id if category else ""},
            updateMask="category",
        )

    async def make_part(self, task: Task, second: int, third: int) -> None:
        whole = self.other(second) if third % 4 else None

        def expect() -> None:
            task.found()
            if whole and (whole.deleted or whole.project is not task.project):
                raise Refusal("REFERENCE_NOT_FOUND")
            if whole is not task.parent and whole and task in [whole, *whole.wholes()]:
                raise Refusal("CIRCULAR")
            task.set(parent=whole)

        await self.same(
            "UpdateTask",
            expect,
            project=task.project.id,
            taskRef=task.id,
            task={"parent": whole.id if whole else ""},
            updateMask="parent",
        )

    async def relate(self, task: Task, second: int, third: int) -> None:
        other, kind = self.other(second), list(INVERSE)[third % 3]

        def expect() -> None:
            self.both(task, other)
            if (kind, other) in task.relations:
                return
            if kind != "RELATES_TO" and other.leads_to(task, kind):
                raise Refusal("CIRCULAR_RELATION")
            task.project.change()
            task.relations.add((kind, other))
            other.relations.add((INVERSE[kind], task))

        await self.same("AddRelation", expect, **self.name(task), kind=kind, other=other.id)

    async def unrelate(self, task: Task, second: int, third: int) -> None:
        other, kind = self.other(second), list(INVERSE)[third % 3]

        def expect() -> None:
            self.both(task, other)
            if (kind, other) not in task.relations:
                raise Refusal("RELATION_NOT_FOUND")
            task.project.change()
            task.relations.remove((kind, other))
            other.relations.remove((INVERSE[kind], task))

        await self.same("RemoveRelation", expect, **self.name(task), kind=kind, other=other.id)

    def both(self, task: Task, other: Task) -> None:
        task.found()
        if other.deleted or other.project is not task.project:
            raise Refusal("TASK_NOT_FOUND")
        if other is task:
            raise Refusal("RELATED_TO_ITSELF")

    async def delete(self, task: Task, *_: int) -> None:
        await self.same("DeleteTask", lambda: task.found().set(deleted=True), **self.name(task))

    async def undelete(self, task: Task, *_: int) -> None:
        def expect() -> None:
            if not task.deleted:
                raise Refusal("TASK_NOT_DELETED")
            task.set(deleted=False)

        await self.same("UndeleteTask", expect, **self.name(task))

    async def move(self, task: Task, second: int, _third: int) -> None:
        there, name = self.projects[second % 2], self.name(task)

        def expect() -> None:
            if task.found().project is there:
                return
            task.project.change()
            there.change()
            for part in self.all:
                if part.parent is task:
                    part.parent, part.version = None, part.version + 1
            for kind, other in task.relations:
                other.relations.discard(({**INVERSE, **{v: k for k, v in INVERSE.items()}}[kind], task))
            task.project.tasks.remove(task)
            there.tasks.append(task)
            task.project, task.parent, task.category, task.labels, task.relations = there, None, None, [], set()
            task.version += 1

        await self.same("MoveTask", expect, **name, destination=there.id)

    async def reorder(self, task: Task, second: int, third: int) -> None:
        other, side = self.other(second), ("before", "after")[third % 2]

        def expect() -> None:
            task.found()
            if other.deleted or other.project is not task.project:
                raise Refusal("TASK_NOT_FOUND")
            if other is task:
                return
            order = [each for each in task.project.tasks if each is not task]
            order.insert(order.index(other) + (side == "after"), task)
            if order != task.project.tasks:
                task.project.change()
                task.project.tasks = order
                task.version += 1

        await self.same("ReorderTask", expect, **self.name(task), **{side: other.id})

    async def toggle_archived(self, project: Project, *_: int) -> None:
        rpc = "UnarchiveProject" if project.archived else "ArchiveProject"
        await self.ada.call(rpc, project=project.id)
        project.archived = not project.archived

    async def toggle_tag(self, project: Project, second: int, _third: int) -> None:
        noun = ("category", "label")[second % 2]
        tag: Tag = getattr(project, noun)
        rpc = f"{'Undelete' if tag.deleted else 'Delete'}{noun.title()}"

        def expect() -> None:
            project.change()
            tag.deleted = not tag.deleted
            for task in project.tasks:
                if tag.deleted and (task.category is tag or tag in task.labels):
                    task.category = None if task.category is tag else task.category
                    task.labels = [label for label in task.labels if label is not tag]
                    task.version += 1

        await self.same(rpc, expect, project=project.id, **{noun: tag.id})

    async def rename_many(self, task: Task, second: int, third: int) -> None:
        many = list(dict.fromkeys([task, self.other(second), self.other(third)]))
        title = str(second % 2)

        def expect() -> None:
            if any(each.deleted or each.project is not task.project for each in many):
                raise Refusal("TASK_NOT_FOUND")
            if any(each.title != title for each in many):
                task.project.change()
            for each in many:
                each.set(title=title)

        requests = [{"taskRef": each.id, "task": {"title": title}} for each in many]
        await self.same("BatchUpdateTasks", expect, project=task.project.id, requests=requests)

    async def compare(self) -> None:
        """All that can be seen."""
        for project in self.projects:
            listed = await self.ada.call(
                "ListTasks", project=project.id, pageSize=100, showDeleted=True, orderBy="position"
            )
            assert [seen(task) for task in listed["tasks"]] == [task.seen() for task in project.tasks]

    async def compare_relations(self) -> None:
        for task in self.all:
            if not task.deleted:
                told = await self.ada.call("ListRelations", **self.name(task))
                expected = {(kind, other.id) for kind, other in task.relations if not other.deleted}
                assert {(each["kind"], each["other"]) for each in told["relations"]} == expected


async def begun(ada: Person) -> History:
    projects = []
    for _ in range(2):
        project = Project((await ada.call("CreateProject", project={"title": "History"}))["id"])
        category = await ada.call("CreateCategory", project=project.id, category={"name": "C"})
        label = await ada.call("CreateLabel", project=project.id, label={"name": "L"})
        project.category, project.label = Tag(category["id"], project), Tag(label["id"], project)
        projects.append(project)
    return History(ada, projects)


@pytest.fixture(scope="module")
async def her(stack: Stack) -> Person:
    door: Door = stack.doors["grpc"]
    return await known(stack, await signed_up(door, "Ada"))


numbers = st.integers(min_value=0, max_value=11)
histories = st.lists(st.tuples(st.sampled_from(STEPS), numbers, numbers, numbers), min_size=25, max_size=40)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=histories)
async def test_a_history_of_tasks_comes_out_as_the_model_says(her: Person, steps: list[Step]) -> None:
    await play(her, steps)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=histories)
async def test_a_thousand_histories_come_out_as_the_model_says(her: Person, steps: list[Step]) -> None:
    await play(her, steps)


async def play(her: Person, steps: list[Step]) -> None:
    history = await begun(her)
    for number in range(4):
        await history.create(history.projects[number % 3 % 2], number, 0)
    for step in steps:
        await history.take(step)
        await history.compare()
    await history.compare_relations()
