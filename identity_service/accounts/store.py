"""Users in the database."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import insert

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

_COLUMNS = (
    users.c.id,
    users.c.email,
    users.c.email_verify_time,
    users.c.username,
    users.c.full_name,
    users.c.role,
    users.c.disabled,
    users.c.create_time,
    users.c.update_time,
    users.c.version,
)
_LIVE: ColumnElement[bool] = users.c.delete_time.is_(None)
_BY_ID = select(*_COLUMNS).where(users.c.id == bindparam("id"), _LIVE)
_BY_EMAIL = select(*_COLUMNS, users.c.password_hash).where(
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


async def find_by_email(db: Database, email: str) -> tuple[User, str] | None:
    """The user of that address, and what is stored of the password."""
    row = await db.find_one(_BY_EMAIL, email=email)
    return None if row is None else (user(row), row.password_hash)


async def get_profile(db: Database, kind: NameKind, name: str) -> Profile:
    """The person whom others call by that name, or UserNotFound."""
    row = await db.find_one(_PROFILE_BY[kind], name=name)
    if row is None:
        raise UserNotFound
    return Profile(id=UserId(row.id), username=row.username or "", full_name=row.full_name)


async def add(tx: Transaction, user_id: UserId, registration: Registration, password_hash: str, now: datetime) -> bool:
    """Whether the address was new.

    Raises:
        UsernameTaken: It is, whether or not the address is known: otherwise the answer would tell.
    """
    username = registration.username or None
    taken = await tx.find_one(_USERNAME_IS_TAKEN, username=username)
    if taken is not None and taken.taken:
        raise UsernameTaken
    with refusals({"users_username_key": UsernameTaken}):
        added = await tx.execute(
            _ADD,
            id=user_id,
            email=registration.email,
            username=username,
            full_name=registration.full_name,
            password_hash=password_hash,
            now=now,
        )
    return added == 1


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
        version=row.version,
    )
