"""Access tokens: JWTs after RFC 9068, signed with the key of today.

`sub_type` says what kind of caller `sub` is, because a client's name must never be taken for a user's (RFC 9700, 4.15).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from chassis.auth import EXPIRED_FOR_ALL, SubjectType
from chassis.clock import Clock
from chassis.ids import new_id
from identity_service.config import LONGEST_TOKEN_MINUTES
from identity_service.keys.ring import KeyRing

AUDIENCES = ("identity", "work")
SCOPES = ("identity.admin", "identity.mail", "identity.read", "work.read", "work.write")
"""What machines can be allowed to do. People are not limited by scopes."""
CLIENT = "tandem"
"""The `client_id` of people: they sign in with our own clients."""


def good_until(now: datetime) -> datetime:
    """When every token that was issued until now has expired, wherever the clocks stand, and whatever was set then."""
    return now + timedelta(minutes=LONGEST_TOKEN_MINUTES) + EXPIRED_FOR_ALL


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token, and how long it is good for."""

    token: str = field(repr=False)
    lifetime: timedelta


class AccessTokens:
    """Issues access tokens."""

    def __init__(
        self, ring: KeyRing, clock: Clock, *, issuer: str, lifetime: timedelta, service_lifetime: timedelta
    ) -> None:
        """Tokens of `issuer`, good for `lifetime` in the hands of people and for `service_lifetime` in a machine's."""
        self._ring = ring
        self._clock = clock
        self._issuer = issuer
        self._lifetime = lifetime
        self._service_lifetime = service_lifetime

    async def issue_to_person(
        self,
        *,
        subject: UUID,
        token_version: int,
        role: str,
        session: UUID,
        signed_in_at: datetime,
        ends_at: datetime,
    ) -> AccessToken:
        """A token for a person's session. It does not outlive the session."""
        claims = {
            "sub": str(subject),
            "sub_type": SubjectType.USER.value,
            "token_version": token_version,
            "aud": list(AUDIENCES),
            "client_id": CLIENT,
            "sid": str(session),
            "roles": [role],
            "auth_time": int(signed_in_at.timestamp()),
            "amr": ["pwd"],
        }
        return await self._signed(claims, min(self._lifetime, ends_at - self._clock.now()))

    async def issue_to_machine(
        self, *, subject: UUID, token_version: int, client_id: str, audiences: Iterable[str], scopes: Iterable[str]
    ) -> AccessToken:
        """A token for a service account: no session, no role, nothing but its scopes."""
        claims = {
            "sub": str(subject),
            "sub_type": SubjectType.SERVICE.value,
            "token_version": token_version,
            "aud": sorted(audiences),
            "client_id": client_id,
            "scope": " ".join(sorted(scopes)),
        }
        return await self._signed(claims, self._service_lifetime)

    async def _signed(self, claims: Mapping[str, Any], lifetime: timedelta) -> AccessToken:
        """Times are whole seconds, rounded down: nobody's clock is ahead of them."""
        now = int(self._clock.now().timestamp())
        times = {"iat": now, "exp": now + int(lifetime.total_seconds())}
        kid, algorithm, private = await self._ring.signing()
        token = jwt.encode(
            {"iss": self._issuer, **claims, **times, "jti": str(new_id())},
            private,
            algorithm=algorithm,
            headers={"kid": kid, "typ": "at+jwt"},
        )
        return AccessToken(token, lifetime)
