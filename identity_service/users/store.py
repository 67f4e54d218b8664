"""Users in the database, as those see them who administrate them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    Uuid,
    any_,
    bindparam,
    false,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.conditions import Conditions, bound, parameter
from chassis.database import ASKED_RARELY, Database, Transaction, refusals
from chassis.tables import INSTANT
from identity_service.accounts.domain import EmailTaken, Role, User, UserId, UsernameTaken, UserNotFound
from identity_service.accounts.store import ADMINISTRATES, COLUMNS, HAS_PASSWORD, user
from identity_service.tables import users
from identity_service.users.domain import Locked, Order, Wanted

_TAKEN = {"users_email_key": EmailTaken, "users_username_key": UsernameTaken}

_LIVE: ColumnElement[bool] = users.c.delete_time.is_(None)
# Nobody has an empty address: it is what is left of those who were forgotten.
_REMEMBERED: ColumnElement[bool] = users.c.email != ""
_IS_SHOWN: Mapping[bool, ColumnElement[bool]] = {False: _LIVE, True: _REMEMBERED}

_GET = {
    deleted_too: select(*COLUMNS).where(users.c.id == bindparam("id"), is_shown)
    for deleted_too, is_shown in _IS_SHOWN.items()
}
_BATCH_GET = select(*COLUMNS).where(users.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))), _LIVE)

_LOCK = (
    select(*COLUMNS, HAS_PASSWORD.label("has_password"), ADMINISTRATES.label("administrates"))
    .where(or_(users.c.id == bindparam("id"), ADMINISTRATES))
    .order_by(users.c.id)  # everybody takes these locks in the same order
    .with_for_update(key_share=True)  # sessions may be opened meanwhile
)
_ADDED = ("id", "email", "username", "full_name", "role", "create_time", "update_time")
_ADD = insert(users).values({name: bindparam(name) for name in _ADDED})
_SAVED = ("username", "full_name", "role", "disabled", "update_time", "delete_time", "version")
_SAVE = (
    update(users)
    .values({name: bindparam(f"new_{name}") for name in _SAVED})
    .where(users.c.id == bindparam("user"), users.c.version == bindparam("replaced"))
)
_FIND_BY_EMAIL = select(users.c.id).where(func.lower(users.c.email) == func.lower(bindparam("email")), _LIVE)
_OLD = (
    select(users.c.id)
    .where(users.c.delete_time < bindparam("before"), _REMEMBERED)
    .order_by(users.c.delete_time)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .subquery()
)
_FORGET = (
    update(users)
    .where(users.c.id == _OLD.c.id)
    .values(
        email="",
        email_verify_time=None,
        username=None,
        full_name="",
        password_hash=None,
        last_login_time=None,
        update_time=bindparam("now"),
        version=users.c.version + 1,
    )
    .returning(*COLUMNS)
)

_FILTERED: Mapping[str, ColumnElement[Any]] = {
    "role": users.c.role,
    "disabled": users.c.disabled,
    "email_verified": users.c.email_verify_time.is_not(None),
    "create_time": users.c.create_time,
    "update_time": users.c.update_time,
    "last_login_time": users.c.last_login_time,
}
_EMAIL_KEY = func.lower(users.c.email)
_KEYS: Mapping[str, ColumnElement[Any]] = {"create_time": users.c.create_time, "email": _EMAIL_KEY}
_AFTER: Mapping[str, ColumnElement[Any]] = {
    "create_time": bindparam("after", type_=INSTANT),
    "email": func.lower(bindparam("after")),
}


async def get_user(db: Database, user_id: UserId, *, deleted_too: bool) -> User:
    """The user of that id, or UserNotFound."""
    row = await db.find_one(_GET[deleted_too], id=user_id)
    if row is None:
        raise UserNotFound
    return user(row)


async def batch_get_users(db: Database, user_ids: Sequence[UserId]) -> Mapping[UserId, User]:
    """Those of the users who are there, by their ids."""
    found = [user(row) for row in await db.fetch_all(_BATCH_GET, ids=user_ids)]
    return {there.id: there for there in found}


async def list_users(
    db: Database, wanted: Wanted, order: Order, *, after: tuple[datetime | str, UUID] | None, limit: int
) -> Sequence[User]:
    """Up to `limit` users, in order, behind where somebody stands."""
    key = _KEYS[order.field]
    question = select(*COLUMNS).where(_IS_SHOWN[wanted.deleted_too]).limit(limit)
    question = question.order_by(*((key.desc(), users.c.id.desc()) if order.descending else (key, users.c.id)))
    given: dict[str, Any] = {}
    if wanted.prefix:
        question = question.where(begins_with_prefix(bindparam("prefix")))
        given["prefix"] = wanted.prefix
    if wanted.role is not None:
        question = question.where(users.c.role == wanted.role.value)
    if wanted.disabled is not None:
        question = question.where(users.c.disabled if wanted.disabled else ~users.c.disabled)
    if wanted.filter.tree is not None:
        question = question.where(_UserConditions(_FILTERED).of(wanted.filter.tree))
        question = question.execution_options(**ASKED_RARELY)
        given |= bound(wanted.filter, written=lambda value: value.value if isinstance(value, Role) else value)
    if after is not None:
        here, there = tuple_(key, users.c.id), tuple_(_AFTER[order.field], bindparam("after_id", type_=Uuid))
        question = question.where(here < there if order.descending else here > there)
        given |= {"after": after[0], "after_id": after[1]}
    return [user(row) for row in await db.fetch_all(question, **given)]


class _UserConditions(Conditions):
    """What the parts of a filter mean for users."""

    def words(self, value: int) -> ColumnElement[bool]:
        return begins_with_prefix(parameter(value, Text))


def begins_with_prefix(prefix: ColumnElement[str]) -> ColumnElement[bool]:
    """Not LIKE: nothing in what people write stands for something else."""
    matches: ColumnElement[bool] = false()
    for column in (users.c.email, users.c.username, users.c.full_name):
        matches = or_(matches, func.starts_with(func.lower(column), func.lower(prefix)))
    return matches


async def lock(tx: Transaction, user_id: UserId, *, deleted_too: bool = False) -> Locked:
    """The user, and who administrates: none of them is changed by anybody else before the transaction ends.

    One statement for all, so that two who take each other's role away queue, and the second sees what the first did.
    """
    rows = await tx.fetch_all(_LOCK, id=user_id)
    meant = next((row for row in rows if row.id == user_id), None)
    if meant is None or not meant.email or (meant.delete_time is not None and not deleted_too):
        raise UserNotFound
    administrators = frozenset(UserId(row.id) for row in rows if row.administrates)
    return Locked(user=user(meant), has_password=meant.has_password, administrators=administrators)


async def find_by_email(tx: Transaction, email: str) -> UserId | None:
    """Who has that address."""
    row = await tx.find_one(_FIND_BY_EMAIL, email=email)
    return None if row is None else UserId(row.id)


async def add(tx: Transaction, added: User) -> None:
    """Keep a new user, who has no password.

    Raises:
        EmailTaken: Another user has the address.
        UsernameTaken: Another user has the username.
    """
    values = {name: getattr(added, name) for name in _ADDED}
    with refusals(_TAKEN):
        await tx.execute(_ADD, **values | {"username": added.username or None, "role": added.role.value})


async def save(tx: Transaction, saved: User, *, replacing: int) -> None:
    """Keep a user who took the place of their version `replacing`.

    Raises:
        EmailTaken: They were brought back, and another user has the address.
        UsernameTaken: Another user has the username.
    """
    values = {name: getattr(saved, name) for name in _SAVED}
    values |= {"username": saved.username or None, "role": saved.role.value}
    with refusals(_TAKEN):
        count = await tx.execute(
            _SAVE, user=saved.id, replaced=replacing, **{f"new_{name}": value for name, value in values.items()}
        )
    if count != 1:
        raise LookupError(f"version {replacing} of user {saved.id} was replaced by somebody without the lock")


async def forget(tx: Transaction, *, before: datetime, now: datetime, most: int) -> Sequence[User]:
    """Leave nothing but the ids of up to `most` users who were deleted before; what is left of them."""
    return [user(row) for row in await tx.fetch_all(_FORGET, before=before, now=now, most=most)]
