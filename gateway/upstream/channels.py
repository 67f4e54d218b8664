"""One gRPC channel per server, and which server answers for which service.

Requests and answers pass through as bytes: no message is ever parsed here.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc
import grpc.aio

from gateway.descriptors import ContractUnusable, Method

Rpc = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
StreamRpc = grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
UploadRpc = grpc.aio.StreamUnaryMultiCallable[bytes, bytes]

SLACK = 64 * 1024
"""Protobuf may need more room than JSON did: packed into one message are path and query as well."""
_LARGEST_METADATA = 256 * 1024  # a thousand field violations of an answer

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_metadata_size", _LARGEST_METADATA),
    ("grpc.absolute_max_metadata_size", 2 * _LARGEST_METADATA),  # between the two, it is refused at random
    # No DNS TXT look-ups: retries and balancing are decided here.
    ("grpc.service_config_disable_resolution", 1),
    # HTTP_PROXY is for what is outside.
    ("grpc.enable_http_proxy", 0),
    # Servers allow one ping in twenty seconds; one a minute tells a dead peer from a quiet one.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A server that has come back is found within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # how long one attempt to connect may take, in spite of the name
)
_RETRY = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_RETRY_THROTTLING = {"maxTokens": 100, "tokenRatio": 0.1}  # a server that fails one call in ten is not asked twice


@dataclass(frozen=True, slots=True)
class Upstream:
    """`name`, a service or a package, is answered for at `address`."""

    name: str
    address: str


class Channels:
    """Open channels to every server."""

    def __init__(self, upstreams: Iterable[Upstream], channels: Mapping[str, grpc.aio.Channel]) -> None:
        """`channels` are by address."""
        self._addresses = {upstream.name: upstream.address for upstream in upstreams}
        self._channels = channels

    @property
    def by_name(self) -> dict[str, grpc.aio.Channel]:
        """The channel behind every configured name."""
        return {name: self._channels[address] for name, address in self._addresses.items()}

    def rpc(self, method: Method) -> Rpc:
        """What calls a method that answers once.

        Raises:
            ContractUnusable: Nobody answers for its service.
        """
        rpc: Rpc = self._channel(method).unary_unary(f"/{method.full_name}")
        return rpc

    def stream(self, method: Method) -> StreamRpc:
        """What calls a method that answers in a stream.

        Raises:
            ContractUnusable: Nobody answers for its service.
        """
        rpc: StreamRpc = self._channel(method).unary_stream(f"/{method.full_name}")
        return rpc

    def upload(self, method: Method) -> UploadRpc:
        """What calls a method that takes a stream, and answers once.

        Raises:
            ContractUnusable: Nobody answers for its service.
        """
        rpc: UploadRpc = self._channel(method).stream_unary(f"/{method.full_name}")
        return rpc

    def _channel(self, method: Method) -> grpc.aio.Channel:
        name = _longest_match(method.service, self._addresses)
        if name is None:
            raise ContractUnusable(f"no upstream answers for {method.service}")
        return self._channels[self._addresses[name]]


@asynccontextmanager
async def opened(
    upstreams: tuple[Upstream, ...], methods: Iterable[Method], *, largest_request: int, largest_answer: int
) -> AsyncIterator[Channels]:
    """Channels to every server until the block is left. They connect when first used."""
    options = (
        *_OPTIONS,
        ("grpc.service_config", json.dumps(service_config(methods))),
        ("grpc.max_receive_message_length", largest_answer),
        ("grpc.max_send_message_length", largest_request + SLACK),
    )
    async with AsyncExitStack() as stack:
        channels = {}
        for address in {upstream.address for upstream in upstreams}:
            channels[address] = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=options))
        yield Channels(upstreams, channels)


def service_config(methods: Iterable[Method]) -> dict[str, object]:
    """How channels balance and retry: only what changes nothing is ever asked twice."""
    safe = [{"service": method.service, "method": method.name} for method in methods if method.reads]
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "retryThrottling": _RETRY_THROTTLING,
        "methodConfig": [{"name": safe, "retryPolicy": _RETRY}] if safe else [],
    }


def _longest_match(service: str, names: Iterable[str]) -> str | None:
    matches = [name for name in names if service == name or service.startswith(f"{name}.")]
    return max(matches, key=len, default=None)
