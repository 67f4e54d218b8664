"""Advisory locks of PostgreSQL, held to the end of the transaction.

Only `pg_advisory_xact_lock`: locks of a session leak through connection poolers. Whoever takes a lock resolves what
it is about in the same statement, and reads again in the next one, which sees what the last holder committed.
"""

from datetime import timedelta

from sqlalchemy import BigInteger, ColumnElement, Integer, Text, cast, func, literal
from sqlalchemy.dialects.postgresql import BIT


def key_of(namespace: str, identity: ColumnElement[object]) -> ColumnElement[int]:
    """The 64-bit key of a lock: as many bits of SHA-256 of `namespace/identity`, the same for every version."""
    name = func.convert_to(literal(f"{namespace}/", Text()).concat(cast(identity, Text)), "UTF8")
    digest = func.encode(func.sha256(name), "hex")
    return cast(cast(literal("x", Text()).concat(func.left(digest, literal(16, Integer()))), BIT(64)), BigInteger)


def bounded(timeout: ColumnElement[str]) -> ColumnElement[str]:
    """Select this before `taken`: until the transaction ends, no lock is waited for longer than `timeout` says."""
    return func.set_config("lock_timeout", timeout, True)  # noqa: FBT003 - true: for this transaction only


def written(timeout: timedelta) -> str:
    """A timeout as PostgreSQL's settings spell it."""
    return f"{timeout // timedelta(milliseconds=1)}ms"


def taken(namespace: str, identity: ColumnElement[object]) -> ColumnElement[object]:
    """Select this to take the lock of `identity`, after waiting for those who came before."""
    return func.pg_advisory_xact_lock(key_of(namespace, identity))
