"""PostgreSQL through SQLAlchemy Core: the only module that executes SQL.

Reads run in autocommit, one round trip each. Changes run in a transaction that is a visible block. What the database
says when it cannot is turned into outcomes here; what a constraint says is turned into outcomes by `refusals`.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Annotated, Any

import structlog
from opentelemetry.trace import SpanKind
from pydantic import AfterValidator, Field, SecretStr
from sqlalchemy import Executable, Insert, Row, Select, Table, Update, event, make_url, text
from sqlalchemy import exc as sqlalchemy_errors
from sqlalchemy.engine.interfaces import CoreExecuteOptionsParameter
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.dml import Delete
from sqlalchemy.sql.util import find_tables
from sqlalchemy.util import LRUCache

from chassis.config import Settings
from chassis.errors import Aborted, DomainError, Unavailable
from chassis.telemetry import Telemetry, failed

log = structlog.get_logger()

_CONNECT_TIMEOUT_S = 5
_POOL_TIMEOUT_S = 5  # a request that waits longer for a connection is better told so
_SUMMARIES = 1_000  # of statements that are remembered
_RARE = 24  # statements of ASKED_RARELY that are kept compiled: each may take a megabyte
_RECYCLE_S = 1800  # so that connections follow a fail-over or a new address of the server

_ALIVE: Mapping[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # ms
}
"""libpq's settings by which a server that has vanished without a word is noticed within half a minute, not hours."""

_LOCK_NOT_AVAILABLE = "55P03"
_QUERY_CANCELED = "57014"  # by statement_timeout: whoever cancels otherwise does not read the answer
_TRY_AGAIN = frozenset({"40001", "40P01"})  # serialization failure, deadlock


PLANNED_ANEW: Mapping[str, Any] = {"planned_anew": True}
"""Execution options of a statement whose best plan depends on what is asked: no plan is kept for the next time."""

ASKED_RARELY: Mapping[str, Any] = {"asked_rarely": True}
"""Execution options of a statement of which callers can think up ever new ones: few of them are remembered."""


class DatabaseUnavailable(Unavailable):
    """The database cannot answer."""

    reason = "DATABASE_UNAVAILABLE"


class DatabaseTooSlow(Unavailable):
    """The database took too long."""

    reason = "DATABASE_TOO_SLOW"


class ConcurrentModification(Aborted):
    """Somebody else changed the same things at the same time."""

    reason = "CONCURRENT_MODIFICATION"


class LockTimeout(Aborted):
    """Somebody else is changing this."""

    reason = "LOCK_TIMEOUT"


def _of_postgresql(value: SecretStr) -> SecretStr:
    try:
        url = make_url(value.get_secret_value())
    except (sqlalchemy_errors.ArgumentError, ValueError):  # whose words may be a part of the password
        raise ValueError("is not a URL") from None
    if url.get_backend_name() != "postgresql" or not url.database:
        raise ValueError("must look like postgresql://user:password@host:port/database")
    return SecretStr(url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False))


class DatabaseSettings(Settings):
    """What a service that has a database can be told about it."""

    database_url: Annotated[SecretStr, AfterValidator(_of_postgresql)]
    database_pool_size: int = Field(default=10, ge=1)
    database_prepared_statements: bool = True
    """Turn off behind poolers that lose them between transactions: PgBouncer before 1.22."""


class Transaction:
    """A transaction that is open; everything in it commits together, or not at all."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Speak through `connection`, which has begun."""
        self._connection = connection
        self.notified: set[str] = set()
        """Channels on which something is to be heard once this has committed."""

    async def find_one(self, statement: Executable, /, **parameters: Any) -> Row[Any] | None:
        """The first row, or None."""
        with outcomes():
            return (await self._connection.execute(statement, parameters)).first()

    async def fetch_all(self, statement: Executable, /, **parameters: Any) -> Sequence[Row[Any]]:
        """Every row."""
        with outcomes():
            return (await self._connection.execute(statement, parameters)).all()

    async def execute(self, statement: Executable, /, **parameters: Any) -> int:
        """How many rows were changed."""
        with outcomes():
            count: int = (await self._connection.execute(statement, parameters)).rowcount
        return count

    async def execute_many(self, statement: Executable, rows: Sequence[Mapping[str, Any]], /) -> int:
        """Once per row, in their order, in one round trip; how many rows were changed."""
        with outcomes():
            count: int = (await self._connection.execute(statement, rows)).rowcount
        return count

    def notify(self, channel: str) -> None:
        """Have those in this process who listen to `channel` hear of it, once this has committed."""
        self.notified.add(channel)


