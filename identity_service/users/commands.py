"""What changes people, by the hand of those who administrate them; and what is kept of them for how long."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum

from chassis.auth import Principal
from chassis.clock import Clock
from chassis.database import Database, Transaction
from chassis.etags import expect_etag
from chassis.ids import new_id
from chassis.interceptors import GlobalRoleTooLow
from chassis.secret import Secret
from identity_service.access_tokens import good_until
from identity_service.accounts.domain import EmailTaken, Role, User, UserId, told
from identity_service.accounts.store import invalidate_tokens
from identity_service.audit import store as audit
from identity_service.audit.domain import SYSTEM, Action, Actor, AuditEvent, actor
from identity_service.feed import store as feed
from identity_service.feed.domain import Event, TokensInvalidated
from identity_service.mail import store as mail
from identity_service.mail.domain import Mail, MailKind
from identity_service.mail_tokens import store as mail_tokens
from identity_service.mail_tokens.domain import LIFETIMES, PRINTED_FOR, MailToken, Purpose, new_token
from identity_service.sealing import Sealer
from identity_service.sessions import store as sessions
from identity_service.sessions.commands import end_all
from identity_service.sessions.domain import Ending
from identity_service.users import store
from identity_service.users.domain import (
    Invitation,
    NotYourself,
    UserEdit,
    changed_fields,
    undeleted,
)

_BATCH = 50  # of those who are forgotten: while they are told of, nobody else tells the feed anything
_BATCH_OF_SESSIONS = 500


class UserCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock, mails: Sealer) -> None:
        """What mail says is sealed by `mails`."""
        self._db = db
        self._clock = clock
        self._mails = mails

    async def create_user(self, caller: Principal, invitation: Invitation) -> User:
        """Invite a person: they choose a password with what they are sent.

        Raises:
            GlobalRoleTooLow: Only administrators give roles other than USER.
            EmailTaken: Another user has the address.
            UsernameTaken: Another user has the username.
        """
        now = self._clock.now()
        user = _invited(invitation, now=now)
        if invitation.role is not Role.USER and not _is_administrator(caller):
            refusal = GlobalRoleTooLow(metadata={"roles": Role.ADMIN.value})
            async with self._db.transaction() as tx:
                await _remember(tx, actor(), Action.USER_INVITED, None, now, reason=refusal.reason)
            raise refusal  # behind the block: somebody has reached for more than they have, and that is kept
        async with self._db.transaction() as tx:
            await store.add(tx, user)
            await self._send_token(tx, user, MailKind.INVITATION, Purpose.INVITATION, now)
            await _remember(tx, actor(), Action.USER_INVITED, user.id, now, role=user.role.value)
            await feed.append(tx, told(user), now)
        return user

    async def update_user(self, user_id: UserId, edit: UserEdit, *, etag: str) -> User:
        """Change some fields of a user. To what they are already changes nothing.

        Raises:
            UserNotFound: There is no such user.
            EtagMismatch: They have changed since the caller saw them.
            UsernameTaken: Another user has the username.
            LastAdministrator: Nobody who can sign in would be left to administrate.
            AddressNotVerified: They shall have a role, and may not be who the address says.
        """
        now = self._clock.now()
        return await self._change(user_id, lambda user: user.changed(now=now, **edit), Action.USER_UPDATED, etag=etag)

    async def disable_user(self, caller: Principal, user_id: UserId, *, etag: str) -> User:
        """Keep a user from signing in, and end what they have open.

        Raises:
            NotYourself: The caller would shut themselves out.
            LastAdministrator: Nobody who can sign in would be left to administrate.
        """
        _refuse_oneself(caller, user_id)
        now = self._clock.now()
        return await self._change(
            user_id, lambda user: user.changed(now=now, disabled=True), Action.USER_DISABLED, etag=etag
        )

    async def enable_user(self, user_id: UserId, *, etag: str) -> User:
        """Let a user sign in again."""
        now = self._clock.now()
        return await self._change(
            user_id, lambda user: user.changed(now=now, disabled=False), Action.USER_ENABLED, etag=etag
        )

    async def delete_user(self, caller: Principal, user_id: UserId, *, etag: str) -> None:
        """Delete a user, and end what they have open. What they were sent by mail works no more.

        Raises:
            NotYourself: The caller would delete themselves.
            LastAdministrator: Nobody who can sign in would be left to administrate.
        """
        _refuse_oneself(caller, user_id)
        now = self._clock.now()
        await self._change(user_id, lambda user: user.changed(now=now, delete_time=now), Action.USER_DELETED, etag=etag)

    async def undelete_user(self, user_id: UserId) -> User:
        """Bring a user back.

        Raises:
            UserNotFound: There never was such a user, or they were forgotten.
            UserNotDeleted: They were never gone.
            EmailTaken: Another user has taken the address in the meantime.
            UsernameTaken: Another user has taken the username in the meantime.
        """
        now = self._clock.now()
        return await self._change(
            user_id, lambda user: undeleted(user, now=now), Action.USER_UNDELETED, deleted_too=True
        )

    async def start_password_reset(self, user_id: UserId) -> None:
        """Send a user what it takes to choose another password. Who has none yet is invited once more."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            locked = await store.lock(tx, user_id)
            if locked.has_password:
                kind, purpose = MailKind.RESET_PASSWORD, Purpose.RESET_PASSWORD
            else:
                kind, purpose = MailKind.INVITATION, Purpose.INVITATION
            await self._send_token(tx, locked.user, kind, purpose, now)
            await _remember(tx, actor(), Action.PASSWORD_RESET_REQUESTED, user_id, now)

    async def revoke_sessions(self, user_id: UserId) -> int:
        """End every session of a user; how many there were."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            await store.lock(tx, user_id)
            count, ended = await self._end_all(tx, user_id, Ending.ADMINISTRATOR, now)
            await _remember(tx, actor(), Action.SESSION_ENDED, user_id, now, sessions=str(count))
            await feed.append_all(tx, ended, now)
        return count

    async def _change(
        self,
        user_id: UserId,
        change: Callable[[User], User],
        action: Action,
        *,
        etag: str = "",
        deleted_too: bool = False,
    ) -> User:
        now = self._clock.now()
        async with self._db.transaction() as tx:
            locked = await store.lock(tx, user_id, deleted_too=deleted_too)
            user = locked.user
            expect_etag(etag, user.etag)
            changed = change(user)
            if changed is user:
                return user
            locked.check_stays_administered(changed)
            if changed.role not in {user.role, Role.USER}:
                locked.check_address_is_theirs()
            await store.save(tx, changed, replacing=user.version)
            ended: Sequence[Event] = ()
            match action:
                case Action.USER_DISABLED:
                    _, ended = await self._end_all(tx, user_id, Ending.DISABLED, now)
                case Action.USER_DELETED:
                    _, ended = await self._end_all(tx, user_id, Ending.DELETED, now)
                    await mail_tokens.clear(tx, user_id)
                case Action.USER_UPDATED if changed.role is not user.role:
                    ended = [await _invalidated(tx, user_id, until=good_until(now))]
            await _remember_change(tx, actor(), action, user, changed)
            await feed.append_all(tx, [_told(changed), *ended], now)
        return changed

    async def _end_all(
        self, tx: Transaction, user_id: UserId, ending: Ending, now: datetime
    ) -> tuple[int, Sequence[Event]]:
        return await end_all(tx, user_id, ending, now=now, until=good_until(now))

    async def _send_token(self, tx: Transaction, user: User, kind: MailKind, purpose: Purpose, now: datetime) -> None:
        token = await _let_choose_password(tx, user, purpose, LIFETIMES[purpose], now)
        content = {"full_name": user.full_name, "token": str(token)}
        await mail.enqueue(tx, Mail(kind=kind, recipient=user.email, content=content), self._mails, now)


class Administration(Enum):
    """What it took to make somebody an administrator."""

    CREATED = "created"
    PROMOTED = "promoted"
    UNCHANGED = "unchanged"


class AdministratorCommands:
    """Makes administrators, from the command line: whoever can reach the database needs no other right."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Change `db`."""
        self._db = db
        self._clock = clock

    async def create_administrator(
        self, email: str, full_name: str, *, promote: bool
    ) -> tuple[Administration, Secret | None]:
        """Make an administrator: a new one, or with `promote` of the user who has the address.

        With it comes a token to choose a password with, for who has none.

        Raises:
            EmailTaken: Somebody has the address, and nobody said that they shall be promoted.
            AddressNotVerified: Whoever chose their password has not shown that the address is theirs.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            known = await store.find_by_email(tx, email)
            if known is None:
                user = _invited(Invitation(email=email, full_name=full_name, username="", role=Role.ADMIN), now=now)
                await store.add(tx, user)
                token = await _let_choose_password(tx, user, Purpose.INVITATION, PRINTED_FOR, now)
                await _remember(tx, SYSTEM, Action.USER_INVITED, user.id, now, role=user.role.value)
                await feed.append(tx, told(user), now)
                return Administration.CREATED, token
            if not promote:
                raise EmailTaken
            locked = await store.lock(tx, known)
            locked.check_address_is_theirs()
            user = locked.user
            promoted = user.changed(now=now, role=Role.ADMIN, disabled=False)
            new_password: Secret | None = None
            if not locked.has_password:
                new_password = await _let_choose_password(tx, user, Purpose.INVITATION, PRINTED_FOR, now)
                await _remember(tx, SYSTEM, Action.PASSWORD_RESET_REQUESTED, user.id, now)
            if promoted is user:
                return Administration.UNCHANGED, new_password
            await store.save(tx, promoted, replacing=user.version)
            invalidated = await _invalidated(tx, user.id, until=good_until(now))
            await _remember_change(tx, SYSTEM, Action.USER_UPDATED, user, promoted)
            await feed.append_all(tx, [told(promoted), invalidated], now)
        return Administration.PROMOTED, new_password


class Retention:
    """Keeps nothing of people for longer than is needed."""

    def __init__(self, db: Database, clock: Clock, *, kept_for: timedelta) -> None:
        """Deleted users can be brought back, and ended sessions are kept, for so long."""
        self._db = db
        self._clock = clock
        self._kept_for = kept_for

    async def sweep(self) -> None:
        """Forget who was deleted, and remove what has ended, long enough ago. A batch at a time: nobody waits long."""
        await self._db.in_batches(self._forget_users, most=_BATCH)
        await self._db.in_batches(self._remove_sessions, most=_BATCH_OF_SESSIONS)

    async def _forget_users(self, tx: Transaction) -> int:
        now = self._clock.now()
        forgotten = await store.forget(tx, before=now - self._kept_for, now=now, most=_BATCH)
        for user in forgotten:
            await mail_tokens.clear(tx, user.id)
            await _remember(tx, SYSTEM, Action.USER_FORGOTTEN, user.id, now)
        await feed.append_all(tx, [_told(user) for user in forgotten], now)
        return len(forgotten)

    async def _remove_sessions(self, tx: Transaction) -> int:
        return await sessions.sweep(tx, before=self._clock.now() - self._kept_for, most=_BATCH_OF_SESSIONS)


def _invited(invitation: Invitation, *, now: datetime) -> User:
    return User(
        id=UserId(new_id()),
        email=invitation.email,
        email_verified=False,
        username=invitation.username,
        full_name=invitation.full_name,
        role=invitation.role,
        disabled=False,
        create_time=now,
        update_time=now,
        version=1,
    )


def _is_administrator(caller: Principal) -> bool:
    """Machines are kept to their scopes before they get here."""
    return caller.is_machine or Role.ADMIN.value in caller.roles


def _refuse_oneself(caller: Principal, user_id: UserId) -> None:
    if caller.subject == user_id:
        raise NotYourself


async def _let_choose_password(
    tx: Transaction, user: User, purpose: Purpose, lifetime: timedelta, now: datetime
) -> Secret:
    """A token for ResetPassword: nobody but the user ever knows the password."""
    token = new_token()
    kept = MailToken(
        user_id=user.id,
        purpose=purpose,
        email=user.email,
        credential_version=user.credential_version,
        expire_time=now + lifetime,
    )
    await mail_tokens.put(tx, kept, token, now)
    return token


async def _invalidated(tx: Transaction, user_id: UserId, *, until: datetime) -> Event:
    version = await invalidate_tokens(tx, user_id)
    return TokensInvalidated(subject=user_id, token_version=version, until=until)


def _told(user: User) -> Event:
    return told(user, deleted=user.delete_time is not None)


async def _remember_change(tx: Transaction, by: Actor, action: Action, before: User, after: User) -> None:
    """One event for one change, whatever it changes; a role with what it was."""
    more = {}
    if action is Action.USER_UPDATED:
        more["fields"] = changed_fields(before, after)
        if before.role is not after.role:
            action = Action.USER_ROLE_CHANGED
            more |= {"old_role": before.role.value, "new_role": after.role.value}
    await _remember(tx, by, action, after.id, after.update_time, **more)


async def _remember(
    tx: Transaction, by: Actor, action: Action, user_id: UserId | None, at: datetime, *, reason: str = "", **more: str
) -> None:
    await audit.record(
        tx,
        AuditEvent(
            action=action,
            actor=by,
            target_type="" if user_id is None else "user",
            target_id="" if user_id is None else str(user_id),
            reason=reason,
            metadata=more,
            at=at,
        ),
    )
