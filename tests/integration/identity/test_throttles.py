"""How much may be asked for, counted in the database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from chassis.database import Database, DatabaseSettings
from identity_service.throttles import store
from identity_service.throttles.commands import Throttles
from identity_service.throttles.domain import Delay, Pace, TooManyRequests
from tests.support.clock import TestClock
from tests.support.databases import Databases
from tests.support.recording import recording

SECOND = timedelta(seconds=1)
PACE = Pace("mails", 3, timedelta(hours=1))
DELAY = Delay("guesses", free=3, first=SECOND, longest=4 * SECOND, most=8, forgotten_after=timedelta(days=1))


@pytest.fixture(scope="module")
async def db(databases: Databases) -> AsyncIterator[Database]:
    with recording("identity") as recorded:
        settings = DatabaseSettings(database_url=SecretStr(databases.clone("identity")))
        async with Database.opened(settings, recorded.telemetry) as opened:
            yield opened


async def waits(db: Database, delay: Delay, key: str, clock: TestClock) -> float | None:
    """None for an attempt that may be made, or for how many seconds it may not."""
    wait = await store.attempt(db, delay, key, clock.now())
    return None if wait is None else wait.total_seconds()


async def test_a_pace_lets_so_many_through_and_refills_evenly(db: Database) -> None:
    clock = TestClock()
    counted = Throttles(db, clock)
    for _ in range(3):
        await counted.take(PACE, "refills")
    with pytest.raises(TooManyRequests) as caught:
        await counted.take(PACE, "refills")
    assert caught.value.retry_after is not None
    assert timedelta(minutes=19) < caught.value.retry_after <= timedelta(minutes=20)
    assert not await counted.allows(PACE, "refills")
    assert await counted.allows(PACE, "somebody else")
    clock.advance(minutes=21)
    assert await counted.allows(PACE, "refills")
    assert not await counted.allows(PACE, "refills")


async def test_a_pace_counts_what_is_asked_for_at_once(db: Database) -> None:
    counted = Throttles(db, TestClock())
    allowed = await asyncio.gather(*(counted.allows(PACE, "at once") for _ in range(20)))
    assert allowed.count(True) == 3


async def test_each_attempt_behind_the_free_ones_waits_twice_as_long_up_to_a_limit(db: Database) -> None:
    clock = TestClock()
    clock.stop()
    for _ in range(3):
        assert await waits(db, DELAY, "doubles", clock) is None
    for seconds in (1, 2, 4, 4):
        wait = await waits(db, DELAY, "doubles", clock)
        assert wait is not None
        assert seconds - 0.5 < wait <= seconds
        clock.advance(seconds=seconds)
        assert await waits(db, DELAY, "doubles", clock) is None


async def test_at_some_point_only_something_else_helps(db: Database) -> None:
    clock = TestClock()
    for _ in range(8):
        assert await waits(db, DELAY, "ends", clock) is None
        clock.advance(seconds=5)
    clock.advance(hours=1)
    assert await waits(db, DELAY, "ends", clock) == DELAY.forgotten_after.total_seconds()
    async with db.transaction() as tx:
        await store.clear(tx, DELAY, "ends")
    assert await waits(db, DELAY, "ends", clock) is None


async def test_attempts_are_forgotten_after_a_while(db: Database) -> None:
    clock = TestClock()
    for _ in range(8):
        assert await waits(db, DELAY, "forgets", clock) is None
        clock.advance(seconds=5)
    clock.advance(days=1)
    for _ in range(3):
        assert await waits(db, DELAY, "forgets", clock) is None


async def test_attempts_that_are_made_at_once_are_counted_one_by_one(db: Database) -> None:
    now = TestClock().now()
    found = await asyncio.gather(*(store.attempt(db, DELAY, "at once", now) for _ in range(20)))
    assert found.count(None) == 3


async def test_a_free_attempt_is_not_refused_because_another_clock_is_ahead(db: Database) -> None:
    now = TestClock().now()
    assert await store.attempt(db, DELAY, "clocks", now + SECOND) is None
    assert await store.attempt(db, DELAY, "clocks", now) is None
