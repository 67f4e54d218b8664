"""What changes accounts."""

from datetime import timedelta

import structlog

from chassis.clock import Clock
from chassis.database import ConcurrentModification, Database
from chassis.etags import expect_etag
from chassis.ids import new_id
from identity_service.accounts import store
from identity_service.accounts.domain import ProfileEdit, Registration, RegistrationPaces, User, UserId, told
from identity_service.audit import store as audit
from identity_service.audit.domain import Action, AuditEvent, actor
from identity_service.feed import store as feed
from identity_service.mail import store as mail
from identity_service.mail.domain import Mail, MailKind
from identity_service.mail_tokens import store as mail_tokens
from identity_service.mail_tokens.domain import LIFETIMES, MailToken, Purpose, new_token
from identity_service.passwords import Passwords
from identity_service.sealing import Sealer
from identity_service.throttles.commands import Throttles

log = structlog.get_logger()

_MOMENT = timedelta(milliseconds=100)


class AccountCommands:
    """One method per use case."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        passwords: Passwords,
        throttles: Throttles,
        mails: Sealer,
        *,
        paces: RegistrationPaces,
    ) -> None:
        """Mail is sealed with `mails`."""
        self._db = db
        self._clock = clock
        self._passwords = passwords
        self._throttles = throttles
        self._mails = mails
        self._paces = paces

    async def register(self, registration: Registration) -> None:
        """Make an account, unless the address has one. The same work is done, and the same nothing returned, both ways.

        Raises:
            WeakPassword: The password is too easy to guess.
            UsernameTaken: Somebody has that username.
            TooManyRequests: Too many have registered from there.
        """
        by = actor()
        await self._throttles.take(self._paces.per_address, by.network)  # first: to judge a password takes a while
        await self._passwords.expect_strong(registration.password, field="password", about=registration.about)
        await self._passwords.expect_unbreached(registration.password, field="password")
        password_hash = await self._passwords.hash(registration.password)
        # Whether or not the address is known: otherwise the answer would tell.
        await store.expect_username_free(self._db, registration.username)
        # Whoever writes the same address again and again fills nobody's mailbox, whether or not it has an account.
        mail_is_wanted = await self._throttles.allows(self._paces.mails, registration.email.lower())
        user_id, now, token = UserId(new_id()), self._clock.now(), new_token()
        async with self._db.transaction() as tx:
            is_new = await store.add(tx, user_id, registration, password_hash, now)
            owner = await store.find_locked_by_email(tx, registration.email)
            if owner is None:
                raise ConcurrentModification(retry_after=_MOMENT)  # it was deleted right now: the address is free
            # What follows is done for both, statement by statement. For a known address the token is that of an id
            # which nobody has, so that it is not kept, and what the feed tells of the owner is what it told before.
            await mail_tokens.put(
                tx,
                MailToken(
                    user_id=user_id,
                    purpose=Purpose.VERIFY_EMAIL,
                    email=registration.email,
                    credential_version=owner.credential_version,
                    expire_time=now + LIFETIMES[Purpose.VERIFY_EMAIL],
                ),
                token,
                now,
            )
            kind = MailKind.VERIFY_EMAIL if is_new else MailKind.ACCOUNT_EXISTS
            content = {"full_name": owner.full_name, "token": str(token) if is_new else ""}
            await mail.enqueue(
                tx,
                Mail(kind=kind, recipient=owner.email, content=content),
                self._mails,
                now,
                wanted=mail_is_wanted,
            )
            await audit.record(
                tx,
                AuditEvent(
                    action=Action.USER_REGISTERED,
                    actor=by,
                    target_type="user",
                    target_id=str(owner.id),
                    reason="" if is_new else "EMAIL_TAKEN",
                    at=now,
                ),
            )
            await feed.append(tx, told(owner), now)
        if is_new:
            log.info("registered", user_id=str(user_id))

    async def update_me(self, user_id: UserId, edit: ProfileEdit, etag: str) -> User:
        """Change what a user says of themselves. Nothing is written when it is what they said before.

        Raises:
            EtagMismatch: It has changed since the caller saw it.
            UsernameTaken: Another user has the username.
        """
        by, now = actor(), self._clock.now()
        async with self._db.transaction() as tx:
            before = await store.lock(tx, user_id)
            expect_etag(etag, before.etag)
            after = before.changed(now=now, **edit)
            if after is before:
                return before
            await store.save_profile(tx, after)
            fields = sorted(name for name in edit if getattr(before, name) != getattr(after, name))
            await audit.record(
                tx,
                AuditEvent(
                    action=Action.USER_UPDATED,
                    actor=by,
                    target_type="user",
                    target_id=str(user_id),
                    metadata={"fields": ",".join(fields)},
                    at=now,
                ),
            )
            await feed.append(tx, told(after), now)
        return after
