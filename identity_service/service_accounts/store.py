"""Service accounts in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Table, bindparam, delete, exists, null, select, union_all, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from chassis.database import Database, Transaction, refusals
from identity_service.service_accounts.domain import (
    AccountKey,
    KeptSecret,
    KeyExists,
    ServiceAccount,
    ServiceAccountId,
    ServiceAccountNotFound,
)
from identity_service.tables import service_account_public_keys, service_account_secrets, service_accounts

_KEPT = tuple(field.name for field in fields(ServiceAccount))
_COLUMNS = tuple(service_accounts.c[name] for name in _KEPT)
_UNREVOKED = service_account_secrets.c.revoke_time.is_(None)
_LIVE: ColumnElement[bool] = service_accounts.c.delete_time.is_(None)
BY_NAME = select(*_COLUMNS).where(service_accounts.c.name == bindparam("name"), _LIVE)
_BY_ID = select(*_COLUMNS).where(service_accounts.c.id == bindparam("id"), _LIVE)
_LOCK_BY_ID = _BY_ID.with_for_update()
_LIST = (
    select(*_COLUMNS)
    .where(_LIVE, service_accounts.c.name > bindparam("after"))
    .order_by(service_accounts.c.name)
    .limit(bindparam("limit"))
)
_ADD = (
    insert(service_accounts)
    .values({name: bindparam(name) for name in _KEPT})
    .on_conflict_do_nothing(index_elements=[service_accounts.c.name], index_where=_LIVE)
)
_SAVED = tuple(name for name in _KEPT if name not in {"id", "name", "create_time"})
_SAVE = (
    update(service_accounts)
    .where(service_accounts.c.id == bindparam("account"))
    .values({name: bindparam(f"new_{name}") for name in _SAVED})
)
_LOCK = BY_NAME.with_for_update()
_SECRETS = select(
    service_account_secrets.c.id,
    service_account_secrets.c.digest,
    service_account_secrets.c.create_time,
    service_account_secrets.c.expire_time,
).where(service_account_secrets.c.service_account_id == bindparam("account"), _UNREVOKED)
_WAS_REVOKED = select(
    exists()
    .where(
        service_account_secrets.c.service_account_id == bindparam("account"),
        service_account_secrets.c.digest == bindparam("digest"),
        ~_UNREVOKED,
    )
    .label("revoked")
)
_ADD_SECRET = insert(service_account_secrets).values(
    id=bindparam("id"),
    service_account_id=bindparam("account"),
    digest=bindparam("digest"),
    create_time=bindparam("now"),
    expire_time=bindparam("expire_time"),
)
_ADD_PUBLIC_KEY = insert(service_account_public_keys).values(
    id=bindparam("id"),
    service_account_id=bindparam("account"),
    kid=bindparam("kid"),
    public_jwk=bindparam("public_jwk"),
    create_time=bindparam("now"),
    expire_time=bindparam("expire_time"),
)


def _listing(keys: Table, jwk: ColumnElement[Any]) -> Select[Any]:
    return select(
        keys.c.id, jwk.label("public_jwk"), keys.c.create_time, keys.c.expire_time, keys.c.last_use_time
    ).where(keys.c.service_account_id == bindparam("account"), keys.c.revoke_time.is_(None))


_keys = union_all(
    _listing(service_account_secrets, null().cast(JSONB)),
    _listing(service_account_public_keys, service_account_public_keys.c.public_jwk),
).subquery()
_LIST_KEYS = select(_keys).order_by(_keys.c.create_time.desc(), _keys.c.id)
_REVOKE_KEY = tuple(
    update(keys)
    .where(
        keys.c.id == bindparam("key"),
        keys.c.service_account_id == bindparam("account"),
        keys.c.revoke_time.is_(None),
    )
    .values(revoke_time=bindparam("now"))
    for keys in (service_account_secrets, service_account_public_keys)
)
_REMOVE_SECRET = delete(service_account_secrets).where(service_account_secrets.c.id == bindparam("secret"), _UNREVOKED)


async def add(tx: Transaction, new: ServiceAccount) -> bool:
    """Keep a new account, unless another one has its name; whether it is kept."""
    return await tx.execute(_ADD, **_row(new)) == 1


async def secrets_of(tx: Transaction, account_id: ServiceAccountId) -> Sequence[KeptSecret]:
    """The account's secrets that were not revoked."""
    rows = await tx.fetch_all(_SECRETS, account=account_id)
    return [KeptSecret(row.id, row.digest, row.create_time, row.expire_time) for row in rows]


