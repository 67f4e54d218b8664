"""One `grpc.aio.Server`: how it is built, started, drained and stopped."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis.call import Call, Context
from chassis.config import ConfigError, Settings
from chassis.health import Health, Probe
from chassis.interceptors import InFlight, Interceptor, check_permitted, composed
from chassis.policy import Method, methods_of
from chassis.proxies import Networks

log = structlog.get_logger()

LARGEST_MESSAGE = 4 * 1024 * 1024
_LARGEST_METADATA = 16 * 1024

_OPTIONS: Sequence[tuple[str, int]] = (
    # On by default, it lets two servers share a port without a word, each getting half of the calls.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_metadata_size", _LARGEST_METADATA),
    # Clients that balance by DNS look for new replicas when a connection ends; so connections end now and then.
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
)


class ServerSettings(Settings):
    """What every server can be told. Services add their own."""

    listen: str
    """host:port; port 0 takes any that is free."""
    reflection: bool = True
    drain_delay_s: float = 0.0
    """How long to go on answering after readiness is withdrawn, for load balancers to notice."""
    trusted_proxies: Networks = ()
    """Addresses and networks whose word counts for where a call comes from, such as the gateway's."""
    grace_s: float = 10.0
    """How long calls that were accepted may take to end."""


# By whether the client streams, and whether the server does.
_KINDS: Mapping[tuple[bool, bool], Callable[..., "grpc.RpcMethodHandler[Any, Any]"]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
}


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the contract, and who answers for it: each of its methods is found on one of the servicers."""

    descriptor: ServiceDescriptor
    servicers: tuple[object, ...]

    def behaviour(self, name: str) -> Callable[..., Any]:
        """What answers the method of that name."""
        found = [getattr(servicer, name) for servicer in self.servicers if hasattr(servicer, name)]
        if len(found) != 1:
            raise LookupError(f"{self.descriptor.full_name}/{name} is answered by {len(found)} servicers, not by one")
        behaviour: Callable[..., Any] = found[0]
        return behaviour


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers calls."""

    port: int


@asynccontextmanager
async def serving(
    settings: ServerSettings,
    services: Sequence[Service],
    interceptors: tuple[Interceptor, ...],
    in_flight: InFlight,
    needed: Mapping[str, Probe],
    *,
    informing: Mapping[str, Probe] | None = None,
    on_drain: Callable[[], None] = lambda: None,
) -> AsyncIterator[Server]:
    """Answer calls until the block is left, then answer those that were accepted and stop.

    Calls are only invited while every component is reachable that is `needed`; `informing` ones are for people to look
    at. `on_drain` ends streams that would go on for ever: they hold up the stop.

    Raises:
        ConfigError: The address cannot be listened on.
        PolicyMissing: A method does not say who may call it.
    """
    server = grpc.aio.server(options=_OPTIONS)
    for service in services:
        server.add_generic_rpc_handlers((_handlers(service, interceptors),))
    names = [service.descriptor.full_name for service in services]
    health = Health(names, needed, informing)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    if settings.reflection:
        health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        reflection.enable_server_reflection((*names, health_name, reflection.SERVICE_NAME), server)
    try:
        port = server.add_insecure_port(settings.listen)
    except RuntimeError:
        raise ConfigError(f"cannot listen on {settings.listen}: is the port taken?") from None
    async with health.watching():
        await server.start()
        log.info("serving", listen=settings.listen, port=port)
        try:
            yield Server(port)
        finally:
            await health.drain()
            await asyncio.sleep(settings.drain_delay_s)
            health.end()
            on_drain()
            await server.stop(settings.grace_s)
            try:
                async with asyncio.timeout(settings.grace_s):
                    await in_flight.ended()  # `stop` does not wait for calls that abort
            except TimeoutError:
                log.warning("calls did not end in time", grace_s=settings.grace_s)
            log.info("stopped")


def _handlers(service: Service, interceptors: tuple[Interceptor, ...]) -> grpc.GenericRpcHandler:
    """The service's methods as grpc knows them, with the interceptors around each."""
    return grpc.method_handlers_generic_handler(
        service.descriptor.full_name,
        {
            name: _handler(method, service.behaviour(name), interceptors)
            for name, method in methods_of(service.descriptor)
        },
    )


def _handler(
    method: Method, behaviour: Callable[..., Any], interceptors: tuple[Interceptor, ...]
) -> "grpc.RpcMethodHandler[Any, Any]":
    """Requests arrive as bytes: they are parsed once it is known who sent them.

    Raises:
        LookupError: The method streams both ways, which nothing here is made for.
    """
    if (method.client_streaming, method.server_streaming) not in _KINDS:
        raise LookupError(f"{method.name} streams both ways")

    async def unary(call: Call) -> Message | None:
        answer: Message = await behaviour(call.request, call.context)
        return answer

    async def stream(call: Call) -> None:
        async for message in behaviour(call.request, call.context):
            check_permitted(call)  # before anything of it is out
            try:
                await call.context.write(message)
            except grpc.aio.InternalError:
                # A client that reads slowly has gone in the middle of it; no bug, though the library calls it one.
                raise asyncio.CancelledError from None

    answered = composed(interceptors, stream if method.server_streaming else unary)

    async def handle(payload: bytes | AsyncIterator[bytes], context: Context) -> Message | None:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        return await answered(Call(method, context, metadata, payload))

    make = _KINDS[method.client_streaming, method.server_streaming]
    handler: grpc.RpcMethodHandler[Any, Any] = make(
        handle,
        request_deserializer=None,
        response_serializer=method.response_class.SerializeToString,
    )
    return handler
