"""Credentials in the database."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Row, Text, and_, bindparam, case, exists, func, null, or_, select, update

from chassis.database import Database, Transaction, refusals
from chassis.tables import INSTANT
from identity_service.accounts.domain import User, UserId
from identity_service.accounts.store import ADMINISTRATES, COLUMNS, user
from identity_service.credentials.domain import Holder
from identity_service.mail_tokens.domain import MailTokenInvalid
from identity_service.tables import users

_MAY_SIGN_IN = and_(users.c.delete_time.is_(None), ~users.c.disabled)
_HOLDERS = select(*COLUMNS, users.c.password_hash).where(_MAY_SIGN_IN)
_BY_ID = _HOLDERS.where(users.c.id == bindparam("id"))
_BY_EMAIL = _HOLDERS.where(func.lower(users.c.email) == func.lower(bindparam("email")))
# Sessions may be opened meanwhile.
_LOCK = _BY_ID.with_for_update(key_share=True)
_LOCK_BY_EMAIL = _BY_EMAIL.with_for_update(key_share=True)
_LOCK_WITH_ADMINISTRATORS = (
    select(users.c.id, ADMINISTRATES.label("administrates"))
    .where(or_(users.c.id == bindparam("id"), ADMINISTRATES))
    .order_by(users.c.id)  # everybody takes these locks in the same order
    .with_for_update(key_share=True)
)
_EMAIL_IS_TAKEN = select(
    exists()
    .where(func.lower(users.c.email) == func.lower(bindparam("email")), users.c.delete_time.is_(None))
    .label("taken")
)
_SAVED = ("email", "update_time", "delete_time", "version", "credential_version")
_NEW_EMAIL = bindparam("new_email", type_=Text)
_NEW_UPDATE_TIME = bindparam("new_update_time", type_=INSTANT)
_SAVE = (
    update(users)
    .where(users.c.id == bindparam("user"))
    .values(
        {name: bindparam(f"new_{name}", type_=users.c[name].type) for name in _SAVED}
        | {
            "email_verify_time": case(
                (~bindparam("verified", type_=Boolean), null()),
                (users.c.email == _NEW_EMAIL, func.coalesce(users.c.email_verify_time, _NEW_UPDATE_TIME)),
                else_=_NEW_UPDATE_TIME,
            ),
            "password_hash": func.coalesce(bindparam("new_password_hash", type_=Text), users.c.password_hash),
        }
    )
)


async def find(db: Database, user_id: UUID) -> Holder | None:
    """Who has that id, and may sign in."""
    return _holder(await db.find_one(_BY_ID, id=user_id))


async def find_locked(tx: Transaction, user_id: UUID) -> Holder | None:
    """The same, whom nobody else changes before the transaction ends."""
    return _holder(await tx.find_one(_LOCK, id=user_id))


async def find_locked_by_email(tx: Transaction, email: str) -> Holder | None:
    """The same, by the address."""
    return _holder(await tx.find_one(_LOCK_BY_EMAIL, email=email))


async def administrators(tx: Transaction, user_id: UserId) -> Sequence[UserId]:
    """Who administrates and may sign in: they, and the user, are not changed before the transaction ends."""
    rows = await tx.fetch_all(_LOCK_WITH_ADMINISTRATORS, id=user_id)
    return [UserId(row.id) for row in rows if row.administrates]


async def is_taken(tx: Transaction, email: str) -> bool:
    """Whether somebody has that address."""
    row = await tx.find_one(_EMAIL_IS_TAKEN, email=email)
    return row is not None and bool(row.taken)


async def save(tx: Transaction, saved: User, *, password_hash: str | None = None) -> None:
    """Keep a user who is locked, and with it another password if there is one.

    Raises:
        MailTokenInvalid: Another user has the address by now.
    """
    values = {f"new_{name}": getattr(saved, name) for name in _SAVED}
    with refusals({"users_email_key": MailTokenInvalid}):
        await tx.execute(_SAVE, user=saved.id, verified=saved.email_verified, new_password_hash=password_hash, **values)


def _holder(row: Row[Any] | None) -> Holder | None:
    return None if row is None else Holder(user=user(row), password_hash=row.password_hash)
