"""Signing keys in the database."""

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Database, Transaction
from identity_service.keys.domain import SigningKey
from identity_service.tables import signing_keys

_PUBLISHED = (
    select(
        signing_keys.c.kid,
        signing_keys.c.algorithm,
        signing_keys.c.public_jwk,
        signing_keys.c.sealed_private_key,
        signing_keys.c.create_time,
        signing_keys.c.state,
    )
    .where(signing_keys.c.state.in_(("PENDING", "ACTIVE", "RETIRING")))
    .order_by(signing_keys.c.create_time)
)
_ADD_FIRST = (
    insert(signing_keys)
    .values(
        kid=bindparam("kid"),
        algorithm=bindparam("algorithm"),
        public_jwk=bindparam("public_jwk"),
        sealed_private_key=bindparam("sealed_private_key"),
        state="ACTIVE",
        create_time=bindparam("create_time"),
        activate_time=bindparam("create_time"),
    )
    .on_conflict_do_nothing()
)


async def published(db: Database) -> tuple[list[SigningKey], SigningKey | None]:
    """The keys that verify tokens, and the one among them that signs."""
    keys, active = [], None
    for row in await db.fetch_all(_PUBLISHED):
        key = SigningKey(row.kid, row.algorithm, row.public_jwk, row.sealed_private_key, row.create_time)
        keys.append(key)
        if row.state == "ACTIVE":
            active = key
    return keys, active


async def add_first(tx: Transaction, key: SigningKey) -> None:
    """Make `key` the one that signs, unless another replica was first."""
    await tx.execute(
        _ADD_FIRST,
        kid=key.kid,
        algorithm=key.algorithm,
        public_jwk=dict(key.public_jwk),
        sealed_private_key=key.sealed_private_key,
        create_time=key.create_time,
    )
