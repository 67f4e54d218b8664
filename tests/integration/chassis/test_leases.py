"""Work that one of several processes does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from chassis.database import Database, DatabaseSettings
from chassis.leases import Leases, repeatedly
from identity_service.tables import leases
from tests.support.clock import TestClock
from tests.support.databases import Databases
from tests.support.recording import recording

MINUTE = timedelta(minutes=1)
AT_ONCE = timedelta(milliseconds=1)


@pytest.fixture
async def db(databases: Databases) -> AsyncIterator[Database]:
    with recording("identity") as recorded:
        settings = DatabaseSettings(database_url=SecretStr(databases.clone("identity")))
        async with Database.opened(settings, recorded.telemetry) as opened:
            yield opened


async def test_a_lease_is_one_holders_until_it_runs_out(db: Database) -> None:
    clock = TestClock()
    first, second = Leases(db, clock, leases), Leases(db, clock, leases)
    assert await first.take("sweep", MINUTE)
    assert await first.take("sweep", MINUTE), "renewed"
    assert not await second.take("sweep", MINUTE)
    assert await second.take("another", MINUTE)
    clock.advance(minutes=2)
    assert await second.take("sweep", MINUTE)
    assert not await first.take("sweep", MINUTE)


async def test_periodic_work_is_done_by_the_holder_only(db: Database) -> None:
    clock = TestClock()
    mine, theirs = Leases(db, clock, leases), Leases(db, clock, leases)
    assert await theirs.take("sweep", timedelta(hours=12))
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    async with mine.periodically("sweep", work, every=AT_ONCE):
        for _ in range(5):
            assert await theirs.take("sweep", timedelta(hours=12))
        assert not done.is_set()
        clock.advance(days=2)
        await asyncio.wait_for(done.wait(), 20)


async def test_a_lease_from_the_future_is_nobodys(db: Database) -> None:
    """Its holder's clock was ahead, and has been set right."""
    ahead, right = TestClock(), TestClock()
    ahead.advance(hours=24 * 30)
    assert await Leases(db, ahead, leases).take("sweep", MINUTE)
    mine, theirs = Leases(db, right, leases), Leases(db, right, leases)
    assert await mine.take("sweep", MINUTE)
    assert not await theirs.take("sweep", MINUTE)


async def test_what_goes_wrong_is_logged_and_tried_again() -> None:
    done, tries = asyncio.Event(), 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ZeroDivisionError
        done.set()

    with capture_logs() as logged:
        async with repeatedly("fragile", work, every=AT_ONCE):
            await asyncio.wait_for(done.wait(), 20)
    failed = [line["name"] for line in logged if line["event"] == "periodic work failed"]
    assert failed.count("fragile") == 1


async def test_who_is_woken_does_not_wait_for_the_time() -> None:
    woken, done = asyncio.Event(), asyncio.Queue[int]()
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        done.put_nowait(tries)

    async with repeatedly("sleeper", work, every=timedelta(days=1), woken=woken):
        assert await asyncio.wait_for(done.get(), 20) == 1
        woken.set()
        assert await asyncio.wait_for(done.get(), 20) == 2
        assert done.empty()
