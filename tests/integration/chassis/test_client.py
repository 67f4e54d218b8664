"""Calls to other services, when the caller goes."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from chassis.client import connected
from chassis.telemetry import Telemetry, TelemetrySettings


async def test_a_call_ends_with_who_waits_for_it() -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def waits(_request: bytes, _context: Any) -> bytes:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return b""

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handlers: Any = {"Sell": grpc.unary_unary_rpc_method_handler(waits)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shoes.v1.Shop", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    with Telemetry.started("shoes", TelemetrySettings()) as telemetry:
        async with connected(f"127.0.0.1:{port}", telemetry) as channel, asyncio.timeout(30):
            sell: Any = channel.unary_unary("/shoes.v1.Shop/Sell")

            async def customer() -> None:
                await sell(b"", timeout=60)

            waiting = asyncio.create_task(customer())
            await entered.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await left.wait()
    await server.stop(0)
