"""A database of its own for each test."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from chassis.database import Database, DatabaseSettings
from tests.support.databases import Databases
from tests.support.recording import recording


@pytest.fixture
async def db(databases: Databases) -> AsyncIterator[Database]:
    with recording("identity") as recorded:
        settings = DatabaseSettings(database_url=SecretStr(databases.clone("identity")))
        async with Database.opened(settings, recorded.telemetry) as opened:
            yield opened
