"""What opens sessions, keeps them open, and ends them."""

from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from chassis.clock import Clock
from chassis.database import Database
from identity_service.access_tokens import AccessToken, AccessTokens
from identity_service.accounts import store as accounts
from identity_service.accounts.domain import Role, Secret
from identity_service.passwords import Passwords
from identity_service.sessions import store
from identity_service.sessions.domain import (
    Ending,
    Held,
    InvalidCredentials,
    PresentedToken,
    RateLimited,
    RefreshTokenInvalid,
    RefreshTokenReused,
    Session,
    SessionId,
    Terms,
    Verdict,
)

log = structlog.get_logger()


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
        terms: Terms,
    ) -> None:
        """Refresh tokens are made with `secret`."""
        self._db = db
        self._clock = clock
        self._passwords = passwords
        self._tokens = tokens
        self._secret = secret
        self._terms = terms

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
        session = Session.begun(user.id, now=self._clock.now(), idle=self._terms.idle, lifetime=self._terms.lifetime)
        async with self._db.transaction() as tx:
            await store.add(tx, session)
        return await self._tokens_of(session, user.role)

    async def refresh(self, token: Secret, idempotency_key: str) -> Tokens:
        """The next tokens of a session, or once more the ones that got lost.

        Raises:
            RefreshTokenInvalid: Junk, forged, of a session that has ended, or of a user who may not sign in.
            RefreshTokenReused: It was used before. The session has ended, the newest token included.
            RateLimited: The session took too many steps. Getting lost tokens again is no step.
        """
        presented = _read(token)
        while True:
            held = await self._held(presented)
            session, now = held.session, self._clock.now()
            match session.verdict(
                presented.generation,
                idempotency_key,
                user_may_sign_in=held.user_may_sign_in,
                now=now,
                terms=self._terms,
            ):
                case Verdict.ADVANCE:
                    advanced = session.advanced(idempotency_key, now=now, terms=self._terms)
                    async with self._db.transaction() as tx:
                        is_first = await store.advance(tx, advanced, replacing=session.generation)
                    if is_first:
                        return await self._tokens_of(advanced, held.role)
                    # Somebody else took the step, or ended the session: there is another verdict now.
                case Verdict.REPEAT:
                    return await self._tokens_of(session, held.role)
                case Verdict.REUSED:
                    await self._end(session.id, Ending.REUSE)
                    # Raised in the transaction, this would take the end of the session back, and leave the thief with
                    # a token that works.
                    raise RefreshTokenReused
                case Verdict.TOO_FAST:
                    raise RateLimited(retry_after=session.pause(now, self._terms))
                case Verdict.INVALID:
                    raise RefreshTokenInvalid

    async def logout_by_token(self, token: Secret) -> None:
        """End the session of a refresh token, whichever of its tokens it is. Anything else has none to end."""
        try:
            held = await self._held(_read(token))
        except RefreshTokenInvalid:
            return
        await self._end(held.session.id, Ending.LOGOUT)

    async def logout(self, session_id: SessionId) -> None:
        """End a session."""
        await self._end(session_id, Ending.LOGOUT)

    async def _held(self, presented: PresentedToken) -> Held:
        """The session of a token that we made, or RefreshTokenInvalid."""
        held = await store.find(self._db, presented.session)
        if not presented.is_genuine(held, self._secret) or held is None:
            raise RefreshTokenInvalid
        return held

    async def _end(self, session_id: SessionId, ending: Ending) -> None:
        async with self._db.transaction() as tx:
            has_ended = await store.revoke(tx, session_id, ending, self._clock.now())
        if has_ended:
            log.info("session ended", session_id=str(session_id), ending=ending.value)

    async def _tokens_of(self, session: Session, role: Role) -> Tokens:
        access = await self._tokens.issue_to_person(
            subject=session.user_id,
            role=role,
            session=session.id,
            signed_in_at=session.create_time,
            ends_at=session.expire_time,
        )
        return Tokens(access, session.refresh_token(self._secret), session.idle_expire_time - self._clock.now())


def _read(token: Secret) -> PresentedToken:
    presented = PresentedToken.read(token)
    if presented is None:
        raise RefreshTokenInvalid
    return presented
