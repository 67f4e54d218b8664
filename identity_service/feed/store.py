"""The feed in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Text, bindparam, cast, delete, func, literal, or_, select
from sqlalchemy.dialects.postgresql import REGCLASS, insert

from chassis import locks
from chassis.database import Database, Transaction
from identity_service.feed.domain import Event, Told, content, event
from identity_service.tables import feed

LOCK = "identity/v1/feed"
"""The namespace of the one lock that keeps ids in the order of commits."""

CHANGED = "feed"
"""The channel on which this process hears of what it has appended itself."""

_locked = (
    select(locks.taken(LOCK, literal("all", Text()))).cte("locked").prefix_with("MATERIALIZED", dialect="postgresql")
)
_NEXT = func.nextval(func.pg_get_serial_sequence("feed", "id"))
_EVENT = ("kind", "subject", "content", "create_time", "expire_time")
_adding = insert(feed).from_select(
    ["id", *_EVENT],
    select(_NEXT, *(bindparam(name, type_=feed.c[name].type) for name in _EVENT)).select_from(_locked),
)
_APPEND = _adding.on_conflict_do_update(
    index_elements=[feed.c.kind, feed.c.subject],
    set_={name: _adding.excluded[name] for name in ("id", *_EVENT[2:])},
)

_READ = (
    select(feed.c.id, feed.c.kind, feed.c.subject, feed.c.content, feed.c.expire_time)
    .where(feed.c.id > bindparam("after"), or_(feed.c.expire_time.is_(None), feed.c.expire_time > bindparam("now")))
    .order_by(feed.c.id)
    .limit(bindparam("limit"))
)
_ENDS = select(
    func.coalesce(select(func.max(feed.c.id)).scalar_subquery(), 0).label("newest"),
    func.coalesce(func.pg_sequence_last_value(cast(func.pg_get_serial_sequence("feed", "id"), REGCLASS)), 0).label(
        "given_out"
    ),
)
_EXPIRED = (
    select(feed.c.id)
    .where(feed.c.expire_time <= bindparam("now"))
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .subquery()
)
_SWEEP = delete(feed).where(feed.c.id == _EXPIRED.c.id)


async def append(tx: Transaction, event: Event, now: datetime) -> None:
    """Tell an event, in place of what was told of its subject before. One round trip.

    Come last in a transaction, behind every row that it locks: from here to the commit nobody else appends.
    """
    await append_all(tx, [event], now)


async def append_all(tx: Transaction, events: Sequence[Event], now: datetime) -> None:
    """Tell several events, in their order: as `append` does, and in one round trip however many they are."""
    if events:
        tx.notify(CHANGED)
        await tx.execute_many(_APPEND, [_row(event, now) for event in events])


async def read(db: Database, *, after: int, now: datetime, limit: int) -> Sequence[Told]:
    """Up to `limit` events that still matter and come after a place, in order."""
    rows = await db.fetch_all(_READ, after=after, now=now, limit=limit)
    return [Told(row.id, event(row.kind, row.subject, row.content, row.expire_time)) for row in rows]


async def ends(db: Database) -> tuple[int, int]:
    """The place of the newest event that is there, and the last one that was ever given out."""
    row = await db.find_one(_ENDS)
    assert row is not None, "an aggregate without groups has one row"
    return row.newest, row.given_out


async def sweep(tx: Transaction, *, now: datetime, most: int) -> int:
    """Remove up to `most` events that nobody needs to know any more; how many there were."""
    return await tx.execute(_SWEEP, now=now, most=most)


def _row(event: Event, now: datetime) -> Mapping[str, Any]:
    return {
        "kind": event.kind,
        "subject": str(event.subject),
        "content": content(event),
        "create_time": now,
        "expire_time": event.until,
    }
