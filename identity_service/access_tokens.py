"""Access tokens: JWTs after RFC 9068, signed with the key of today."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import jwt

from chassis.clock import Clock
from chassis.ids import new_id
from identity_service.keys.ring import KeyRing

AUDIENCES = ("identity", "work")
CLIENT = "tandem"
"""The `client_id` of people: they sign in with our own clients."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token, and how long it is good for."""

    token: str
    lifetime: timedelta


class AccessTokens:
    """Issues access tokens."""

    def __init__(self, ring: KeyRing, clock: Clock, *, issuer: str, lifetime: timedelta) -> None:
        """Tokens of `issuer`, good for `lifetime`."""
        self._ring = ring
        self._clock = clock
        self._issuer = issuer
        self._lifetime = lifetime

    async def issue(self, *, subject: UUID, role: str, session: UUID, signed_in_at: datetime) -> AccessToken:
        """A token for a person's session. Times are whole seconds, rounded down: nobody's clock is ahead of them."""
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": self._issuer,
            "sub": str(subject),
            "aud": list(AUDIENCES),
            "client_id": CLIENT,
            "iat": now,
            "exp": now + int(self._lifetime.total_seconds()),
            "jti": str(new_id()),
            "sid": str(session),
            "roles": [role],
            "auth_time": int(signed_in_at.timestamp()),
            "amr": ["pwd"],
        }
        kid, algorithm, private = await self._ring.signing()
        token = jwt.encode(claims, private, algorithm=algorithm, headers={"kid": kid, "typ": "at+jwt"})
        return AccessToken(token, self._lifetime)
