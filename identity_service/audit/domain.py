"""What is worth remembering for those who look into an incident."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chassis import call
from chassis.proxies import network


class ActorType(StrEnum):
    """What kind of caller did it."""

    USER = "user"
    SERVICE = "service"
    NOBODY = "nobody"
    """Without a token."""
    SYSTEM = "system"
    """By itself, or from the command line."""


class Outcome(StrEnum):
    """What came of it."""

    SUCCEEDED = "SUCCEEDED"
    REFUSED = "REFUSED"


class Action(StrEnum):
    """What was done."""

    USER_REGISTERED = "user.registered"
    USER_INVITED = "user.invited"
    USER_UPDATED = "user.updated"
    USER_ROLE_CHANGED = "user.role_changed"
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_DELETED = "user.deleted"
    USER_UNDELETED = "user.undeleted"
    USER_FORGOTTEN = "user.forgotten"
    """Deleted so long ago that nothing is left of them but the id."""
    PASSWORD_CHANGED = "password.changed"  # noqa: S105 - the name of an act
    PASSWORD_RESET_REQUESTED = "password.reset_requested"  # noqa: S105
    PASSWORD_RESET = "password.reset"  # noqa: S105
    EMAIL_CHANGE_REQUESTED = "email.change_requested"
    EMAIL_CHANGED = "email.changed"
    EMAIL_VERIFIED = "email.verified"
    SESSION_OPENED = "session.opened"
    SESSION_ENDED = "session.ended"
    TOKEN_REVOKED = "token.revoked"  # noqa: S105
    SERVICE_ACCOUNT_CREATED = "service_account.created"
    SERVICE_ACCOUNT_UPDATED = "service_account.updated"
    SERVICE_ACCOUNT_DISABLED = "service_account.disabled"
    SERVICE_ACCOUNT_ENABLED = "service_account.enabled"
    SERVICE_ACCOUNT_DELETED = "service_account.deleted"
    SERVICE_ACCOUNT_KEY_CREATED = "service_account_key.created"
    SERVICE_ACCOUNT_KEY_REVOKED = "service_account_key.revoked"
    SERVICE_ACCOUNT_SIGNED_IN = "service_account.signed_in"
    """Kept only when it was refused: a machine's token is all there is of its sign-in."""
    SIGNING_KEY_CREATED = "signing_key.created"
    SIGNING_KEY_ACTIVATED = "signing_key.activated"
    SIGNING_KEY_RETIRED = "signing_key.retired"
    SIGNING_KEY_REVOKED = "signing_key.revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did it, and from where."""

    type: ActorType
    id: UUID | None = None
    request_id: str = ""
    address: str = ""
    user_agent: str = ""

    @property
    def network(self) -> str:
        """Where from, for those who count: whoever has one address of IPv6 has as many as they like."""
        return network(self.address)


SYSTEM = Actor(type=ActorType.SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One thing that was done, or refused."""

    action: Action
    actor: Actor
    target_type: str = ""
    """`user`, `session`, `service_account` or `signing_key`; empty when nothing of that name is known."""
    target_id: str = ""
    reason: str = ""
    """Why it was refused: the outcome's own reason. Empty when it was not."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Never a secret."""
    at: datetime

    @property
    def outcome(self) -> Outcome:
        """Whether it was done."""
        return Outcome.REFUSED if self.reason else Outcome.SUCCEEDED


def actor() -> Actor:
    """Who makes the call that is being answered."""
    answering = call.current()
    principal = answering.principal
    kind = ActorType.NOBODY
    if principal is not None:
        kind = ActorType.SERVICE if principal.is_machine else ActorType.USER
    return Actor(
        type=kind,
        id=principal.subject if principal is not None else None,
        request_id=answering.request_id,
        address=answering.address,
        user_agent=answering.user_agent,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptEvent:
    """An event as it was kept. Actions and kinds of actors are text: those of yesterday need not be known today."""

    id: UUID
    event_time: datetime
    actor_type: str
    actor_id: UUID | None
    action: str
    target_type: str
    target_id: str
    outcome: Outcome
    reason: str
    request_id: str
    address: str
    user_agent: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events are listed."""

    subject: UUID | None = None
    """Who did it, or to whom it was done."""
    action: str = ""
    outcome: Outcome | None = None
    after: datetime | None = None
    """This instant, or later."""
    before: datetime | None = None