class Database:
    """One database and its pool of connections."""

    def __init__(self, engine: AsyncEngine, probes: AsyncEngine) -> None:
        """Use `opened`."""
        self._engine = engine
        self._probes = probes
        self._rare = LRUCache[Any, Any](_RARE)
        self._transactional = engine.execution_options(isolation_level="READ COMMITTED")
        self._listeners: dict[str, list[Callable[[], None]]] = {}

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: DatabaseSettings, telemetry: Telemetry) -> AsyncIterator["Database"]:
        """The database, closed when the block is left. Connects when it is first used."""
        engine = _engine(settings, settings.database_pool_size)
        # Probes have a connection of their own: that all the others are busy says nothing about the database.
        probes = _engine(settings, 1)
        if telemetry.recorded:
            _trace(engine, telemetry)
        try:
            yield cls(engine, probes)
        finally:
            await engine.dispose()
            await probes.dispose()

    async def find_one(self, statement: Executable, /, **parameters: Any) -> Row[Any] | None:
        """The first row, or None. One round trip, in autocommit."""
        rows = await self.fetch_all(statement, **parameters)
        return rows[0] if rows else None

    async def fetch_all(self, statement: Executable, /, **parameters: Any) -> Sequence[Row[Any]]:
        """Every row. One round trip, in autocommit; tried again once when the connection turns out to be broken."""
        with outcomes():
            try:
                return await self._read(statement, parameters)
            except sqlalchemy_errors.DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            return await self._read(statement, parameters)

    async def _read(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Row[Any]]:
        options = statement.get_execution_options()
        kept: CoreExecuteOptionsParameter = {"compiled_cache": self._rare} if "asked_rarely" in options else {}
        async with self._engine.connect() as connection:
            if "planned_anew" not in options:
                return (await connection.execute(statement, parameters, execution_options=kept)).all()
            async with _unprepared(connection):
                return (await connection.execute(statement, parameters, execution_options=kept)).all()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """READ COMMITTED. Leaving the block commits; an exception rolls back."""
        with outcomes():
            async with self._transactional.begin() as connection:
                tx = Transaction(connection)
                yield tx
        for channel in tx.notified:
            for hear in self._listeners.get(channel, ()):
                hear()

    async def in_batches(self, some: Callable[[Transaction], Awaitable[int]], *, most: int) -> None:
        """Do what takes up to `most` rows, in a transaction each time, until it has found fewer: nobody waits long."""
        found = most
        while found == most:
            async with self.transaction() as tx:
                found = await some(tx)

    @contextmanager
    def listening(self, channel: str, hear: Callable[[], None]) -> Iterator[None]:
        """Call `hear` behind every transaction that notifies of `channel`, until the block is left.

        Not PostgreSQL's NOTIFY, which poolers do not carry: what other processes commit is not heard.
        """
        listeners = self._listeners.setdefault(channel, [])
        listeners.append(hear)
        try:
            yield
        finally:
            listeners.remove(hear)

    async def is_reachable(self, *, within: timedelta = timedelta(seconds=2)) -> bool:
        """Whether the database answers."""
        try:
            async with asyncio.timeout(within.total_seconds()), self._probes.connect() as connection:
                await connection.execute(_PING)
        except (sqlalchemy_errors.SQLAlchemyError, TimeoutError):
            return False
        return True


_PING = text("SELECT 1")


def _engine(settings: DatabaseSettings, pool_size: int) -> AsyncEngine:
    engine = create_async_engine(
        settings.database_url.get_secret_value(),
        execution_options={"preserve_rowcount": True},  # else INSERTs have none
        isolation_level="AUTOCOMMIT",  # what reads run in; transactions change it on their way in and out
        skip_autocommit_rollback=True,  # after a read there is nothing to roll back
        hide_parameters=True,  # they hold what people wrote; errors end up in logs
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT_S,
        pool_recycle=_RECYCLE_S,
        pool_use_lifo=True,
        connect_args={
            **_ALIVE,
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "prepare_threshold": 5 if settings.database_prepared_statements else None,
        },
    )
    event.listen(engine.sync_engine, "connect", _in_utc)
    return engine


def _in_utc(connection: Any, _: Any) -> None:
    """Times come in the session's zone, and in others than UTC the last ones of the year 9999 are none to Python."""
    cursor = connection.cursor()
    cursor.execute("SET TIME ZONE 'UTC'")
    cursor.close()
    connection.commit()


