"""Calls to other services: one channel per address, and one CLIENT span per call."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from opentelemetry.trace import SpanKind

from chassis.telemetry import Telemetry, failed, outgoing

_OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.keepalive_time_ms", 60_000),
    # Look for the peer again soon after it went away, and every second at least: until then calls fail at once.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.enable_http_proxy", 0),  # HTTP_PROXY is for what is outside
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
)


@asynccontextmanager
async def connected(address: str, telemetry: Telemetry) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to `address` until the block is left. Connects when it is first used."""
    async with grpc.aio.insecure_channel(address, options=_OPTIONS, interceptors=[Traced(telemetry)]) as channel:
        yield channel


class Traced(grpc.aio.UnaryUnaryClientInterceptor):
    """One CLIENT span per call; the callee continues the trace."""

    def __init__(self, telemetry: Telemetry) -> None:
        """Spans are made by `telemetry`."""
        self._tracer = telemetry.tracer

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        """The answer, or what was raised instead."""
        name = _name(client_call_details.method)
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
        ) as span:
            details = grpc.aio.ClientCallDetails(
                method=client_call_details.method,
                timeout=client_call_details.timeout,
                metadata=grpc.aio.Metadata(*(client_call_details.metadata or ()), *outgoing()),
                credentials=client_call_details.credentials,
                wait_for_ready=client_call_details.wait_for_ready,
            )
            call = await continuation(details, request)
            try:
                code = await call.code()
            except asyncio.CancelledError:
                call.cancel()  # nobody waits for it any more
                raise
            span.set_attributes({"rpc.system.name": "grpc", "rpc.method": name, "rpc.response.status_code": code.name})
            if code != grpc.StatusCode.OK:
                failed(span, code.name)
            return call


def _name(method: str | bytes) -> str:
    """`tandem.work.v1.TaskService/GetTask`; grpc.aio hands out bytes, whatever its types say."""
    return (method.decode() if isinstance(method, bytes) else method).lstrip("/")
