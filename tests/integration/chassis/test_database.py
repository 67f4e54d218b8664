"""One connection that is a read's and a transaction's in turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Executable, literal, make_url, select, text

import chassis.database
from chassis.database import ASKED_RARELY, PLANNED_ANEW, Database, DatabaseSettings
from chassis.telemetry import Telemetry, TelemetrySettings
from tests.support.databases import Databases
from tests.support.recording import recording
from tests.support.sql import change, rows

NOWHERE = TelemetrySettings(OTEL_EXPORTER_OTLP_ENDPOINT=None, OTEL_TRACES_SAMPLER=None)
ADD = text("INSERT INTO shoes VALUES (:size)")
ALL = text("SELECT size FROM shoes ORDER BY size")
STATE = text(
    "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend' "
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


async def test_who_listens_hears_of_what_has_committed(database: Database) -> None:
    heard: list[int] = []

    async def add(size: int, *channels: str) -> None:
        async with database.transaction() as tx:
            for channel in channels:
                tx.notify(channel)
            await tx.execute(ADD, size=size)
            if size < 0:
                raise LookupError

    with database.listening("shoes", lambda: heard.append(1)), database.listening("shoes", lambda: heard.append(2)):
        async with database.transaction() as tx:
            tx.notify("shoes")
            tx.notify("shoes")
            assert not heard, "nothing has been kept so far"
        assert heard == [1, 2]
        heard.clear()
        with contextlib.suppress(LookupError):
            await add(-1, "shoes")
        await add(1)
        await add(2, "hats")
        assert not heard
    await add(3, "shoes")
    assert not heard
    assert await sizes(database) == [1, 2, 3]


async def test_times_are_whole_whatever_the_databases_own_zone(url: str) -> None:
    name = make_url(url).database
    for zone in ("Europe/Berlin", "America/New_York"):
        await change(url, text(f"ALTER DATABASE \"{name}\" SET timezone = '{zone}'"))
        with Telemetry.started("shoes", NOWHERE) as telemetry:
            async with Database.opened(DatabaseSettings(database_url=SecretStr(url)), telemetry) as database:
                for moment in ("0001-01-01 00:00:00+00", "9999-12-31 23:59:59+00"):
                    (row,) = await database.fetch_all(text(f"SELECT timestamptz '{moment}' AS moment"))
                    assert row.moment == datetime.fromisoformat(moment)
                    async with database.transaction() as tx:
                        found = await tx.find_one(text(f"SELECT timestamptz '{moment}' AS moment"))
                    assert found == row


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


async def test_a_server_that_has_vanished_is_noticed(database: Database) -> None:
    """By the settings of its connections: libpq does the rest, where there is a network in between."""
    async with database._engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        known = driver.info.get_parameters()
    assert {name: known[name] for name in ("keepalives_idle", "keepalives_interval", "keepalives_count")} == {
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
    }
    assert known["tcp_user_timeout"] == "25000"


async def test_of_ever_new_statements_only_some_are_remembered(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    summed_up = []
    original = chassis.database._summary

    def counted(statement: Any, sql: str) -> str:
        summed_up.append(sql)
        return original(statement, sql)

    monkeypatch.setattr(chassis.database, "_summary", counted)
    monkeypatch.setattr(chassis.database, "_SUMMARIES", 2)
    settings = DatabaseSettings(database_url=SecretStr(url), database_pool_size=1)
    with recording("shoes") as recorded:
        async with Database.opened(settings, recorded.telemetry) as database:
            for number in (1, 2, 2, 3, 1):
                await database.fetch_all(text(f"SELECT {number}"))
    assert [sql for sql in summed_up if sql[-1].isdigit()] == [f"SELECT {number}" for number in (1, 2, 3, 1)]


async def test_what_is_planned_anew_is_never_prepared(database: Database) -> None:
    prepared = text("SELECT count(*) AS number FROM pg_prepared_statements WHERE statement LIKE '%shoes WHERE size%'")

    async def after_ten(statement: Executable) -> int:
        for size in range(10):
            await database.fetch_all(statement, size=size)
        found = await database.find_one(prepared)
        assert found is not None
        return int(found.number)

    one_of_a_size = text("SELECT 1 FROM shoes WHERE size = :size")
    assert await after_ten(one_of_a_size.execution_options(**PLANNED_ANEW)) == 0
    assert await after_ten(one_of_a_size) == 1


async def test_of_what_is_asked_rarely_little_is_kept(url: str) -> None:
    settings = DatabaseSettings(database_url=SecretStr(url), database_pool_size=1)
    with recording("shoes") as recorded:
        async with Database.opened(settings, recorded.telemetry) as database:
            kept = database._engine.sync_engine._compiled_cache
            assert kept is not None
            await sizes(database)
            before = len(kept)
            for number in range(100):
                asked = select(literal(number).label(f"size_{number}"))
                for options in (ASKED_RARELY, {**ASKED_RARELY, **PLANNED_ANEW}):
                    found = await database.fetch_all(asked.execution_options(**options))
                    assert [tuple(row) for row in found] == [(number,)]
            assert len(kept) - before <= 2, "what goes around a statement that is planned anew"
            assert 0 < len(database._rare) <= 48
