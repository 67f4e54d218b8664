"""What opens sessions and keeps them open."""

from dataclasses import dataclass, field
from datetime import timedelta

from chassis.clock import Clock
from chassis.database import Database
from identity_service.access_tokens import AccessToken, AccessTokens
from identity_service.accounts import store as accounts
from identity_service.accounts.domain import Secret
from identity_service.passwords import Passwords
from identity_service.sessions import store
from identity_service.sessions.domain import InvalidCredentials, Session


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a session is worth."""

    access: AccessToken = field(repr=False)
    refresh: str = field(repr=False)
    refresh_lifetime: timedelta


class SessionCommands:
    """One method per use case."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        passwords: Passwords,
        tokens: AccessTokens,
        *,
        secret: bytes,
        idle: timedelta,
        lifetime: timedelta,
    ) -> None:
        """Sessions end after `idle` without a refresh, and after `lifetime` in any case."""
        self._db = db
        self._clock = clock
        self._passwords = passwords
        self._tokens = tokens
        self._secret = secret
        self._idle = idle
        self._lifetime = lifetime

    async def login(self, email: str, password: Secret) -> Tokens:
        """Open a session.

        Raises:
            InvalidCredentials: Nobody has that address, or another password, or may not sign in: one answer, and the
                same work is done for it. No connection is held meanwhile.
        """
        found = await accounts.find_by_email(self._db, email)
        user, stored = found or (None, None)
        matches = await self._passwords.matches(stored, password)
        if user is None or not matches or user.disabled:
            raise InvalidCredentials
        now = self._clock.now()
        session = Session.begun(user.id, now=now, idle=self._idle, lifetime=self._lifetime)
        async with self._db.transaction() as tx:
            await store.add(tx, session)
        access = await self._tokens.issue(
            subject=user.id, role=user.role, session=session.id, signed_in_at=session.create_time
        )
        return Tokens(access, session.refresh_token(self._secret), session.idle_expire_time - now)
