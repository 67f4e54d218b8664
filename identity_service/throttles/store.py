"""Throttles in the database: each question is one statement that also counts.

They run in autocommit: what was asked for counts, whatever comes of it.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Float, Interval, and_, bindparam, case, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Database, Transaction
from chassis.tables import INSTANT
from identity_service.tables import throttles
from identity_service.throttles.domain import Delay, Pace, digest_of

_MEANT = and_(throttles.c.bucket == bindparam("bucket"), throttles.c.digest == bindparam("digest"))
_NOW = bindparam("now", type_=INSTANT)
_counting = insert(throttles).values(
    bucket=bindparam("bucket"), digest=bindparam("digest"), attempts=1, pace_time=bindparam("begun"), update_time=_NOW
)
_KEY = [throttles.c.bucket, throttles.c.digest]

_STEP = bindparam("step", type_=Interval)
_TAKE = _counting.on_conflict_do_update(
    index_elements=_KEY,
    set_={"pace_time": func.greatest(throttles.c.pace_time, _NOW) + _STEP, "update_time": _NOW},
    where=throttles.c.pace_time + _STEP <= _NOW + bindparam("per", type_=Interval),
).returning(throttles.c.pace_time)

_IS_FORGOTTEN = throttles.c.update_time <= bindparam("forgotten", type_=INSTANT)
_ATTEMPTS = case((_IS_FORGOTTEN, 1), else_=throttles.c.attempts + 1)
_DOUBLINGS = func.least(func.greatest(_ATTEMPTS - bindparam("free"), 0), 30)
_WAIT_S = case(
    (bindparam("free") > _ATTEMPTS, 0.0),
    else_=func.least(
        bindparam("first_s", type_=Float) * func.power(2.0, _DOUBLINGS), bindparam("longest_s", type_=Float)
    ),
)
_ATTEMPT = _counting.on_conflict_do_update(
    index_elements=_KEY,
    set_={
        "attempts": _ATTEMPTS,
        "pace_time": _NOW + func.make_interval(0, 0, 0, 0, 0, 0, _WAIT_S),
        "update_time": _NOW,
    },
    where=or_(
        _IS_FORGOTTEN,
        and_(
            throttles.c.attempts < bindparam("most"),
            # Those that are made at once do not come in the order of their clocks.
            or_(throttles.c.attempts < bindparam("free"), throttles.c.pace_time <= _NOW),
        ),
    ),
).returning(throttles.c.pace_time)

_FIND = select(throttles.c.pace_time, throttles.c.attempts).where(_MEANT)
_CLEAR = delete(throttles).where(_MEANT)
_OLD = (
    select(throttles.c.bucket, throttles.c.digest)
    .where(throttles.c.update_time < bindparam("before"))
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .subquery()
)
_SWEEP = delete(throttles).where(throttles.c.bucket == _OLD.c.bucket, throttles.c.digest == _OLD.c.digest)


async def take(db: Database, pace: Pace, key: str, now: datetime) -> timedelta | None:
    """None, and it is counted; or how long it takes until there is room for one more."""
    name = _named(pace.bucket, key)
    taken = await db.find_one(_TAKE, **name, now=now, begun=now + pace.step, step=pace.step, per=pace.per)
    if taken is not None:
        return None
    there = await db.find_one(_FIND, **name)
    return timedelta() if there is None else max(there.pace_time + pace.step - pace.per - now, timedelta())


async def attempt(db: Database, delay: Delay, key: str, now: datetime) -> timedelta | None:
    """None, and it is counted; or how long the next attempt has to wait."""
    name = _named(delay.bucket, key)
    counted = await db.find_one(
        _ATTEMPT,
        **name,
        now=now,
        begun=now,
        free=delay.free,
        first_s=delay.first.total_seconds(),
        longest_s=delay.longest.total_seconds(),
        most=delay.most,
        forgotten=now - delay.forgotten_after,
    )
    if counted is not None:
        return None
    there = await db.find_one(_FIND, **name)
    if there is None:
        return timedelta()
    return delay.forgotten_after if there.attempts >= delay.most else max(there.pace_time - now, timedelta())


async def clear(tx: Transaction, delay: Delay, key: str) -> None:
    """Forget the attempts: one of them was right."""
    await tx.execute(_CLEAR, **_named(delay.bucket, key))


async def sweep(tx: Transaction, *, before: datetime, most: int) -> int:
    """Forget up to `most` that were not touched since; how many there were."""
    return await tx.execute(_SWEEP, before=before, most=most)


def _named(bucket: str, key: str) -> dict[str, Any]:
    return {"bucket": bucket, "digest": digest_of(key)}
