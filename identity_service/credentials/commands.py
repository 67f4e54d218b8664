"""What changes passwords and addresses, and what ends an account."""

from uuid import UUID

from chassis.clock import Clock
from chassis.database import Database, Transaction
from chassis.etags import expect_etag
from chassis.ids import new_id
from chassis.secret import Secret
from identity_service.access_tokens import good_until
from identity_service.accounts.domain import LastAdministrator, Role, User, UserId, UserNotFound, told
from identity_service.audit import store as audit
from identity_service.audit.domain import Action, Actor, AuditEvent, actor
from identity_service.credentials import store
from identity_service.credentials.domain import CredentialPaces, EmailUnchanged, Holder, WrongPassword
from identity_service.feed import store as feed
from identity_service.mail import store as mail
from identity_service.mail.domain import Mail, MailKind
from identity_service.mail_tokens import store as mail_tokens
from identity_service.mail_tokens.domain import LIFETIMES, MailToken, MailTokenInvalid, Purpose, new_token
from identity_service.passwords import Passwords
from identity_service.sealing import Sealer
from identity_service.sessions.commands import end_all
from identity_service.sessions.domain import Ending, SessionId
from identity_service.throttles.commands import Throttles
from identity_service.throttles.domain import Pace

_OF_ADDRESSES = (Purpose.VERIFY_EMAIL, Purpose.CHANGE_EMAIL)
_OF_PASSWORDS = (Purpose.RESET_PASSWORD, Purpose.INVITATION)


