"""Who is invited, and who is told so."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NewType
from uuid import UUID

from chassis.errors import NotFound
from chassis.retries import Patience
from work_service.access import Role, UserId
from work_service.profiles.domain import People
from work_service.projects.domain import ProjectId

InvitationId = NewType("InvitationId", UUID)

TOLD_AGAIN_AFTER = timedelta(days=1)
_PATIENCE = Patience(
    first_pause=timedelta(seconds=5), longest_pause=timedelta(minutes=15), given_up_after=timedelta(days=1)
)


class InvitationNotFound(NotFound):
    """There is no such invitation."""

    reason = "INVITATION_NOT_FOUND"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Somebody is to become a member, whoever has the address."""

    id: InvitationId
    project_id: ProjectId
    email: str
    """In lower case, as addresses are compared."""
    role: Role
    inviter_id: UserId
    create_time: datetime
    people: People = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMail:
    """An address that is to be told now that it is invited to a project."""

    id: UUID
    """By this name identity knows it, however often it is asked."""
    project_id: ProjectId
    email: str
    attempts: int
    """This one included."""
    create_time: datetime
    claimed_until: datetime

    def again(self, now: datetime) -> datetime | None:
        """When to try again after this attempt has failed; None gives it up."""
        return _PATIENCE.again(self.attempts, self.create_time, now)


@dataclass(frozen=True, slots=True)
class News:
    """What an invited address is told."""

    inviter_id: UserId
    project_title: str
