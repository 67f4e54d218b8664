"""Clients and the state of their tokens in the database."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, delete, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.auth import Principal, verification_keys
from chassis.database import Database, Transaction
from identity_service.feed.domain import TokenRevoked
from identity_service.oauth.domain import Assertion, Client, Key
from identity_service.service_accounts.domain import ServiceAccountId
from identity_service.service_accounts.store import BY_NAME, account
from identity_service.tables import (
    client_assertions,
    feed,
    service_account_public_keys,
    service_account_secrets,
    service_accounts,
    sessions,
    users,
)


def _with(keys: Any, *columns: Any) -> Select[Any]:
    """An account beside those of its keys that work now."""
    return BY_NAME.add_columns(keys.c.id.label("key_id"), keys.c.last_use_time, *columns).outerjoin_from(
        service_accounts,
        keys,
        and_(
            keys.c.service_account_id == service_accounts.c.id,
            keys.c.revoke_time.is_(None),
            or_(keys.c.expire_time.is_(None), keys.c.expire_time > bindparam("now")),
        ),
    )


_WITH_SECRETS = _with(service_account_secrets, service_account_secrets.c.digest)
_WITH_PUBLIC_KEYS = _with(
    service_account_public_keys, service_account_public_keys.c.public_jwk, service_account_public_keys.c.kid
)
_REMEMBER = (
    insert(client_assertions)
    .values(service_account_id=bindparam("account"), digest=bindparam("digest"), expire_time=bindparam("expire_time"))
    .on_conflict_do_nothing()
)
_EXPIRED = (
    select(client_assertions.c.service_account_id, client_assertions.c.digest)
    .where(client_assertions.c.expire_time <= bindparam("before"))
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .subquery()
)
_SWEEP = delete(client_assertions).where(
    client_assertions.c.service_account_id == _EXPIRED.c.service_account_id,
    client_assertions.c.digest == _EXPIRED.c.digest,
)
_USED_SECRET, _USED_PUBLIC_KEY = (
    update(keys).where(keys.c.id == bindparam("key")).values(last_use_time=bindparam("now"))
    for keys in (service_account_secrets, service_account_public_keys)
)
_IS_REVOKED = exists().where(feed.c.kind == TokenRevoked.kind, feed.c.subject == bindparam("token_id"))
_PERSONS_TOKEN = (
    select(users.c.id)
    .join_from(sessions, users)
    .where(
        sessions.c.id == bindparam("session"),
        sessions.c.user_id == bindparam("subject"),
        sessions.c.revoke_time.is_(None),
        users.c.delete_time.is_(None),
        ~users.c.disabled,
        users.c.token_version <= bindparam("version"),
        ~_IS_REVOKED,
    )
)
_MACHINES_TOKEN = select(service_accounts.c.id).where(
    service_accounts.c.id == bindparam("subject"),
    service_accounts.c.delete_time.is_(None),
    ~service_accounts.c.disabled,
    service_accounts.c.token_version <= bindparam("version"),
    ~_IS_REVOKED,
)


async def find_with_secrets(db: Database, name: str, now: datetime) -> Client | None:
    """The account of that name, with its secrets."""
    rows = await db.fetch_all(_WITH_SECRETS, name=name, now=now)
    if not rows:
        return None
    return Client(
        account(rows[0]),
        [Key(row.key_id, row.last_use_time, digest=row.digest) for row in rows if row.key_id is not None],
    )


async def find_with_public_keys(db: Database, name: str, now: datetime) -> Client | None:
    """The account of that name, with its public keys."""
    rows = await db.fetch_all(_WITH_PUBLIC_KEYS, name=name, now=now)
    if not rows:
        return None
    usable = verification_keys(row.public_jwk for row in rows if row.key_id is not None)
    return Client(
        account(rows[0]),
        [Key(row.key_id, row.last_use_time, public=usable[row.kid]) for row in rows if row.kid in usable],
    )


async def remember(tx: Transaction, account_id: ServiceAccountId, assertion: Assertion) -> bool:
    """Whether the assertion is used for the first time."""
    remembered = await tx.execute(
        _REMEMBER, account=account_id, digest=assertion.id_digest, expire_time=assertion.expires_at
    )
    return remembered == 1


async def sweep(tx: Transaction, *, before: datetime, most: int) -> int:
    """Forget up to `most` that had expired by then; how many there were."""
    return await tx.execute(_SWEEP, before=before, most=most)


async def used(tx: Transaction, key: Key, now: datetime) -> None:
    """Note when a key was last used."""
    await tx.execute(_USED_SECRET if key.public is None else _USED_PUBLIC_KEY, key=key.id, now=now)


async def is_good(db: Database, principal: Principal) -> bool:
    """Whether whatever a token rests on is still there: session and user, or service account."""
    about: dict[str, UUID | int | str | None] = {
        "subject": principal.subject,
        "version": principal.token_version,
        "token_id": principal.token_id,
    }
    if principal.is_machine:
        return await db.find_one(_MACHINES_TOKEN, **about) is not None
    return await db.find_one(_PERSONS_TOKEN, session=principal.session, **about) is not None