class CredentialCommands:
    """One method per use case."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        passwords: Passwords,
        throttles: Throttles,
        mails: Sealer,
        *,
        paces: CredentialPaces,
    ) -> None:
        """Mail is sealed with `mails`."""
        self._db = db
        self._clock = clock
        self._passwords = passwords
        self._throttles = throttles
        self._mails = mails
        self._paces = paces

    async def change_password(self, user_id: UserId, session: SessionId, current: Secret, wanted: Secret) -> None:
        """Give the user another password. All sessions end but `session`.

        Raises:
            WrongPassword: `current` is not the password of today.
            WeakPassword: `wanted` is too easy to guess.
            TooManyRequests: The password was guessed wrong too often.
        """
        by = actor()
        proven = await self._proven(user_id, current, field="current_password", action=Action.PASSWORD_CHANGED)
        await self._passwords.expect_strong(wanted, field="new_password", about=proven.user.about)
        await self._passwords.expect_unbreached(wanted, field="new_password")
        password_hash = await self._passwords.hash(wanted)
        now = self._clock.now()
        async with self._db.transaction() as tx:
            holder = await self._still(tx, proven, field="current_password")
            changed = holder.user.changed(now=now, credential_version=holder.user.credential_version + 1)
            await store.save(tx, changed, password_hash=password_hash)
            await self._password_is_new(tx, by, changed, Action.PASSWORD_CHANGED, keep=session)

    async def change_email(self, user_id: UserId, password: Secret, email: str) -> None:
        """Send mail to the address that the user wants, and word of it to the one of today.

        An address that somebody else has gets no mail: nobody is told that it is taken.

        Raises:
            WrongPassword: That is not the password.
            EmailUnchanged: The user has that address.
            TooManyRequests: Too much mail was asked for, or the password was guessed wrong too often.
        """
        by = actor()
        await self._throttle_mail(by, email, self._paces.verifications)
        proven = await self._proven(user_id, password, field="password", action=Action.EMAIL_CHANGE_REQUESTED)
        if email == proven.user.email:
            raise EmailUnchanged
        async with self._db.transaction() as tx:
            holder = await self._still(tx, proven, field="password")
            is_free = email.lower() == holder.user.email.lower() or not await store.is_taken(tx, email)
            await self._send_token(
                tx,
                holder.user,
                Purpose.CHANGE_EMAIL,
                MailKind.VERIFY_EMAIL,
                to=email,
                wanted=is_free,
            )
            await self._send(tx, MailKind.EMAIL_CHANGE_REQUESTED, holder.user, email=email)
            await self._remember(tx, by, Action.EMAIL_CHANGE_REQUESTED, holder.user.id)

    async def send_verification_email(self, user_id: UserId) -> None:
        """Send the user a token for their address, unless it is verified.

        Raises:
            TooManyRequests: Too much mail was asked for.
        """
        by = actor()
        holder = await store.find(self._db, user_id)
        if holder is None:
            raise UserNotFound
        if holder.user.email_verified:
            return
        await self._throttle_mail(by, holder.user.email, self._paces.verifications)
        async with self._db.transaction() as tx:
            locked = await store.find_locked(tx, user_id)
            if locked is not None and not locked.user.email_verified:
                await self._send_token(tx, locked.user, Purpose.VERIFY_EMAIL, MailKind.VERIFY_EMAIL)

    async def verify_email(self, token: Secret) -> str:
        """Take a token as proof that mail to its address arrives; the address.

        Raises:
            MailTokenInvalid: It does not work, or something has changed that it was made for.
            TooManyRequests: Too many tokens came from there.
        """
        by = actor()
        await self._throttles.take(self._paces.tokens_per_address, by.network)
        kept = await mail_tokens.find(self._db, token, _OF_ADDRESSES, self._clock.now())
        if kept is None:
            raise MailTokenInvalid
        async with self._db.transaction() as tx:
            before = await self._taken(tx, kept, token)
            now = self._clock.now()
            if kept.purpose is Purpose.VERIFY_EMAIL:
                after = before.changed(now=now, email_verified=True)
                await store.save(tx, after)
                await self._remember(tx, by, Action.EMAIL_VERIFIED, after.id)
            else:
                after = before.changed(
                    now=now,
                    email=kept.email,
                    email_verified=True,
                    credential_version=before.credential_version + 1,
                )
                await store.save(tx, after)
                await mail_tokens.clear(tx, after.id)
                await self._send(tx, MailKind.EMAIL_CHANGED, before, email=after.email)
                await self._remember(tx, by, Action.EMAIL_CHANGED, after.id)
            await feed.append(tx, told(after), now)
        return after.email

    async def request_password_reset(self, email: str) -> None:
        """Send the owner of the address a token. The same work is done, and nothing returned, when there is none.

        Raises:
            TooManyRequests: Too much mail was asked for.
        """
        by = actor()
        await self._throttle_mail(by, email, self._paces.resets)
        async with self._db.transaction() as tx:
            holder = await store.find_locked_by_email(tx, email)
            user = holder.user if holder is not None else _nobody(email, self._clock)
            is_known = holder is not None
            await self._send_token(tx, user, Purpose.RESET_PASSWORD, MailKind.RESET_PASSWORD, wanted=is_known)
            await self._remember(
                tx,
                by,
                Action.PASSWORD_RESET_REQUESTED,
                user.id if is_known else None,
                reason="" if is_known else UserNotFound.reason,
            )

    async def reset_password(self, token: Secret, wanted: Secret) -> None:
        """Give whoever holds the token another password. All sessions end; the address is verified by it.

        Raises:
            MailTokenInvalid: It does not work, or something has changed that it was made for.
            WeakPassword: `wanted` is too easy to guess. The token works on.
            TooManyRequests: Too many tokens came from there.
        """
        by = actor()
        await self._throttles.take(self._paces.tokens_per_address, by.network)
        kept = await mail_tokens.find(self._db, token, _OF_PASSWORDS, self._clock.now())
        known = await store.find(self._db, kept.user_id) if kept is not None else None
        if kept is None or known is None or not known.takes(kept):
            raise MailTokenInvalid
        await self._passwords.expect_strong(wanted, field="new_password", about=known.user.about)
        await self._passwords.expect_unbreached(wanted, field="new_password")
        password_hash = await self._passwords.hash(wanted)
        async with self._db.transaction() as tx:
            before = await self._taken(tx, kept, token)
            changed = before.changed(
                now=self._clock.now(), email_verified=True, credential_version=before.credential_version + 1
            )
            await store.save(tx, changed, password_hash=password_hash)
            await self._throttles.clear(tx, self._paces.guesses, changed.email.lower())
            await self._throttles.clear(tx, self._paces.passwords, str(changed.id))
            await self._password_is_new(tx, by, changed, Action.PASSWORD_RESET)

    async def delete_me(self, user_id: UserId, etag: str) -> None:
        """Delete the user. All sessions end; the address and the username are free.

        Raises:
            EtagMismatch: The user has changed since the caller saw it.
            LastAdministrator: Nobody would be left to administrate.
        """
        by = actor()
        async with self._db.transaction() as tx:
            administrators = await store.administrators(tx, user_id)
            holder = await store.find_locked(tx, user_id)
            if holder is None:
                raise UserNotFound
            expect_etag(etag, holder.user.etag)
            if administrators == [user_id]:
                raise LastAdministrator
            now = self._clock.now()
            deleted = holder.user.changed(now=now, delete_time=now)
            await store.save(tx, deleted)
            await mail_tokens.clear(tx, user_id)
            _, events = await end_all(tx, user_id, Ending.DELETED, now=now, until=good_until(now))
            await self._remember(tx, by, Action.USER_DELETED, user_id)
            await feed.append_all(tx, [*events, told(deleted, deleted=True)], now)

    async def _proven(self, user_id: UserId, password: Secret, *, field: str, action: Action) -> Holder:
        """The user, who knows the password. That somebody did not is remembered."""
        by = actor()
        await self._throttles.attempt(self._paces.passwords, str(user_id))
        holder = await store.find(self._db, user_id)
        if holder is None:
            raise UserNotFound
        if not await self._passwords.matches(holder.password_hash, password):
            async with self._db.transaction() as tx:
                await self._remember(tx, by, action, user_id, reason=WrongPassword.reason)
            raise WrongPassword(field)
        return holder

    async def _still(self, tx: Transaction, proven: Holder, *, field: str) -> Holder:
        """The user once more, locked, if the password that they have proven is still theirs."""
        holder = await store.find_locked(tx, proven.user.id)
        if holder is None:
            raise UserNotFound
        if holder.password_hash != proven.password_hash:
            raise WrongPassword(field)
        await self._throttles.clear(tx, self._paces.passwords, str(holder.user.id))
        return holder

    async def _taken(self, tx: Transaction, kept: MailToken, token: Secret) -> User:
        """Whose token it was, locked before the token is: whoever changes a user comes this way."""
        holder = await store.find_locked(tx, kept.user_id)
        taken = await mail_tokens.take(tx, token, [kept.purpose], self._clock.now())
        if holder is None or taken is None or not holder.takes(taken):
            raise MailTokenInvalid
        return holder.user

    async def _password_is_new(
        self, tx: Transaction, by: Actor, user: User, action: Action, *, keep: SessionId | None = None
    ) -> None:
        """What follows whenever a password has changed."""
        now = user.update_time
        await mail_tokens.clear(tx, user.id)
        _, events = await end_all(tx, user.id, Ending.PASSWORD_CHANGED, now=now, until=good_until(now), keep=keep)
        await self._send(tx, MailKind.PASSWORD_CHANGED, user)
        await self._remember(tx, by, action, user.id)
        await feed.append_all(tx, [*events, told(user)], now)

    async def _throttle_mail(self, by: Actor, email: str, pace: Pace) -> None:
        """Counted before it is known whose address it is."""
        await self._throttles.take(self._paces.mails_per_address, by.network)
        await self._throttles.take(pace, email.lower())

    async def _send_token(
        self, tx: Transaction, user: User, purpose: Purpose, kind: MailKind, *, to: str = "", wanted: bool = True
    ) -> None:
        """Send a token to the user, or to the address that they want. Unwanted, the same work for nothing."""
        token, now = new_token(), self._clock.now()
        kept = MailToken(
            user_id=user.id if wanted else new_id(),
            purpose=purpose,
            email=to or user.email,
            credential_version=user.credential_version,
            expire_time=now + LIFETIMES[purpose],
        )
        await mail_tokens.put(tx, kept, token, now)
        content = {"full_name": user.full_name, "token": str(token)}
        await mail.enqueue(tx, Mail(kind=kind, recipient=kept.email, content=content), self._mails, now, wanted=wanted)

    async def _send(self, tx: Transaction, kind: MailKind, user: User, **more: str) -> None:
        """Tell the user, at the address of today."""
        content = {"full_name": user.full_name, **more}
        await mail.enqueue(tx, Mail(kind=kind, recipient=user.email, content=content), self._mails, self._clock.now())

    async def _remember(
        self, tx: Transaction, by: Actor, action: Action, user_id: UUID | None, *, reason: str = ""
    ) -> None:
        await audit.record(
            tx,
            AuditEvent(
                action=action,
                actor=by,
                target_type="" if user_id is None else "user",
                target_id="" if user_id is None else str(user_id),
                reason=reason,
                at=self._clock.now(),
            ),
        )


def _nobody(email: str, clock: Clock) -> User:
    """Who stands in for the owner of an address that nobody has."""
    now = clock.now()
    return User(
        id=UserId(new_id()),
        email=email,
        email_verified=False,
        username="",
        full_name="",
        role=Role.USER,
        disabled=False,
        create_time=now,
        update_time=now,
        version=1,
    )
