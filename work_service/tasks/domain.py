"""Tasks: what they are, and what may follow what."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType, TypedDict
from uuid import UUID

from chassis.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    UnmetPrecondition,
)
from chassis.etags import expect_etag
from chassis.ids import parse_id
from work_service import positions
from work_service.access import UserId
from work_service.profiles.domain import People, Person
from work_service.projects.domain import ProjectId
from work_service.tags.domain import TagId, TagRef

TaskId = NewType("TaskId", UUID)

MOST_LABELS = 50
_LARGEST_NUMBER = 2**31 - 1


class Status(StrEnum):
    """How far the work is."""

    TODO = "TODO"
    IN_PROGRESS = "IN_PROGRESS"
    IN_REVIEW = "IN_REVIEW"
    DONE = "DONE"
    CANCELLED = "CANCELLED"


class Priority(StrEnum):
    """How much it matters."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    URGENT = "URGENT"


MOVES: Mapping[Status, frozenset[Status]] = {
    Status.TODO: frozenset({Status.IN_PROGRESS, Status.DONE, Status.CANCELLED}),
    Status.IN_PROGRESS: frozenset({Status.TODO, Status.IN_REVIEW, Status.DONE, Status.CANCELLED}),
    Status.IN_REVIEW: frozenset({Status.IN_PROGRESS, Status.DONE, Status.CANCELLED}),
    Status.DONE: frozenset({Status.TODO, Status.IN_PROGRESS}),
    Status.CANCELLED: frozenset({Status.TODO}),
}


OPEN = frozenset(Status) - {Status.DONE, Status.CANCELLED}
"""Work that is still to be done."""


class TaskNotFound(NotFound):
    """There is no such task."""

    reason = "TASK_NOT_FOUND"


class TaskLocked(Aborted):
    """Somebody else is changing this task."""

    reason = "TASK_LOCKED"


class TaskNotDeleted(AlreadyExists):
    """This task has not been deleted."""

    reason = "TASK_NOT_DELETED"


class ExternalIdTaken(AlreadyExists):
    """Another task of the project has this external id."""

    reason = "EXTERNAL_ID_TAKEN"


class TooManyLabels(FailedPrecondition):
    """A task can have 50 labels."""

    reason = "TOO_MANY_LABELS"


class ReferenceNotFound(InvalidArgument):
    """The project has no such thing."""

    reason = "REFERENCE_NOT_FOUND"


class Circular(FailedPrecondition):
    """This would make a task a part of its own parts."""

    reason = "CIRCULAR"

    def __init__(self, subject: str) -> None:
        """Tells which field would do it."""
        super().__init__()
        self.preconditions = (UnmetPrecondition("ACYCLIC", subject, "leads back to the task itself"),)


class AssigneeNotMember(InvalidArgument):
    """Only members of the project can have its tasks."""

    reason = "ASSIGNEE_NOT_MEMBER"

    def __init__(self) -> None:
        """There is one field that it can be about."""
        super().__init__(FieldViolation("assignee", "is not a member of the project"))


class IllegalTransition(FailedPrecondition):
    """This task cannot move to that status from where it is."""

    reason = "ILLEGAL_TRANSITION"

    def __init__(self, *, current: Status, wanted: Status) -> None:
        """Tells what would have been allowed."""
        allowed = ", ".join(sorted(MOVES[current]))
        super().__init__(metadata={"current": current.value, "wanted": wanted.value, "allowed": allowed})
        self.preconditions = (
            UnmetPrecondition("STATUS", "status", f"from {current} a task can move to {allowed}, not to {wanted}"),
        )


@dataclass(frozen=True, slots=True)
class TaskRef:
    """How a caller names a task of a project: by id or by number."""

    id: TaskId | None
    number: int | None

    @classmethod
    def read(cls, text: str) -> "TaskRef":
        """The id or number that `text` spells.

        Raises:
            TaskNotFound: It spells neither, so no task has that name.
        """
        if text.isascii() and text.isdecimal() and 0 < (number := int(text)) <= _LARGEST_NUMBER:
            return cls(None, number)
        found = parse_id(text)
        if found is None:
            raise TaskNotFound
        return cls(TaskId(found), None)


