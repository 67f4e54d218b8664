"""What opens sessions, keeps them open, and ends them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn

import structlog

from chassis.clock import Clock
from chassis.database import Database, Transaction
from chassis.secret import Secret
from identity_service.access_tokens import AccessToken, AccessTokens, good_until
from identity_service.accounts import store as accounts
from identity_service.accounts.domain import User, UserId
from identity_service.audit import store as audit
from identity_service.audit.domain import Action, Actor, AuditEvent, actor
from identity_service.feed import store as feed
from identity_service.feed.domain import Event, SessionEnded, TokensInvalidated
from identity_service.mail import store as mail
from identity_service.mail.domain import Mail, MailKind
from identity_service.passwords import Passwords
from identity_service.sealing import Sealer
from identity_service.sessions import store
from identity_service.sessions.domain import (
    Ending,
    Held,
    InvalidCredentials,
    PresentedToken,
    RefreshTokenInvalid,
    RefreshTokenReused,
    Session,
    SessionId,
    SessionNotFound,
    Terms,
    Verdict,
)
from identity_service.throttles.commands import Throttles
from identity_service.throttles.domain import TooManyRequests

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
        throttles: Throttles,
        tokens: AccessTokens,
        mails: Sealer,
        *,
        secrets: Sequence[bytes],
        terms: Terms,
    ) -> None:
        """Refresh tokens are made with the first of `secrets`; those of all of them are taken."""
        self._db = db
        self._clock = clock
        self._passwords = passwords
        self._throttles = throttles
        self._tokens = tokens
        self._mails = mails
        self._secrets = secrets
        self._terms = terms

    async def login(self, email: str, password: Secret) -> Tokens:
        """Open a session.

        It is counted where somebody tries to sign in from, and to which account, before it is known whether there is
        one; so whoever is told to wait learns nothing by it. No connection is held while passwords are compared.

        Raises:
            InvalidCredentials: Nobody has that address, or another password, or may not sign in: one answer, and the
                same work is done for it.
            TooManyRequests: There were too many attempts from there, or to that account.
            TooManySignIns: Too many people are signing in at once.
        """
        with self._passwords.queueing():
            # From here on one spelling: what PostgreSQL takes for the same letter may be another one to whoever counts.
            return await self._login(email.lower(), password)

    async def _login(self, email: str, password: Secret) -> Tokens:
        by = actor()
        await self._throttles.take(self._terms.logins.per_address, by.network)
        await self._throttles.attempt(self._terms.logins.guesses, email)
        found = await accounts.find_by_email(self._db, email)
        user, stored = found or (None, None)
        matches = await self._passwords.matches(stored, password)
        if user is None or stored is None or not matches or user.disabled:
            await self._refuse_login(by, user)
        if self._passwords.is_outdated(stored):
            await self._rehash(user.id, stored, password)
        now = self._clock.now()
        session = Session.begun(user.id, by, now=now, terms=self._terms)
        async with self._db.transaction() as tx:
            # While passwords were compared, everything may have changed, and all sessions been ended but this one.
            signed_in = await accounts.signed_in(tx, user.id, now, credential_version=user.credential_version)
            if signed_in is not None:
                displaced = await store.add(tx, session, most=self._terms.most)
                await self._throttles.clear(tx, self._terms.logins.guesses, email)
                await audit.record(tx, self._opened(by, user, session))
                if displaced:
                    await self._tell_displaced(tx, by, user.id, displaced, now)
        if signed_in is None:
            await self._refuse_login(by, user)
        return await self._tokens_of(session, signed_in)

    async def refresh(self, token: Secret, idempotency_key: str) -> Tokens:
        """The next tokens of a session, or once more the ones that got lost.

        Raises:
            RefreshTokenInvalid: Junk, forged, of a session that has ended, or of a user who may not sign in.
            RefreshTokenReused: It was used before. The session has ended, the newest token included.
            TooManyRequests: The session took too many steps. Getting lost tokens again is no step.
        """
        by, presented = actor(), _read(token)
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
                    advanced = session.advanced(idempotency_key, by, now=now, terms=self._terms)
                    async with self._db.transaction() as tx:
                        is_first = await store.advance(tx, advanced, replacing=session.generation)
                    if is_first:
                        return await self._tokens_of(advanced, held.user)
                    # Somebody else took the step, or ended the session: there is another verdict now.
                case Verdict.REPEAT:
                    return await self._tokens_of(session, held.user)
                case Verdict.REUSED:
                    await self._end(by, session.id, Ending.REUSE, stolen_from=held.user)
                    # Raised in the transaction, this would take the end of the session back, and leave the thief with
                    # a token that works.
                    raise RefreshTokenReused
                case Verdict.TOO_FAST:
                    raise TooManyRequests(retry_after=session.pause(now, self._terms))
                case Verdict.INVALID:
                    raise RefreshTokenInvalid

    async def logout_by_token(self, token: Secret) -> None:
        """End the session of a refresh token, whichever of its tokens it is. Anything else has none to end."""
        try:
            held = await self._held(_read(token))
        except RefreshTokenInvalid:
            return
        await self._end(actor(), held.session.id, Ending.LOGOUT)

    async def logout(self, session_id: SessionId) -> None:
        """End a session."""
        await self._end(actor(), session_id, Ending.LOGOUT)

    async def revoke(self, user_id: UserId, session_id: SessionId) -> None:
        """End one of a user's own sessions.

        Raises:
            SessionNotFound: They have none of that id that has not ended.
        """
        if not await self._end(actor(), session_id, Ending.REVOKED, of=user_id):
            raise SessionNotFound

    async def revoke_all(self, user_id: UserId, *, keep: SessionId | None) -> int:
        """End all of a user's own sessions but `keep`; how many there were."""
        by, now = actor(), self._clock.now()
        async with self._db.transaction() as tx:
            count, events = await end_all(tx, user_id, Ending.REVOKED, now=now, until=good_until(now), keep=keep)
            await audit.record(tx, _ended(by, user_id, None, Ending.REVOKED, now, count=count))
            await feed.append_all(tx, events, now)
        return count

    async def _tell_displaced(
        self, tx: Transaction, by: Actor, user_id: UserId, ended: Sequence[SessionId], now: datetime
    ) -> None:
        """What was more than a user may have is no more: all of it can be listed, and be ended at once, in a moment."""
        await audit.record(tx, _ended(by, user_id, None, Ending.DISPLACED, now, count=len(ended)))
        until = good_until(now)
        await feed.append_all(tx, [SessionEnded(subject=session, until=until) for session in ended], now)

    async def _refuse_login(self, by: Actor, user: User | None) -> NoReturn:
        """Remember that somebody was refused, whoever they wanted to be."""
        async with self._db.transaction() as tx:
            await audit.record(tx, self._opened(by, user, None, reason=InvalidCredentials.reason))
        raise InvalidCredentials

    async def _rehash(self, user_id: UserId, stored: str, password: Secret) -> None:
        """Hash the password as we would today: only its owner's sign-in gives the occasion."""
        replacement = await self._passwords.hash(password)
        async with self._db.transaction() as tx:
            await accounts.rehash(tx, user_id, replaced=stored, replacement=replacement)

    async def _held(self, presented: PresentedToken) -> Held:
        """The session of a token that we made, or RefreshTokenInvalid."""
        held = await store.find(self._db, presented.session)
        if not presented.is_genuine(held, self._secrets) or held is None:
            raise RefreshTokenInvalid
        return held

    async def _end(
        self,
        by: Actor,
        session_id: SessionId,
        ending: Ending,
        *,
        of: UserId | None = None,
        stolen_from: User | None = None,
    ) -> bool:
        """Whether the session has ended by this. Its access tokens are refused from now on."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            user_id = await store.revoke(tx, session_id, ending, now, of=of)
            if user_id is None:
                return False
            if stolen_from is not None:
                content = {"full_name": stolen_from.full_name, "address": by.address, "user_agent": by.user_agent}
                told = Mail(kind=MailKind.SESSION_STOLEN, recipient=stolen_from.email, content=content)
                await mail.enqueue(tx, told, self._mails, now)
            await audit.record(tx, _ended(by, user_id, session_id, ending, now))
            await feed.append(tx, SessionEnded(subject=session_id, until=good_until(now)), now)
        log.info("session ended", session_id=str(session_id), ending=ending.value)
        return True

    def _opened(self, by: Actor, user: User | None, session: Session | None, *, reason: str = "") -> AuditEvent:
        """That somebody has signed in, or has not."""
        return AuditEvent(
            action=Action.SESSION_OPENED,
            actor=by,
            target_type="user" if user is not None else "",
            target_id=str(user.id) if user is not None else "",
            reason=reason,
            metadata={"session": str(session.id)} if session is not None else {},
            at=self._clock.now(),
        )

    async def _tokens_of(self, session: Session, user: User) -> Tokens:
        access = await self._tokens.issue_to_person(
            subject=session.user_id,
            token_version=user.token_version,
            role=user.role,
            session=session.id,
            signed_in_at=session.create_time,
            ends_at=session.expire_time,
        )
        refresh = session.refresh_token(self._secrets[0])
        return Tokens(access, refresh, session.idle_expire_time - self._clock.now())


async def end_all(
    tx: Transaction, user_id: UserId, ending: Ending, *, now: datetime, until: datetime, keep: SessionId | None = None
) -> tuple[int, Sequence[Event]]:
    """End every session of a user but `keep`: how many there were, and what the feed has to tell of it.

    Append that last in the transaction. `until` is when the access tokens of today expire by themselves.
    """
    if keep is not None:
        ended = await store.revoke_all(tx, user_id, ending, now, keep=keep)
        return len(ended), [SessionEnded(subject=session, until=until) for session in ended]
    # The user first, and then their sessions, as everybody locks them: else two could wait for each other.
    version = await accounts.invalidate_tokens(tx, user_id)
    ended = await store.revoke_all(tx, user_id, ending, now)
    # One event says it for all of them.
    return len(ended), [TokensInvalidated(subject=user_id, token_version=version, until=until)]


def _ended(
    by: Actor, user_id: UserId, session_id: SessionId | None, ending: Ending, now: datetime, *, count: int = 1
) -> AuditEvent:
    """That one session has ended, or all of a user's."""
    return AuditEvent(
        action=Action.SESSION_ENDED,
        actor=by,
        target_type="user",
        target_id=str(user_id),
        metadata={"ending": ending.value}
        | ({"session": str(session_id)} if session_id is not None else {"count": str(count)}),
        at=now,
    )


def _read(token: Secret) -> PresentedToken:
    presented = PresentedToken.read(token)
    if presented is None:
        raise RefreshTokenInvalid
    return presented
