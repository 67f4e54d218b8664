"""Signing keys in the database."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Text, bindparam, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis import locks
from chassis.database import Database, Transaction
from identity_service.keys.domain import PUBLISHED, SigningKey, State
from identity_service.tables import signing_keys

LOCK = "identity/v1/signing keys"
"""The namespace of the one lock under which keys change."""

_KEPT = tuple(field.name for field in fields(SigningKey))
_COLUMNS = tuple(signing_keys.c[name] for name in _KEPT)
_IS_PUBLISHED = signing_keys.c.state.in_(PUBLISHED)
_PUBLISHED = select(*_COLUMNS).where(_IS_PUBLISHED).order_by(signing_keys.c.create_time)
_LIST = (
    select(*_COLUMNS)
    .where(
        or_(_IS_PUBLISHED, func.coalesce(signing_keys.c.remove_time, signing_keys.c.revoke_time) > bindparam("since"))
    )
    .order_by(signing_keys.c.create_time.desc(), signing_keys.c.kid)
)
_LOCKED = select(locks.taken(LOCK, literal("all", Text())))
_FIND = select(*_COLUMNS).where(signing_keys.c.kid == bindparam("kid"))
_ADD = insert(signing_keys).values({name: bindparam(name) for name in _KEPT})
_ADD_FIRST = _ADD.on_conflict_do_nothing()
_SAVED = ("activate_time", "retire_time", "remove_time", "revoke_time", "sealed_private_key")
_SAVE = (
    update(signing_keys)
    .where(signing_keys.c.kid == bindparam("the_kid"), signing_keys.c.state == bindparam("replaced"))
    .values({"state": bindparam("new_state")} | {name: bindparam(f"new_{name}") for name in _SAVED})
)
_RESEAL = (
    update(signing_keys)
    .where(signing_keys.c.kid == bindparam("the_kid"), signing_keys.c.sealed_private_key == bindparam("replaced"))
    .values(sealed_private_key=bindparam("resealed"))
)
_KEPT_FOR = timedelta(days=90)  # what is gone is listed for a while, for those who look into an incident


async def published(db: Database | Transaction) -> Sequence[SigningKey]:
    """The keys that verify tokens, the oldest first."""
    return [_key(row) for row in await db.fetch_all(_PUBLISHED)]


async def list_keys(db: Database, now: datetime) -> Sequence[SigningKey]:
    """The keys that are published, and those that were until lately, the newest first."""
    return [_key(row) for row in await db.fetch_all(_LIST, since=now - _KEPT_FOR)]


async def lock(tx: Transaction) -> None:
    """Let one transaction at a time change keys. What it reads next is what the last one has left."""
    await tx.find_one(_LOCKED)


async def find(tx: Transaction, kid: str) -> SigningKey | None:
    """The key of that name."""
    row = await tx.find_one(_FIND, kid=kid)
    return None if row is None else _key(row)


async def add_first(tx: Transaction, key: SigningKey) -> None:
    """Keep a key that signs, unless another replica was first."""
    await tx.execute(_ADD_FIRST, **_row(key))


async def add(tx: Transaction, key: SigningKey) -> None:
    """Keep a new key."""
    await tx.execute(_ADD, **_row(key))


async def save(tx: Transaction, key: SigningKey, *, replacing: State) -> None:
    """Keep a key that took the place of itself in the state `replacing`."""
    new = {f"new_{name}": getattr(key, name) for name in _SAVED} | {"new_state": key.state.value}
    if await tx.execute(_SAVE, the_kid=key.kid, replaced=replacing.value, **new) != 1:
        raise LookupError(f"signing key {key.kid} was changed by somebody without the lock")


async def reseal(tx: Transaction, key: SigningKey, resealed: bytes) -> None:
    """Keep a private half that is sealed anew, unless it has gone meanwhile."""
    await tx.execute(_RESEAL, the_kid=key.kid, replaced=key.sealed_private_key, resealed=resealed)


def _row(key: SigningKey) -> dict[str, Any]:
    return asdict(key) | {"state": key.state.value, "public_jwk": dict(key.public_jwk)}


def _key(row: Row[Any]) -> SigningKey:
    return SigningKey(**{name: getattr(row, name) for name in _KEPT} | {"state": State(row.state)})
