"""Sessions and their refresh tokens.

A refresh token holds the session's id, a generation and a MAC. Nothing is stored per token: the MAC's key is made of
the session's own secret, which is in the database, and the service's secret key, which is not.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NewType
from uuid import UUID

from chassis.errors import Unauthenticated
from chassis.ids import new_id
from chassis.secret import derived_key
from identity_service.accounts.domain import UserId

SessionId = NewType("SessionId", UUID)

_PREFIX = "tdr_"  # by which secret scanners know it
_VERSION = 1
_CONTENT = struct.Struct(">B16sQ")  # version, session, generation
_MAC_BYTES = 16
_CHECKSUM_BYTES = 4


class InvalidCredentials(Unauthenticated):
    """The e-mail address or the password is wrong."""

    reason = "INVALID_CREDENTIALS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in, on one device."""

    id: SessionId
    user_id: UserId
    refresh_secret: bytes
    generation: int
    create_time: datetime
    rotate_time: datetime
    idle_expire_time: datetime
    expire_time: datetime

    @classmethod
    def begun(cls, user_id: UserId, *, now: datetime, idle: timedelta, lifetime: timedelta) -> "Session":
        """A new session of that user."""
        return cls(
            id=SessionId(new_id()),
            user_id=user_id,
            refresh_secret=secrets.token_bytes(32),
            generation=1,
            create_time=now,
            rotate_time=now,
            idle_expire_time=min(now + idle, now + lifetime),
            expire_time=now + lifetime,
        )

    def refresh_token(self, secret: bytes) -> str:
        """The session's refresh token of today: the same one whenever it is asked for."""
        content = _CONTENT.pack(_VERSION, self.id.bytes, self.generation)
        sealed = content + mac(content, self.refresh_secret, secret)
        return _PREFIX + _base64url(sealed + zlib.crc32(sealed).to_bytes(_CHECKSUM_BYTES))


def mac(content: bytes, refresh_secret: bytes, secret: bytes) -> bytes:
    """What proves that we made a token of this content."""
    key = derived_key(secret, "tandem/identity/refresh tokens", salt=refresh_secret)
    return hmac.digest(key, content, hashlib.sha256)[:_MAC_BYTES]


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """What a refresh token says of itself; nothing of it is proven yet."""

    session: SessionId
    generation: int
    content: bytes
    mac: bytes

    @classmethod
    def read(cls, token: str) -> "PresentedToken | None":
        """The token's parts, or None for anything that never was one of ours."""
        if not token.startswith(_PREFIX):
            return None
        text = token.removeprefix(_PREFIX)
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        sealed, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
        if len(sealed) != _CONTENT.size + _MAC_BYTES or zlib.crc32(sealed).to_bytes(_CHECKSUM_BYTES) != checksum:
            return None
        content = sealed[: _CONTENT.size]
        version, session, generation = _CONTENT.unpack(content)
        if version != _VERSION:
            return None
        return cls(SessionId(UUID(bytes=session)), generation, content, sealed[_CONTENT.size :])


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
