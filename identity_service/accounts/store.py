"""Users in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Uuid, and_, any_, bindparam, exists, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from chassis.database import Database, Transaction, refusals
from identity_service.accounts.domain import (
    NameKind,
    Profile,
    Registration,
    Role,
    User,
    UserId,
    UsernameTaken,
    UserNotFound,
)
from identity_service.tables import users

COLUMNS = (
    users.c.id,
    users.c.email,
    users.c.email_verify_time,
    users.c.username,
    users.c.full_name,
    users.c.role,
    users.c.disabled,
    users.c.create_time,
    users.c.update_time,
    users.c.delete_time,
    users.c.last_login_time,
    users.c.version,
    users.c.credential_version,
    users.c.token_version,
)
"""What `user` reads."""

_LIVE: ColumnElement[bool] = users.c.delete_time.is_(None)
HAS_PASSWORD: ColumnElement[bool] = users.c.password_hash.is_not(None)
"""Who was invited has none until they choose one."""

ADMINISTRATES: ColumnElement[bool] = and_(users.c.role == Role.ADMIN.value, ~users.c.disabled, _LIVE, HAS_PASSWORD)
"""Somebody who administrates, and can sign in to do so."""

_BY_ID = select(*COLUMNS).where(users.c.id == bindparam("id"), _LIVE)
_BY_EMAIL = select(*COLUMNS, users.c.password_hash).where(
    func.lower(users.c.email) == func.lower(bindparam("email")), _LIVE
)
_VISIBLE = select(users.c.id, users.c.username, users.c.full_name).where(_LIVE, ~users.c.disabled)
_PROFILE_BY: Mapping[NameKind, Select[Any]] = {
    NameKind.USER_ID: _VISIBLE.where(users.c.id == bindparam("name")),
    NameKind.USERNAME: _VISIBLE.where(func.lower(users.c.username) == func.lower(bindparam("name"))),
    NameKind.EMAIL: _VISIBLE.where(
        func.lower(users.c.email) == func.lower(bindparam("name")), users.c.email_verify_time.is_not(None)
    ),
}
_USERNAME_IS_TAKEN = select(
    exists().where(func.lower(users.c.username) == func.lower(bindparam("username")), _LIVE).label("taken")
)
_BATCH_GET_PROFILES = select(users.c.id, users.c.username, users.c.full_name).where(
    users.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))), _LIVE
)
_LOCK = select(*COLUMNS).where(users.c.id == bindparam("id"), _LIVE).with_for_update(key_share=True)
_LOCK_BY_EMAIL = (
    select(*COLUMNS)
    .where(func.lower(users.c.email) == func.lower(bindparam("email")), _LIVE)
    .with_for_update(key_share=True)
)
_SAVE_PROFILE = (
    update(users)
    .where(users.c.id == bindparam("user"))
    .values({name: bindparam(f"new_{name}") for name in ("full_name", "username", "update_time", "version")})
)
_REHASH = (
    update(users)
    .where(users.c.id == bindparam("user"), users.c.password_hash == bindparam("replaced"))
    .values(password_hash=bindparam("replacement"))
)
_SIGNED_IN = (
    update(users)
    .where(
        users.c.id == bindparam("user"),
        users.c.credential_version == bindparam("proven"),
        ~users.c.disabled,
        _LIVE,
    )
    .values(last_login_time=bindparam("now"))
    .returning(*COLUMNS)
)
_INVALIDATE_TOKENS = (
    update(users)
    .where(users.c.id == bindparam("user"))
    .values(token_version=users.c.token_version + 1)
    .returning(users.c.token_version)
)
_ADD = (
    insert(users)
    .values(
        id=bindparam("id"),
        email=bindparam("email"),
        username=bindparam("username"),
        full_name=bindparam("full_name"),
        role=Role.USER.value,
        password_hash=bindparam("password_hash"),
        create_time=bindparam("now"),
        update_time=bindparam("now"),
    )
    .on_conflict_do_nothing(index_elements=[func.lower(users.c.email)], index_where=_LIVE)
)


async def get_user(db: Database, user_id: UserId) -> User:
    """The user of that id, or UserNotFound."""
    row = await db.find_one(_BY_ID, id=user_id)
    if row is None:
        raise UserNotFound
    return user(row)


async def find_by_email(db: Database, email: str) -> tuple[User, str | None] | None:
    """The user of that address, and what is stored of the password if they have one."""
    row = await db.find_one(_BY_EMAIL, email=email)
    return None if row is None else (user(row), row.password_hash)


async def get_profile(db: Database, kind: NameKind, name: str) -> Profile:
    """The person whom others call by that name, or UserNotFound."""
    row = await db.find_one(_PROFILE_BY[kind], name=name)
    if row is None:
        raise UserNotFound
    return Profile(id=UserId(row.id), username=row.username or "", full_name=row.full_name)


async def batch_get_profiles(db: Database, user_ids: Sequence[UserId]) -> Mapping[UserId, Profile]:
    """What those of the users are called who are there, by their ids. Who may not sign in still has a name."""
    return {
        UserId(row.id): Profile(id=UserId(row.id), username=row.username or "", full_name=row.full_name)
        for row in await db.fetch_all(_BATCH_GET_PROFILES, ids=user_ids)
    }


async def lock(tx: Transaction, user_id: UserId) -> User:
    """The user, whom nobody else changes before the transaction ends. Sessions may be opened meanwhile.

    Raises:
        UserNotFound: There is none.
    """
    user_ = await find_locked(tx, user_id)
    if user_ is None:
        raise UserNotFound
    return user_


async def find_locked(tx: Transaction, user_id: UserId) -> User | None:
    """The same, or None."""
    row = await tx.find_one(_LOCK, id=user_id)
    return None if row is None else user(row)


async def find_locked_by_email(tx: Transaction, email: str) -> User | None:
    """The user of that address, whom nobody else changes before the transaction ends."""
    row = await tx.find_one(_LOCK_BY_EMAIL, email=email)
    return None if row is None else user(row)


async def save_profile(tx: Transaction, saved: User) -> None:
    """Keep what a user, who is locked, says of themselves.

    Raises:
        UsernameTaken: Another user has the username.
    """
    with refusals({"users_username_key": UsernameTaken}):
        await tx.execute(
            _SAVE_PROFILE,
            user=saved.id,
            new_full_name=saved.full_name,
            new_username=saved.username or None,
            new_update_time=saved.update_time,
            new_version=saved.version,
        )


async def rehash(tx: Transaction, user_id: UserId, *, replaced: str, replacement: str) -> None:
    """Keep the same password hashed otherwise, unless it has changed meanwhile."""
    await tx.execute(_REHASH, user=user_id, replaced=replaced, replacement=replacement)


async def expect_username_free(db: Database, username: str) -> None:
    """Go on only if nobody has that username.

    Raises:
        UsernameTaken: Somebody has.
    """
    taken = await db.find_one(_USERNAME_IS_TAKEN, username=username or None)
    if taken is not None and taken.taken:
        raise UsernameTaken


async def add(tx: Transaction, user_id: UserId, registration: Registration, password_hash: str, now: datetime) -> bool:
    """Whether the address was new.

    Raises:
        UsernameTaken: Somebody has taken it this very moment.
    """
    with refusals({"users_username_key": UsernameTaken}):
        added = await tx.execute(
            _ADD,
            id=user_id,
            email=registration.email,
            username=registration.username or None,
            full_name=registration.full_name,
            password_hash=password_hash,
            now=now,
        )
    return added == 1


async def signed_in(tx: Transaction, user_id: UserId, now: datetime, *, credential_version: int) -> User | None:
    """Note when the user last signed in. That is no new version of them.

    Whoever changes them at the same time is waited for. None when they may not sign in any more, or have other
    credentials by now than those of `credential_version`, which were shown.
    """
    row = await tx.find_one(_SIGNED_IN, user=user_id, now=now, proven=credential_version)
    return None if row is None else user(row)


async def invalidate_tokens(tx: Transaction, user_id: UserId) -> int:
    """Let no access token work that the user has; the version that the next ones carry."""
    row = await tx.find_one(_INVALIDATE_TOKENS, user=user_id)
    if row is None:
        raise UserNotFound
    version: int = row.token_version
    return version


def user(row: Row[Any]) -> User:
    """The domain's view of a row."""
    return User(
        id=UserId(row.id),
        email=row.email,
        email_verified=row.email_verify_time is not None,
        username=row.username or "",
        full_name=row.full_name,
        role=Role(row.role),
        disabled=row.disabled,
        create_time=row.create_time,
        update_time=row.update_time,
        delete_time=row.delete_time,
        last_login_time=row.last_login_time,
        version=row.version,
        credential_version=row.credential_version,
        token_version=row.token_version,
    )
