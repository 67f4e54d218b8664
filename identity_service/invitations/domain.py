"""Who is told that they are invited, by whom and to what; and how much of that."""

from dataclasses import dataclass
from uuid import UUID

from identity_service.accounts.domain import UserId
from identity_service.throttles.domain import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What is to be told."""

    mail_id: UUID
    email: str
    inviter_id: UserId
    project_title: str


@dataclass(frozen=True, slots=True)
class InvitationPaces:
    """How often anybody may be told of invitations, and have others told."""

    per_inviter: Pace
    per_recipient: Pace
