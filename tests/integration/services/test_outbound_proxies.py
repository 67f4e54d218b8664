"""Nothing between our own processes goes by the proxy that a machine has for what is outside."""

import asyncio
import runpy
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis.client import connected
from chassis.telemetry import Telemetry, TelemetrySettings
from gateway.upstream import channels, reflection
from gateway.upstream.channels import Upstream
from standalone import readiness
from standalone.settings import PROJECT, Address
from tests.integration.gateway.conftest import Library, serving


@pytest.fixture(autouse=True)
def a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("grpc_proxy", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Of a server that is well."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    servicer = health.aio.HealthServicer()
    await servicer.set("readiness", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


async def answers(channel: Any) -> None:
    await channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=30)


async def test_one_service_calls_another(port: int) -> None:
    with Telemetry.started("shoes", TelemetrySettings()) as telemetry:
        async with connected(f"127.0.0.1:{port}", telemetry) as channel:
            await answers(channel)


async def test_the_gateway_calls_a_service(port: int) -> None:
    upstreams = (Upstream("shoes.v1", f"127.0.0.1:{port}"),)
    async with channels.opened(upstreams, (), largest_request=1000, largest_answer=1000) as opened:
        await answers(opened.by_name["shoes.v1"])


async def test_the_gateway_learns_a_contract() -> None:
    async with serving(Library(), reflects=True) as address:
        assert "library.v1.Library" in (await reflection.learned(address)).services


async def test_who_starts_a_service_asks_whether_it_is_ready(port: int) -> None:
    assert await asyncio.to_thread(readiness.by_grpc(Address("WORK_LISTEN", "127.0.0.1", port)))


async def test_a_container_asks_whether_it_is_ready(port: int) -> None:
    healthcheck = runpy.run_path(str(PROJECT / "deploy" / "healthcheck.py"))
    assert await asyncio.to_thread(healthcheck["answers_grpc"], f"0.0.0.0:{port}") == 0
