"""What there is to record of a change, and how a change is guarded by what its author saw."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.errors import Aborted, UnmetPrecondition
from work_service.access import Caller


class EtagMismatch(Aborted):
    """This has changed since you saw it."""

    reason = "ETAG_MISMATCH"

    def __init__(self, *, current: str) -> None:
        """Tells the etag of today, so that the caller need not ask."""
        super().__init__(metadata={"currentEtag": current})
        self.preconditions = (UnmetPrecondition("ETAG", "etag", f"the current etag is {current}"),)


def expect_etag(sent: str, current: str) -> None:
    """Go on only if what was sent is the etag of today, or nothing.

    Raises:
        EtagMismatch: It is another one.
    """
    if sent and sent != current:
        raise EtagMismatch(current=current)


class Verb(StrEnum):
    """What somebody did."""

    PROJECT_CREATED = "project_created"
    PROJECT_UPDATED = "project_updated"
    PROJECT_DELETED = "project_deleted"
    PROJECT_RESTORED = "project_restored"
    MEMBER_ADDED = "member_added"
    MEMBER_UPDATED = "member_updated"
    MEMBER_REMOVED = "member_removed"
    TASK_CREATED = "task_created"
    TASK_UPDATED = "task_updated"
    TASK_TRANSITIONED = "task_transitioned"
    TASK_COMPLETED = "task_completed"
    TASK_ASSIGNED = "task_assigned"
    TASK_UNASSIGNED = "task_unassigned"
    TASK_DELETED = "task_deleted"
    TASK_RESTORED = "task_restored"


@dataclass(frozen=True, slots=True)
class Change:
    """One field before and after, in the contract's spelling. None stands for unset."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Somebody did something."""

    project_id: UUID
    task_id: UUID | None = None
    actor: Caller
    verb: Verb
    changes: tuple[Change, ...] = ()
    at: datetime


_BOOKKEEPING = frozenset({"update_time", "version"})


def changes(before: Any, after: Any) -> tuple[Change, ...]:
    """What differs between two states of one thing, bookkeeping aside."""
    return tuple(_changes(before, after))


def _changes(before: Any, after: Any) -> Iterator[Change]:
    for field in fields(before):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new and field.name not in _BOOKKEEPING:
            yield Change(field.name.removesuffix("_id"), _written(old), _written(new))


def _written(value: object) -> str | None:
    match value:
        case None:
            return None
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
