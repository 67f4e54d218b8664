"""Health, when what it looks at misbehaves."""

import asyncio
from typing import Any

from grpc_health.v1 import health_pb2
from pydantic import SecretStr
from sqlalchemy import text

from chassis.database import Database, DatabaseSettings
from chassis.health import Health
from tests.support.databases import Databases
from tests.support.recording import recording


async def test_a_probe_that_breaks_says_no_and_is_asked_again() -> None:
    asked = 0

    async def probe() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise RuntimeError
        return True

    health = Health([], {"thing": probe})

    async def status() -> int:
        context: Any = None  # it is not looked at when the name is known
        answer = await health.servicer.Check(health_pb2.HealthCheckRequest(service="thing"), context)
        return answer.status

    async with health.watching():
        assert await status() == health_pb2.HealthCheckResponse.SERVING
        async with asyncio.timeout(20):
            while asked < 3:
                await asyncio.sleep(0.05)
            while await status() != health_pb2.HealthCheckResponse.SERVING:
                await asyncio.sleep(0.05)


async def test_a_busy_pool_is_no_database_that_is_down(databases: Databases) -> None:
    settings = DatabaseSettings(database_url=SecretStr(databases.clone("work")), database_pool_size=1)
    with recording("test") as recorded:
        async with Database.opened(settings, recorded.telemetry) as db, db.transaction() as tx:
            await tx.fetch_all(text("SELECT 1"))
            assert await db.is_reachable()