@dataclass(frozen=True, slots=True)
class Place:
    """Right before or right after another task."""

    neighbour: TaskRef
    before: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task that somebody wants."""

    title: str
    description: str
    status: Status
    priority: Priority
    due_time: datetime | None
    annotations: dict[str, str]
    external_id: str | None


class Links(TypedDict, total=False):
    """What a task shall be linked with, as its project knows it."""

    category_id: TagId | None
    labels: tuple[TagId, ...]
    parent_id: TaskId | None


class TaskEdit(Links, total=False):
    """New values for the fields that shall change."""

    title: str
    description: str
    status: Status
    priority: Priority
    due_time: datetime | None
    annotations: dict[str, str]
    external_id: str | None


class NamedLinks(TypedDict, total=False):
    """What a task shall be linked with, as the caller names it."""

    category: TagRef | None
    labels: tuple[TagRef, ...]
    parent: TaskRef | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A piece of work."""

    id: TaskId
    project_id: ProjectId
    number: int
    title: str
    description: str
    status: Status
    priority: Priority
    creator_id: UserId
    assignee_id: UserId | None
    category_id: TagId | None
    labels: tuple[TagId, ...]
    parent_id: TaskId | None
    position: str
    annotations: dict[str, str]
    external_id: str | None
    due_time: datetime | None
    complete_time: datetime | None
    create_time: datetime
    update_time: datetime
    delete_time: datetime | None
    version: int
    people: People = field(default_factory=dict, compare=False)
    """What those are called who are named here. It is no part of the task: no version changes with it."""

    @classmethod
    def created(
        cls,
        new: NewTask,
        links: Links,
        *,
        task_id: TaskId,
        project_id: ProjectId,
        number: int,
        creator: Person,
        now: datetime,
    ) -> "Task":
        """The task that comes of what was wanted."""
        return cls(
            id=task_id,
            project_id=project_id,
            number=number,
            title=new.title,
            description=new.description,
            status=new.status,
            priority=new.priority,
            creator_id=creator.id,
            assignee_id=None,
            category_id=links.get("category_id"),
            labels=links.get("labels", ()),
            parent_id=links.get("parent_id"),
            position=positions.initial(number),
            annotations=new.annotations,
            external_id=new.external_id,
            due_time=new.due_time,
            complete_time=now if new.status is Status.DONE else None,
            create_time=now,
            update_time=now,
            delete_time=None,
            version=1,
            people={creator.id: creator},
        )

    @property
    def etag(self) -> str:
        """Changes with whatever a caller sees of the task but names of people."""
        return str(self.version)

    def expect(self, etag: str) -> None:
        """Go on only if `etag` is the one of today, or empty; else EtagMismatch."""
        expect_etag(etag, self.etag)

    def moved_to(self, status: Status, *, now: datetime) -> "Task":
        """The task in its new status; the task itself when it has that status already.

        Raises:
            IllegalTransition: That status cannot follow the present one.
        """
        if status is self.status:
            return self
        if status not in MOVES[self.status]:
            raise IllegalTransition(current=self.status, wanted=status)
        return self._next(now, status=status, complete_time=now if status is Status.DONE else None)

    def edited(self, edit: TaskEdit, *, now: datetime) -> "Task":
        """The task with new values, one version on; the task itself when they are the old ones.

        Raises:
            IllegalTransition: The new status cannot follow the present one.
        """
        moved = self.moved_to(edit.get("status", self.status), now=now)
        rest: dict[str, Any] = {name: value for name, value in edit.items() if name != "status"}
        changed = replace(moved, **rest)
        return self if changed == self else replace(changed, update_time=now, version=self.version + 1)

    def assigned_to(self, person: Person | None, *, now: datetime) -> "Task":
        """The task in somebody's hands, or in nobody's."""
        if person is None:
            return self._next(now, assignee_id=None)
        return self._next(now, assignee_id=person.id, people={**self.people, person.id: person})

    def is_reopened(self, before: "Task") -> bool:
        """Whether it is work again, and was none."""
        return self.status in OPEN and before.status not in OPEN

    def with_label(self, label: TagId, *, now: datetime) -> "Task":
        """The task with a label more; the task itself when it has it already.

        Raises:
            TooManyLabels: It has as many as a task can have.
        """
        if label in self.labels:
            return self
        if len(self.labels) == MOST_LABELS:
            raise TooManyLabels
        return self._next(now, labels=(*self.labels, label))

    def without_label(self, label: TagId, *, now: datetime) -> "Task":
        """The task with a label less; the task itself when it does not have it."""
        if label not in self.labels:
            return self
        return self._next(now, labels=tuple(each for each in self.labels if each != label))

    def placed(self, low: str | None, high: str | None, *, now: datetime) -> "Task":
        """The task between two places; the task itself when it is there already.

        Raises:
            NoRoom: Nothing fits between them.
        """
        if (low is None or low < self.position) and (high is None or self.position < high):
            return self
        return self._next(now, position=positions.between(low, high))

    def moved_into(self, project_id: ProjectId, *, number: int, assigned: bool, now: datetime) -> "Task":
        """The task in another project, without what is known in this one only; with its assignee, or without."""
        return self._next(
            now,
            project_id=project_id,
            number=number,
            position=positions.initial(number),
            assignee_id=self.assignee_id if assigned else None,
            category_id=None,
            labels=(),
            parent_id=None,
        )

    def deleted(self, *, now: datetime) -> "Task":
        """The task, gone."""
        return self._next(now, delete_time=now)

    def undeleted(self, *, now: datetime) -> "Task":
        """The task, back again.

        Raises:
            TaskNotDeleted: It was never gone.
        """
        if self.delete_time is None:
            raise TaskNotDeleted
        return self._next(now, delete_time=None)

    def _next(self, now: datetime, **values: Any) -> "Task":
        return replace(self, **values, update_time=now, version=self.version + 1)