async def was_revoked(tx: Transaction, account_id: ServiceAccountId, digest: bytes) -> bool:
    """Whether that secret of the account was revoked: by hand, or by an earlier version to make room."""
    row = await tx.find_one(_WAS_REVOKED, account=account_id, digest=digest)
    return row is not None and bool(row.revoked)


async def add_secret(
    tx: Transaction,
    secret_id: UUID,
    account_id: ServiceAccountId,
    digest: bytes,
    now: datetime,
    *,
    expire_time: datetime | None = None,
) -> None:
    """Let one more secret work."""
    await tx.execute(_ADD_SECRET, id=secret_id, account=account_id, digest=digest, now=now, expire_time=expire_time)


async def remove_secret(tx: Transaction, secret_id: UUID) -> None:
    """Let a secret work no more, although nobody has anything against it: it may come back."""
    await tx.execute(_REMOVE_SECRET, secret=secret_id)


async def get(db: Database, ref: ServiceAccountId | str) -> ServiceAccount:
    """The account of that id or name.

    Raises:
        ServiceAccountNotFound: There is none.
    """
    row = await (db.find_one(BY_NAME, name=ref) if isinstance(ref, str) else db.find_one(_BY_ID, id=ref))
    if row is None:
        raise ServiceAccountNotFound
    return account(row)


async def get_locked(tx: Transaction, ref: ServiceAccountId | str) -> ServiceAccount:
    """The same; whoever else wants to change it waits until the transaction ends."""
    row = await (tx.find_one(_LOCK, name=ref) if isinstance(ref, str) else tx.find_one(_LOCK_BY_ID, id=ref))
    if row is None:
        raise ServiceAccountNotFound
    return account(row)


async def list_accounts(db: Database, *, after: str, limit: int) -> Sequence[ServiceAccount]:
    """Up to `limit` accounts whose name comes after another one, in order."""
    return [account(row) for row in await db.fetch_all(_LIST, after=after, limit=limit)]


async def save(tx: Transaction, changed: ServiceAccount) -> None:
    """Keep an account that has changed, under its lock."""
    row = _row(changed)
    await tx.execute(_SAVE, account=changed.id, **{f"new_{name}": row[name] for name in _SAVED})


async def list_keys(db: Database | Transaction, account_id: ServiceAccountId) -> Sequence[AccountKey]:
    """The account's keys that were not revoked, the newest first."""
    rows = await db.fetch_all(_LIST_KEYS, account=account_id)
    return [
        AccountKey(
            id=row.id,
            public_jwk=row.public_jwk,
            create_time=row.create_time,
            expire_time=row.expire_time,
            last_use_time=row.last_use_time,
        )
        for row in rows
    ]


async def add_public_key(
    tx: Transaction, key: AccountKey, account_id: ServiceAccountId, jwk: Mapping[str, str]
) -> None:
    """Let one more public key work.

    Raises:
        KeyExists: It works already.
    """
    with refusals({"service_account_public_keys_live_key": KeyExists}):
        await tx.execute(
            _ADD_PUBLIC_KEY,
            id=key.id,
            account=account_id,
            kid=jwk["kid"],
            public_jwk=dict(jwk),
            now=key.create_time,
            expire_time=key.expire_time,
        )


async def revoke_key(tx: Transaction, account_id: ServiceAccountId, key_id: UUID, now: datetime) -> bool:
    """Whether the account had such a key, which works no more by this."""
    revoked = [await tx.execute(statement, account=account_id, key=key_id, now=now) for statement in _REVOKE_KEY]
    return sum(revoked) == 1


def _row(account: ServiceAccount) -> dict[str, Any]:
    return {name: getattr(account, name) for name in _KEPT} | {
        "scopes": sorted(account.scopes),
        "audiences": sorted(account.audiences),
    }


def account(row: Row[Any]) -> ServiceAccount:
    """The domain's view of a row."""
    values = {name: getattr(row, name) for name in _KEPT}
    return ServiceAccount(**values | {name: frozenset(values[name]) for name in ("scopes", "audiences")})
