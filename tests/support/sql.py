"""A look into a database, past the service."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Executable, Row
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_MOST: Final = 4
"""Databases to which connections are kept: those of the system that all share, and those of the test of now."""
_engines: OrderedDict[str, AsyncEngine] = OrderedDict()


async def rows(url: str, statement: Executable) -> Sequence[Row[Any]]:
    """Every row that the statement gives."""
    engine = await _engine_of(url)
    async with engine.connect() as connection:
        return (await connection.execute(statement)).all()


async def change(url: str, statement: Executable) -> None:
    """Change something behind the service's back."""
    engine = await _engine_of(url)
    async with engine.connect() as connection:
        await connection.execute(statement)


async def look_no_more() -> None:
    """Close every connection that was kept."""
    while _engines:
        _, engine = _engines.popitem()
        await engine.dispose()


async def _engine_of(url: str) -> AsyncEngine:
    engine = _engines.get(url)
    if engine is None:
        _engines[url] = engine = create_async_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_pre_ping=True,  # some tests end connections, or the server
            connect_args={"prepare_threshold": None},  # there may be PgBouncer between
        )
        while len(_engines) > _MOST:
            _, oldest = _engines.popitem(last=False)
            await oldest.dispose()
    _engines.move_to_end(url)
    return engine
