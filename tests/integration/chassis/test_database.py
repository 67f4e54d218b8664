"""One connection that is a read's and a transaction's in turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from chassis.database import Database, DatabaseSettings
from chassis.telemetry import Telemetry, TelemetrySettings
from tests.support.databases import Databases
from tests.support.sql import change, rows

NOWHERE = TelemetrySettings(OTEL_EXPORTER_OTLP_ENDPOINT=None, OTEL_TRACES_SAMPLER=None)
ADD = text("INSERT INTO shoes VALUES (:size)")
ALL = text("SELECT size FROM shoes ORDER BY size")
STATE = text(
    "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "ORDER BY backend_start DESC LIMIT 1"
)


@pytest.fixture
async def url(databases: Databases) -> str:
    url = databases.clone("work")
    await change(url, text("CREATE TABLE shoes (size integer)"))
    return url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    settings = DatabaseSettings(database_url=SecretStr(url), database_pool_size=1)
    with Telemetry.started("shoes", NOWHERE) as telemetry:
        async with Database.opened(settings, telemetry) as database:
            yield database


async def sizes(database: Database) -> list[int]:
    return [row.size for row in await database.fetch_all(ALL)]


async def state(url: str) -> str:
    """Of the newest connection, as the server sees it."""
    ((found,),) = await rows(url, STATE)
    return str(found)


async def test_a_transaction_is_kept_as_a_whole_or_not_at_all(url: str, database: Database) -> None:
    assert await sizes(database) == []
    async with database.transaction() as tx:
        await tx.execute(ADD, size=41)
        await tx.execute(ADD, size=42)
    with contextlib.suppress(LookupError):
        async with database.transaction() as tx:
            await tx.execute(ADD, size=43)
            raise LookupError
    assert await sizes(database) == [41, 42]
    assert await state(url) == "idle"


async def test_a_read_leaves_no_transaction_open_and_keeps_what_it_writes(url: str, database: Database) -> None:
    async with database.transaction() as tx:
        level = await tx.find_one(text("SELECT current_setting('transaction_isolation') AS level"))
    assert level is not None
    assert level.level == "read committed"
    await database.fetch_all(text("INSERT INTO shoes VALUES (:size) RETURNING size"), size=44)
    assert await state(url) == "idle"
    assert await rows(url, ALL) == [(44,)]


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_the_connection_is_good_after_a_statement_was_cancelled(
    url: str,
    database: Database,
    in_transaction: bool,  # noqa: FBT001  a column of the table
) -> None:
    async def sleep() -> None:
        if not in_transaction:
            await database.fetch_all(text("SELECT pg_sleep(30)"))
        async with database.transaction() as tx:
            await tx.execute(ADD, size=45)
            await tx.fetch_all(text("SELECT pg_sleep(30)"))

    await sizes(database)  # connects
    sleeping = asyncio.create_task(sleep())
    async with asyncio.timeout(10):
        while await state(url) != "active":
            await asyncio.sleep(0.01)
        sleeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sleeping
        assert await sizes(database) == []
        assert await state(url) == "idle"
