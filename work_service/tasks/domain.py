"""Tasks: what they are, and what may follow what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from chassis.errors import Aborted, FailedPrecondition, NotFound, UnmetPrecondition
from chassis.ids import parse_id
from work_service.access import UserId
from work_service.journal.domain import Change
from work_service.projects.domain import ProjectId

TaskId = NewType("TaskId", UUID)

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


class TaskNotFound(NotFound):
    """There is no such task."""

    reason = "TASK_NOT_FOUND"


class TaskLocked(Aborted):
    """Somebody else is changing this task."""

    reason = "TASK_LOCKED"


class EtagMismatch(Aborted):
    """This has changed since you saw it."""

    reason = "ETAG_MISMATCH"

    def __init__(self, *, current: str) -> None:
        """Tells the etag of today, so that the caller need not ask."""
        super().__init__(metadata={"currentEtag": current})
        self.preconditions = (UnmetPrecondition("ETAG", "etag", f"the current etag is {current}"),)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task that somebody wants."""

    title: str
    description: str
    status: Status
    priority: Priority
    due_time: datetime | None


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
    due_time: datetime | None
    complete_time: datetime | None
    create_time: datetime
    update_time: datetime
    version: int

    @classmethod
    def created(
        cls, new: NewTask, *, task_id: TaskId, project_id: ProjectId, number: int, creator: UserId, now: datetime
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
            creator_id=creator,
            due_time=new.due_time,
            complete_time=now if new.status is Status.DONE else None,
            create_time=now,
            update_time=now,
            version=1,
        )

    @property
    def etag(self) -> str:
        """Changes with whatever a caller sees of the task."""
        return str(self.version)

    def expect(self, etag: str) -> None:
        """Go on only if `etag` is the one of today, or empty.

        Raises:
            EtagMismatch: It is another one.
        """
        if etag and etag != self.etag:
            raise EtagMismatch(current=self.etag)

    def moved_to(self, status: Status, *, now: datetime) -> "Task":
        """The task in its new status; the task itself when it has that status already.

        Raises:
            IllegalTransition: That status cannot follow the present one.
        """
        if status is self.status:
            return self
        if status not in MOVES[self.status]:
            raise IllegalTransition(current=self.status, wanted=status)
        return replace(
            self,
            status=status,
            complete_time=now if status is Status.DONE else None,
            update_time=now,
            version=self.version + 1,
        )


_BOOKKEEPING = frozenset({"update_time", "version"})


def changes(before: Task, after: Task) -> Iterator[Change]:
    """What differs between two states of one task, bookkeeping aside."""
    for field in fields(Task):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new and field.name not in _BOOKKEEPING:
            yield Change(field.name, _written(old), _written(new))


def _written(value: object) -> str | None:
    match value:
        case None:
            return None
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
