"""Budgets that several gateways share, in a real Redis that comes and goes."""

import asyncio
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.rates import shared
from gateway.rates.shared import Shared
from standalone.ports import free_port
from tests.integration.gateway.conftest import Library, gateway_to, serving

pytestmark = pytest.mark.engines

AWAY = "redis is away: calls are counted by each gateway for itself"
BACK = "redis is back: calls are counted for all gateways together"


@dataclass
class Server:
    """A redis-server that keeps nothing."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it listens: a gateway that came before would have found it away."""
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                assert self.process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def told(self, *command: str) -> None:
        telling = await asyncio.create_subprocess_exec(
            "redis-cli", "-p", str(self.port), *command, stdout=subprocess.DEVNULL
        )
        assert await telling.wait() == 0


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    server = Server(free_port(), folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(shared, "_PATIENCE_S", 3.0)  # a machine that is busy for a moment is no Redis that is away
    with running(tmp_path) as server:
        yield server


async def found(counting: Shared) -> None:
    async with asyncio.timeout(30):
        while not counting.there:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def two_gateways(
    descriptors: Path, redis: Server, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    library = Library()
    async with (
        serving(library) as address,
        gateway_to(library, address, descriptors, redis_url=redis.url, **settings) as one,
        gateway_to(library, address, descriptors, redis_url=redis.url, **settings) as other,
    ):
        for gateway in (one, other):
            await reports(gateway.client, "ok")
        yield one.client, other.client


async def reports(client: httpx.AsyncClient, state: str) -> dict[str, Any]:
    """What `/health` says once it says that Redis is in that state."""
    async with asyncio.timeout(30):
        while True:
            health: dict[str, Any] = (await client.get("/health")).json()
            if health["redis"] == state:
                return health
            await asyncio.sleep(0.05)


async def test_gateways_share_a_budget(descriptors: Path, redis: Server) -> None:
    async with two_gateways(descriptors, redis, anonymous_per_minute=4) as (one, other):
        answers = [await client.get("/v1/echo") for client in (one, other) * 4]
        assert [answer.status_code for answer in answers].count(200) == 4
        refused = answers[-1]
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 61
        assert answers[0].headers["ratelimit"].startswith('"anonymous";r=3;t=')
        assert refused.headers["ratelimit"].startswith('"anonymous";r=0;t=')


async def test_while_redis_is_away_each_counts_for_itself_and_then_together_again(
    descriptors: Path, redis: Server
) -> None:
    with capture_logs() as lines:
        async with two_gateways(descriptors, redis, anonymous_per_minute=3) as (one, other):
            await one.get("/v1/echo")
            redis.stop()
            alone = [await client.get("/v1/echo") for client in (one, other) * 8]
            assert {answer.status_code for answer in alone} == {200, 429}
            assert [answer.status_code for answer in alone[:4]] == [200] * 4  # two budgets, and nothing is in them yet
            health = await reports(one, "unavailable")
            assert health["status"] == "degraded"
            assert (await one.get("/readyz")).status_code == 200
            await reports(other, "unavailable")
            redis.start()
            for client in (one, other):
                assert (await reports(client, "ok"))["status"] == "ok"
            answers = [await client.get("/v1/echo") for client in (one, other) * 3]
            assert [answer.status_code for answer in answers].count(200) == 3
    events = [line["event"] for line in lines if line["event"] in (AWAY, BACK)]
    assert (events.count(AWAY), events.count(BACK)) == (2, 2)


async def test_a_redis_that_hangs_holds_up_nobody_for_long(redis: Server) -> None:
    async with shared.opened(redis.url) as counting:
        await found(counting)
        assert (await counting.take("a", 9)).remaining == 8
        redis.send(signal.SIGSTOP)
        try:
            assert (await counting.take("a", 9)).remaining == 8
            assert not counting.there
        finally:
            redis.send(signal.SIGCONT)
        await found(counting)
        assert (await counting.take("b", 9)).remaining == 8


async def test_a_redis_that_answers_and_cannot_count_is_away(redis: Server) -> None:
    async with shared.opened(redis.url) as counting:
        await found(counting)
        await redis.told("config", "set", "maxmemory", "1")
        assert (await counting.take("a", 9)).remaining == 8
        await counting.look()
        assert not counting.there
        await redis.told("config", "set", "maxmemory", "0")
        await found(counting)


async def test_a_connection_that_was_closed_meanwhile_is_made_again(redis: Server) -> None:
    async with shared.opened(redis.url) as counting:
        await found(counting)
        await counting.take("a", 3)
        await redis.told("client", "kill", "type", "normal")
        assert (await counting.take("a", 3)).remaining == 1
        assert counting.there
