"""What has happened, as it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from work_service.access import UserId
from work_service.journal.domain import Change
from work_service.profiles.domain import People


@dataclass(frozen=True, slots=True, kw_only=True)
class PastActivity:
    """Somebody did something."""

    id: UUID
    project_id: UUID
    task_id: UUID | None
    actor_id: UserId
    verb: str
    changes: Sequence[Change]
    request_id: str
    create_time: datetime
    people: People = field(default_factory=dict, compare=False)
