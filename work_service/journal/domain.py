"""What there is to record of a change."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from work_service.access import Caller


class Verb(StrEnum):
    """What somebody did."""

    PROJECT_CREATED = "project_created"
    TASK_CREATED = "task_created"
    TASK_TRANSITIONED = "task_transitioned"
    TASK_COMPLETED = "task_completed"


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
