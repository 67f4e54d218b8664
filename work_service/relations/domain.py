"""What a task has to do with another one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chassis.errors import FailedPrecondition, FieldViolation, InvalidArgument, NotFound, UnmetPrecondition
from work_service.tasks.domain import Status, TaskId

MOST_RELATIONS = 100


class Kind(StrEnum):
    """How a task is related to another one."""

    BLOCKS = "BLOCKS"
    BLOCKED_BY = "BLOCKED_BY"
    DUPLICATES = "DUPLICATES"
    DUPLICATED_BY = "DUPLICATED_BY"
    RELATES_TO = "RELATES_TO"

    @property
    def seen_from_there(self) -> "Kind":
        """How the other one is related to the task."""
        return _INVERSES.get(self, self)


_INVERSES: Mapping[Kind, Kind] = {
    Kind.BLOCKS: Kind.BLOCKED_BY,
    Kind.BLOCKED_BY: Kind.BLOCKS,
    Kind.DUPLICATES: Kind.DUPLICATED_BY,
    Kind.DUPLICATED_BY: Kind.DUPLICATES,
}
ONE_WAY = frozenset({Kind.BLOCKS, Kind.DUPLICATES})
"""What must not lead back to where it began."""


class RelationNotFound(NotFound):
    """The two tasks are not related like that."""

    reason = "RELATION_NOT_FOUND"


class RelatedToItself(InvalidArgument):
    """A task has nothing to do with itself."""

    reason = "RELATED_TO_ITSELF"

    def __init__(self) -> None:
        """There is one field that it can be about."""
        super().__init__(FieldViolation("other", "is the task itself"))


class TooManyRelations(FailedPrecondition):
    """A task can have 100 relations."""

    reason = "TOO_MANY_RELATIONS"


class CircularRelation(FailedPrecondition):
    """The other task has led back to this one already."""

    reason = "CIRCULAR_RELATION"

    def __init__(self, kind: Kind) -> None:
        """Tells what would go round."""
        super().__init__(metadata={"kind": kind.value})
        self.preconditions = (UnmetPrecondition("ACYCLIC", "other", f"{kind} leads back to the task"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What a task has to do with another one, as the task sees it."""

    kind: Kind
    other_id: TaskId
    number: int
    title: str
    status: Status
    create_time: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """A relation as it is kept: once, whichever of the two it was told of."""

    task_id: TaskId
    kind: Kind
    other_id: TaskId

    @classmethod
    def of(cls, task_id: TaskId, kind: Kind, other_id: TaskId) -> "Kept":
        """One way only; what goes both ways begins at the older task.

        Raises:
            RelatedToItself: They are one task.
        """
        if task_id == other_id:
            raise RelatedToItself
        if kind in ONE_WAY or (kind is Kind.RELATES_TO and task_id < other_id):
            return cls(task_id, kind, other_id)
        return cls(other_id, kind.seen_from_there, task_id)
