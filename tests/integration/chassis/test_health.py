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

    async with health.watching():
        assert await serves(health, "thing")
        async with asyncio.timeout(20):
            while asked < 3:
                await asyncio.sleep(0.05)
            while not await serves(health, "thing"):
                await asyncio.sleep(0.05)


async def test_a_watcher_that_does_not_read_keeps_nobody_from_hearing() -> None:
    """Anybody may watch, without a token; and readiness is what load balancers go by."""

    class Deaf:
        async def write(self, _: object) -> None:
            await asyncio.Event().wait()

    class Listening:
        def __init__(self) -> None:
            self.heard: asyncio.Queue[Any] = asyncio.Queue()

        async def write(self, answer: Any) -> None:
            await self.heard.put(answer.status)

    async def yes() -> bool:
        return True

    health, listening = Health([], {"database": yes}), Listening()
    question = health_pb2.HealthCheckRequest(service="readiness")
    async with health.watching(), asyncio.TaskGroup() as watchers, asyncio.timeout(20):
        watchers.create_task(health.servicer.Watch(question, Deaf()))
        watchers.create_task(health.servicer.Watch(question, listening))
        assert await listening.heard.get() == health_pb2.HealthCheckResponse.SERVING
        await health.drain()
        assert not await serves(health, "readiness")
        assert await listening.heard.get() == health_pb2.HealthCheckResponse.NOT_SERVING
        health.end()


async def serves(health: Health, name: str) -> bool:
    context: Any = None  # it is not looked at when the name is known
    answer = await health.servicer.Check(health_pb2.HealthCheckRequest(service=name), context)
    return answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_readiness_depends_on_what_is_needed_and_not_on_what_informs() -> None:
    async def yes() -> bool:
        return True

    async def no() -> bool:
        return False

    informed = Health(["a.Service"], {"database": yes}, {"feed": no})
    async with informed.watching():
        for name, expected in {"database": True, "feed": False, "readiness": True, "a.Service": True}.items():
            assert await serves(informed, name) is expected, name
        await informed.drain()
        assert not await serves(informed, "readiness")
    unready = Health(["a.Service"], {"database": no}, {"feed": yes})
    async with unready.watching():
        for name, expected in {"database": False, "feed": True, "readiness": False, "a.Service": False}.items():
            assert await serves(unready, name) is expected, name


async def test_a_busy_pool_is_no_database_that_is_down(databases: Databases) -> None:
    settings = DatabaseSettings(database_url=SecretStr(databases.clone("work")), database_pool_size=1)
    with recording("test") as recorded:
        async with Database.opened(settings, recorded.telemetry) as db, db.transaction() as tx:
            await tx.fetch_all(text("SELECT 1"))
            assert await db.is_reachable()
