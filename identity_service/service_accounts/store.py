"""Service accounts in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Database, Transaction
from identity_service.service_accounts.domain import KeptSecret, Provision, ServiceAccount, ServiceAccountId
from identity_service.tables import service_account_secrets, service_accounts

_COLUMNS = (
    service_accounts.c.id,
    service_accounts.c.name,
    service_accounts.c.scopes,
    service_accounts.c.audiences,
    service_accounts.c.disabled,
)
_UNREVOKED = service_account_secrets.c.revoke_time.is_(None)
_BY_NAME = select(*_COLUMNS).where(service_accounts.c.name == bindparam("name"))
_WITH_SECRETS = _BY_NAME.add_columns(service_account_secrets.c.digest).outerjoin_from(
    service_accounts,
    service_account_secrets,
    and_(
        service_account_secrets.c.service_account_id == service_accounts.c.id,
        _UNREVOKED,
        or_(
            service_account_secrets.c.expire_time.is_(None),
            service_account_secrets.c.expire_time > bindparam("now"),
        ),
    ),
)
_ADD = (
    insert(service_accounts)
    .values(
        id=bindparam("id"),
        name=bindparam("name"),
        scopes=bindparam("scopes"),
        audiences=bindparam("audiences"),
        create_time=bindparam("now"),
        update_time=bindparam("now"),
    )
    .on_conflict_do_nothing(index_elements=[service_accounts.c.name])
)
_LOCK = _BY_NAME.with_for_update()
_CHANGE = (
    update(service_accounts)
    .where(service_accounts.c.id == bindparam("account"))
    .values(
        scopes=bindparam("scopes"),
        audiences=bindparam("audiences"),
        update_time=bindparam("now"),
        version=service_accounts.c.version + 1,
    )
)
_SECRETS = select(
    service_account_secrets.c.id,
    service_account_secrets.c.digest,
    service_account_secrets.c.create_time,
    service_account_secrets.c.expire_time,
).where(service_account_secrets.c.service_account_id == bindparam("account"), _UNREVOKED)
_ADD_SECRET = insert(service_account_secrets).values(
    id=bindparam("id"),
    service_account_id=bindparam("account"),
    digest=bindparam("digest"),
    create_time=bindparam("now"),
)
_REVOKE_SECRET = (
    update(service_account_secrets)
    .where(service_account_secrets.c.id == bindparam("secret"), _UNREVOKED)
    .values(revoke_time=bindparam("now"))
)


async def find_with_secrets(db: Database, name: str, now: datetime) -> tuple[ServiceAccount | None, Sequence[bytes]]:
    """The account of that name, and the digests of its secrets that work."""
    rows = await db.fetch_all(_WITH_SECRETS, name=name, now=now)
    if not rows:
        return None, []
    return _account(rows[0]), [row.digest for row in rows if row.digest is not None]


async def add(tx: Transaction, account_id: ServiceAccountId, wanted: Provision, now: datetime) -> bool:
    """Whether the name was new."""
    added = await tx.execute(
        _ADD,
        id=account_id,
        name=wanted.name,
        scopes=sorted(wanted.scopes),
        audiences=sorted(wanted.audiences),
        now=now,
    )
    return added == 1


async def lock(tx: Transaction, name: str) -> ServiceAccount:
    """The account of that name, which is there; whoever else wants to change it waits until the transaction ends."""
    row = await tx.find_one(_LOCK, name=name)
    if row is None:
        raise LookupError(f"there is no service account {name}")
    return _account(row)


async def change(tx: Transaction, account_id: ServiceAccountId, wanted: Provision, now: datetime) -> None:
    """Give the account other scopes and audiences."""
    await tx.execute(
        _CHANGE, account=account_id, scopes=sorted(wanted.scopes), audiences=sorted(wanted.audiences), now=now
    )


async def secrets_of(tx: Transaction, account_id: ServiceAccountId) -> Sequence[KeptSecret]:
    """The account's secrets that were not revoked."""
    rows = await tx.fetch_all(_SECRETS, account=account_id)
    return [KeptSecret(row.id, row.digest, row.create_time, row.expire_time) for row in rows]


async def add_secret(
    tx: Transaction, secret_id: UUID, account_id: ServiceAccountId, digest: bytes, now: datetime
) -> None:
    """Let one more secret work."""
    await tx.execute(_ADD_SECRET, id=secret_id, account=account_id, digest=digest, now=now)


async def revoke_secret(tx: Transaction, secret_id: UUID, now: datetime) -> None:
    """Let a secret work no more."""
    await tx.execute(_REVOKE_SECRET, secret=secret_id, now=now)


def _account(row: Row[Any]) -> ServiceAccount:
    return ServiceAccount(
        id=ServiceAccountId(row.id),
        name=row.name,
        scopes=frozenset(row.scopes),
        audiences=frozenset(row.audiences),
        disabled=row.disabled,
    )
