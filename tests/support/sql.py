"""A look into a database, past the service."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, Row
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


async def rows(url: str, statement: Executable) -> Sequence[Row[Any]]:
    """Every row that the statement gives."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        return (await connection.execute(statement)).all()


async def change(url: str, statement: Executable) -> None:
    """Change something behind the service's back."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(statement)
