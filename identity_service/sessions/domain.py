"""Sessions and their refresh tokens.

A refresh token holds the session's id, a generation and a MAC. Nothing is stored per token: the MAC's key is made of
the session's own secret, which is in the database, and the service's secret key, which is not.
"""

import hashlib
import hmac
import secrets
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import NewType
from uuid import UUID

from chassis import base64url
from chassis.errors import NotFound, Unauthenticated
from chassis.ids import new_id
from chassis.secret import derived_key
from identity_service.accounts.domain import User, UserId
from identity_service.audit.domain import Actor
from identity_service.throttles.domain import Delay, Pace

SessionId = NewType("SessionId", UUID)

_PREFIX = "tdr_"  # by which secret scanners know it
_VERSION = 1
_CONTENT = struct.Struct(">B16sQ")  # version, session, generation
_MAC_BYTES = 16
_CHECKSUM_BYTES = 4
_MINUTE = timedelta(minutes=1)
_NOBODYS = secrets.token_bytes(32)


class InvalidCredentials(Unauthenticated):
    """The e-mail address or the password is wrong."""

    reason = "INVALID_CREDENTIALS"


class RefreshTokenInvalid(Unauthenticated):
    """This refresh token is not valid."""

    reason = "REFRESH_TOKEN_INVALID"


class RefreshTokenReused(Unauthenticated):
    """This refresh token was used before. Its session has ended."""

    reason = "REFRESH_TOKEN_REUSED"


class SessionNotFound(NotFound):
    """There is no such session."""

    reason = "SESSION_NOT_FOUND"


class Ending(StrEnum):
    """Why a session ended before its time."""

    LOGOUT = "LOGOUT"
    REUSE = "REUSE"
    REVOKED = "REVOKED"
    """By the user, from another session."""
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105 - a reason
    DISABLED = "DISABLED"
    DELETED = "DELETED"
    ADMINISTRATOR = "ADMINISTRATOR"
    """By an administrator."""
    DISPLACED = "DISPLACED"
    """By a new one, where the user had as many as there may be: it was the one that was not used for longest."""


class Verdict(Enum):
    """What comes of a refresh token that was shown."""

    ADVANCE = auto()
    """It is the newest: the session takes a step."""
    REPEAT = auto()
    """It was the newest until the last step, and the answer to that was lost: it is given again."""
    REUSED = auto()
    """It was used, and somebody uses it again. Who of the two is the thief, nobody knows."""
    TOO_FAST = auto()
    """It is the newest, and will do a little later."""
    INVALID = auto()
    """Its session has ended, or its user may not sign in."""