@asynccontextmanager
async def _unprepared(connection: AsyncConnection) -> AsyncIterator[None]:
    """The driver prepares nothing in this block: a plan that PostgreSQL keeps is made for values it does not know."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    threshold = driver.prepare_threshold
    driver.prepare_threshold = None
    try:
        yield
    finally:
        driver.prepare_threshold = threshold


@contextmanager
def outcomes() -> Iterator[None]:
    """Say in our words why the database could not do it; anything unlisted stays a bug."""
    try:
        yield
    except sqlalchemy_errors.TimeoutError as error:
        raise DatabaseUnavailable(retry_after=timedelta(seconds=1)) from error
    except sqlalchemy_errors.DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        if state == _LOCK_NOT_AVAILABLE:
            raise LockTimeout(retry_after=timedelta(milliseconds=250)) from error
        if state in _TRY_AGAIN:
            raise ConcurrentModification(retry_after=timedelta(milliseconds=100)) from error
        if isinstance(error, sqlalchemy_errors.OperationalError) or error.connection_invalidated:
            # What the server says of it, without the DETAIL: that may quote rows.
            said = getattr(getattr(error.orig, "diag", None), "message_primary", None) or type(error.orig).__name__
            log.warning("the database cannot answer", sqlstate=state, message=said)
            outcome = DatabaseTooSlow if state == _QUERY_CANCELED else DatabaseUnavailable
            raise outcome(retry_after=timedelta(seconds=1)) from error
        raise


@contextmanager
def refusals(known: Mapping[str, type[DomainError]]) -> Iterator[None]:
    """Say in our words what a constraint refused, by its name; anything unlisted stays a bug."""
    try:
        yield
    except sqlalchemy_errors.IntegrityError as error:
        diagnostics = getattr(error.orig, "diag", None)
        outcome = known.get(getattr(diagnostics, "constraint_name", None) or "")
        if outcome is None:
            raise
        raise outcome from error


@contextmanager
def waiting(outcome: type[Aborted]) -> Iterator[None]:
    """Say what it was that others had for all the time that we wait."""
    try:
        yield
    except LockTimeout as error:
        raise outcome(retry_after=error.retry_after) from error


def _trace(engine: AsyncEngine, telemetry: Telemetry) -> None:
    """One CLIENT span and one measurement per statement (semantic conventions for PostgreSQL)."""
    duration = telemetry.meter.create_histogram(
        "db.client.operation.duration", unit="s", description="How long a statement took."
    )
    namespace, host = engine.url.database or "", engine.url.host or ""
    known: OrderedDict[str, str] = OrderedDict()

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def before(*happening: Any) -> None:
        _connection, _cursor, statement, _parameters, context, _executemany = happening
        summary = known.get(statement)
        if summary is None:
            summary = _summary(getattr(context, "invoked_statement", None), statement)
            if "asked_rarely" not in context.execution_options:
                known[statement] = summary
                if len(known) > _SUMMARIES:
                    known.popitem(last=False)
        attributes = {"db.system.name": "postgresql", "db.namespace": namespace, "db.query.summary": summary}
        context.span = telemetry.tracer.start_span(
            summary, kind=SpanKind.CLIENT, attributes=attributes | {"db.query.text": statement, "server.address": host}
        )
        context.measured = (time.perf_counter(), attributes)

    def finish(context: Any, error_type: str | None) -> None:
        started, attributes = context.measured
        if error_type is not None:
            attributes["error.type"] = error_type
            failed(context.span, error_type)
        duration.record(time.perf_counter() - started, attributes)
        context.span.end()

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def after(*happening: Any) -> None:
        finish(happening[4], None)

    @event.listens_for(engine.sync_engine, "handle_error")
    def refused(error: Any) -> None:
        if getattr(error.execution_context, "span", None) is not None:
            kind = getattr(error.original_exception, "sqlstate", None) or type(error.original_exception).__name__
            finish(error.execution_context, kind)


def _summary(statement: Any, sql: str) -> str:
    """`SELECT tasks projects`: what a statement does, and with which tables."""
    match statement:
        case Select():
            operation, sources = "SELECT", list(statement.get_final_froms())
        case Insert() | Update() | Delete():
            operation, sources = type(statement).__name__.upper(), [statement.table]
        case _:
            operation, sources = sql.split(maxsplit=1)[0].upper(), []
    tables = (table for source in sources for table in find_tables(source))
    return " ".join(dict.fromkeys([operation, *(table.name for table in tables if isinstance(table, Table))]))
