"""Mail tokens in the database."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, exists, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Database, Transaction
from chassis.secret import Secret
from identity_service.mail_tokens.domain import MailToken, Purpose, digest_of
from identity_service.tables import mail_tokens, users

_KEPT = ("user_id", "purpose", "digest", "email", "credential_version", "create_time", "expire_time")
_adding = insert(mail_tokens).from_select(
    _KEPT,
    select(*(bindparam(name, type_=mail_tokens.c[name].type) for name in _KEPT)).where(
        exists().where(users.c.id == bindparam("user_id", type_=users.c.id.type))
    ),
)
_PUT = _adding.on_conflict_do_update(
    index_elements=[mail_tokens.c.user_id, mail_tokens.c.purpose],
    set_={name: _adding.excluded[name] for name in _KEPT[2:]},
)
_MEANT = (
    mail_tokens.c.digest == bindparam("digest"),
    mail_tokens.c.purpose.in_(bindparam("purposes", expanding=True)),
)
_TOLD = (
    mail_tokens.c.user_id,
    mail_tokens.c.purpose,
    mail_tokens.c.email,
    mail_tokens.c.credential_version,
    mail_tokens.c.expire_time,
)
_FIND = select(*_TOLD).where(*_MEANT)
_TAKE = delete(mail_tokens).where(*_MEANT).returning(*_TOLD)
_CLEAR = delete(mail_tokens).where(mail_tokens.c.user_id == bindparam("user"))
_EXPIRED = (
    select(mail_tokens.c.digest)
    .where(mail_tokens.c.expire_time <= bindparam("now"))
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_SWEEP = delete(mail_tokens).where(mail_tokens.c.digest.in_(_EXPIRED))


async def put(tx: Transaction, kept: MailToken, token: Secret, now: datetime) -> None:
    """Let `token` work, and none that the user was sent for the purpose before. For nobody's id, nothing is kept."""
    await tx.execute(
        _PUT,
        **asdict(kept) | {"purpose": kept.purpose.value},
        digest=digest_of(token),
        create_time=now,
    )


async def find(db: Database, token: Secret, purposes: Collection[Purpose], now: datetime) -> MailToken | None:
    """What a token is for, which works on. None when it does not work."""
    row = await db.find_one(_FIND, digest=digest_of(token), purposes=[purpose.value for purpose in purposes])
    return _mail_token(row, now)


async def take(tx: Transaction, token: Secret, purposes: Collection[Purpose], now: datetime) -> MailToken | None:
    """What a token was for, which works no more by this. None when it did not work before."""
    row = await tx.find_one(_TAKE, digest=digest_of(token), purposes=[purpose.value for purpose in purposes])
    return _mail_token(row, now)


async def clear(tx: Transaction, user_id: UUID) -> None:
    """Let no token of the user work any more."""
    await tx.execute(_CLEAR, user=user_id)


async def sweep(tx: Transaction, *, now: datetime, most: int) -> int:
    """Forget up to `most` that have expired; how many there were."""
    return await tx.execute(_SWEEP, now=now, most=most)


def _mail_token(row: Row[Any] | None, now: datetime) -> MailToken | None:
    if row is None or row.expire_time <= now:
        return None
    return MailToken(
        user_id=row.user_id,
        purpose=Purpose(row.purpose),
        email=row.email,
        credential_version=row.credential_version,
        expire_time=row.expire_time,
    )
