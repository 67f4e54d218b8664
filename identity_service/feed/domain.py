"""What the feed tells."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from chassis.errors import FieldViolation, InvalidArgument
from chassis.revocations import Revocations


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded:
    """The access tokens of a session are no longer good."""

    kind: ClassVar = "SESSION_ENDED"
    subject: UUID
    until: datetime
    """When the last of the tokens expires by itself, and nobody needs to know any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensInvalidated:
    """The access tokens of a user or service account of a lower `token_version` are no longer good."""

    kind: ClassVar = "TOKENS_INVALIDATED"
    subject: UUID
    token_version: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked:
    """One access token, by its `jti`, is no longer good."""

    kind: ClassVar = "TOKEN_REVOKED"
    subject: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked:
    """Whatever was signed with the key of this `kid` is no longer good."""

    kind: ClassVar = "KEY_REVOKED"
    subject: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileChanged:
    """A user is new, or called otherwise, or may not sign in any more, or may again."""

    kind: ClassVar = "PROFILE_CHANGED"
    subject: UUID
    username: str
    full_name: str
    verified_email: str
    disabled: bool
    deleted: bool
    until: datetime | None = None


Event = SessionEnded | TokensInvalidated | TokenRevoked | KeyRevoked | ProfileChanged

_SAID_ELSEWHERE = frozenset({"subject", "until"})


def content(event: Event) -> dict[str, Any]:
    """What an event says beside its subject and until when it matters."""
    return {name: value for name, value in asdict(event).items() if name not in _SAID_ELSEWHERE}


def event(kind: str, subject: str, content: Mapping[str, Any], until: datetime | None) -> Event:
    """The event that was kept as this."""
    known = _KINDS[kind]
    identity = UUID(subject) if known in _ABOUT_UUIDS else subject
    made: Event = known(subject=identity, until=until, **content)
    return made


_KINDS: Mapping[str, Any] = {
    known.kind: known for known in (SessionEnded, TokensInvalidated, TokenRevoked, KeyRevoked, ProfileChanged)
}
_ABOUT_UUIDS = frozenset({SessionEnded, TokensInvalidated, ProfileChanged})


@dataclass(frozen=True, slots=True)
class Told:
    """One event at its place in the feed; without one, a sign of life from there."""

    cursor: int
    event: Event | None = None


def tell(revocations: Revocations, event: Event) -> None:
    """Let revocations know of an event, if it is one."""
    match event:
        case SessionEnded(subject=session, until=until):
            revocations.session_ended(session, until)
        case TokensInvalidated(subject=subject, token_version=version, until=until):
            revocations.tokens_invalidated(subject, version, until)
        case TokenRevoked(subject=token_id, until=until):
            revocations.token_revoked(token_id, until)
        case KeyRevoked(subject=kid, until=until):
            revocations.key_revoked(kid, until)


class BadCursor(InvalidArgument):
    """This feed gave out no such cursor."""

    reason = "CURSOR_INVALID"

    def __init__(self) -> None:
        """There is one thing to say about every bad cursor."""
        super().__init__(FieldViolation("cursor", "is not a cursor that this method gave out"))


_CURSOR = re.compile(r"[0-9]{1,18}", re.ASCII)


def place_of(cursor: str) -> int:
    """Where a reader wants to go on.

    Raises:
        BadCursor: It is no cursor of ours.
    """
    if not cursor:
        return 0
    if not _CURSOR.fullmatch(cursor):
        raise BadCursor
    return int(cursor)