@dataclass(frozen=True, slots=True)
class LoginPaces:
    """How often anybody may try to sign in."""

    per_address: Pace
    """From one network address, whatever comes of it."""
    guesses: Delay
    """To one account, whether or not there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How sessions are opened, how long they live, and how they may be refreshed."""

    logins: LoginPaces

    idle: timedelta
    """They end when they are not refreshed for so long."""
    lifetime: timedelta
    """They end after so long, whatever happens."""
    grace: timedelta
    """How long an answer that may have been lost is given again."""
    refreshes_per_minute: int
    most: int
    """So many may a user have. With one more, the one that was not used for longest ends."""

    @property
    def pace(self) -> timedelta:
        """The pause between two steps of a session that has used up its minute's worth."""
        return _MINUTE // self.refreshes_per_minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in, on one device."""

    id: SessionId
    user_id: UserId
    refresh_secret: bytes = field(repr=False)
    generation: int
    create_time: datetime
    rotate_time: datetime
    rotate_idempotency_key: str | None = None
    """The name of the attempt that made this generation, when it had one."""
    pace_time: datetime | None = None
    """Every step moves this one pace into the future. It is never more than a minute ahead."""
    idle_expire_time: datetime
    expire_time: datetime
    revoke_time: datetime | None = None
    address: str = ""
    """Where it was last used from."""
    user_agent: str = ""
    """What it was last used with, as that said itself."""

    @property
    def end_time(self) -> datetime:
        """When it ends, unless it is refreshed before."""
        return min(self.idle_expire_time, self.expire_time)

    @classmethod
    def begun(cls, user_id: UserId, origin: Actor, *, now: datetime, terms: Terms) -> "Session":
        """A new session of that user, opened from there."""
        return cls(
            id=SessionId(new_id()),
            user_id=user_id,
            refresh_secret=secrets.token_bytes(32),
            generation=1,
            create_time=now,
            rotate_time=now,
            idle_expire_time=min(now + terms.idle, now + terms.lifetime),
            expire_time=now + terms.lifetime,
            address=origin.address,
            user_agent=origin.user_agent,
        )

    def refresh_token(self, secret: bytes) -> str:
        """The session's refresh token of today: the same one whenever it is asked for."""
        content = _CONTENT.pack(_VERSION, self.id.bytes, self.generation)
        sealed = content + mac(content, self.refresh_secret, secret)
        return _PREFIX + base64url.encoded(sealed + zlib.crc32(sealed).to_bytes(_CHECKSUM_BYTES))

    def verdict(
        self, generation: int, idempotency_key: str, *, user_may_sign_in: bool, now: datetime, terms: Terms
    ) -> Verdict:
        """What comes of this session's token of that generation.

        A reuse counts even when the user may not sign in: it must not be forgotten until they may again.
        """
        is_over = self.revoke_time is not None or self.end_time <= now
        if is_over or generation > self.generation:  # from the future: the database was restored from a backup
            return Verdict.INVALID
        if generation < self.generation and not self._lost_the_answer(generation, idempotency_key, now, terms.grace):
            return Verdict.REUSED
        if not user_may_sign_in:
            return Verdict.INVALID
        if generation < self.generation:
            return Verdict.REPEAT
        return Verdict.TOO_FAST if self.pause(now, terms) > timedelta() else Verdict.ADVANCE

    def _lost_the_answer(self, generation: int, idempotency_key: str, now: datetime, grace: timedelta) -> bool:
        """Only the last one: if all were forgiven, a thief and an owner could take turns unnoticed."""
        is_same_attempt = idempotency_key != "" and idempotency_key == self.rotate_idempotency_key
        return generation == self.generation - 1 and (now - self.rotate_time < grace or is_same_attempt)

    def pause(self, now: datetime, terms: Terms) -> timedelta:
        """How long the next step has to wait: not at all while less than a minute's worth is taken."""
        return max(self._paced(now, terms) - now - _MINUTE, timedelta())

    def advanced(self, idempotency_key: str, origin: Actor, *, now: datetime, terms: Terms) -> "Session":
        """The session one step further, taken from there. It never lives longer than it was begun for."""
        return replace(
            self,
            generation=self.generation + 1,
            rotate_time=now,
            rotate_idempotency_key=idempotency_key or None,
            pace_time=self._paced(now, terms),
            idle_expire_time=min(now + terms.idle, self.expire_time),
            address=origin.address,
            user_agent=origin.user_agent,
        )

    def _paced(self, now: datetime, terms: Terms) -> datetime:
        return max(self.pace_time or now, now) + terms.pace


@dataclass(frozen=True, slots=True)
class Held:
    """A session, and whose it is."""

    session: Session
    user: User
    user_may_sign_in: bool


def mac(content: bytes, refresh_secret: bytes, secret: bytes) -> bytes:
    """What proves that we made a token of this content."""
    key = derived_key(secret, "tandem/identity/refresh tokens", salt=refresh_secret)
    return hmac.digest(key, content, hashlib.sha256)[:_MAC_BYTES]


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """What a refresh token says of itself; nothing of it is proven yet."""

    session: SessionId
    generation: int
    content: bytes = field(repr=False)
    mac: bytes = field(repr=False)

    @classmethod
    def read(cls, token: str) -> "PresentedToken | None":
        """The token's parts, or None for anything that never was one of ours."""
        if not token.startswith(_PREFIX):
            return None
        raw = base64url.decoded(token.removeprefix(_PREFIX))
        if raw is None:
            return None
        sealed, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
        if len(sealed) != _CONTENT.size + _MAC_BYTES or zlib.crc32(sealed).to_bytes(_CHECKSUM_BYTES) != checksum:
            return None
        content = sealed[: _CONTENT.size]
        version, session, generation = _CONTENT.unpack(content)
        if version != _VERSION:
            return None
        return cls(SessionId(UUID(bytes=session)), generation, content, sealed[_CONTENT.size :])

    def is_genuine(self, held: Held | None, secrets: Sequence[bytes]) -> bool:
        """Whether we made it for this session, with any of our secrets. For none, the same work is done."""
        refresh_secret = held.session.refresh_secret if held is not None else _NOBODYS
        made = [hmac.compare_digest(self.mac, mac(self.content, refresh_secret, secret)) for secret in secrets]
        return any(made) and held is not None
