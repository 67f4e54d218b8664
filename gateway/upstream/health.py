"""How the servers are, by `grpc.health.v1`.

Answers are kept for a second and asked for once at a time, so that however many probes come in, a server hears few.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

_FRESH_S = 1.0
_PATIENCE_S = 1.0  # under the timeouts of common probes
_CHECK = "/grpc.health.v1.Health/Check"


class State(Enum):
    """What is known of a name."""

    OK = "ok"
    DEGRADED = "degraded"
    """Works, but not as well as it should."""
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    """Who would know cannot be asked."""
    NOT_CONFIGURED = "not_configured"


class Checks:
    """Asks servers about names, and remembers for a moment."""

    def __init__(
        self, channels: Mapping[str, grpc.aio.Channel], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Servers by the names they are configured under."""
        self._checks = {
            name: channel.unary_unary(
                _CHECK,
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            for name, channel in channels.items()
        }
        self._clock = clock
        self._asked: dict[tuple[str, str], tuple[float, asyncio.Task[State]]] = {}

    async def services(self) -> dict[str, State]:
        """Whether each server can answer calls."""
        states = await asyncio.gather(*(self._service(name) for name in self._checks))
        return dict(zip(self._checks, states, strict=True))

    async def components(self, names: Sequence[str]) -> dict[str, State]:
        """Whether what lies behind the servers can be reached: `OK` if all that know the name say so."""
        return {name: await self._component(name) for name in names}

    async def _service(self, server: str) -> State:
        state = await self._kept(server, "readiness")
        if state is State.NOT_CONFIGURED:
            state = await self._kept(server, "")
        if state is State.NOT_CONFIGURED:
            return State.OK  # a server without the health service says that it has none: so it answers
        return State.UNAVAILABLE if state is State.UNKNOWN else state

    async def _component(self, name: str) -> State:
        states = set(await asyncio.gather(*(self._kept(server, name) for server in self._checks)))
        for state in (State.UNAVAILABLE, State.UNKNOWN, State.OK):
            if state in states:
                return state
        return State.NOT_CONFIGURED

    def _kept(self, server: str, name: str) -> Awaitable[State]:
        asked = self._asked.get((server, name))
        if asked is None or (asked[1].done() and self._clock() - asked[0] > _FRESH_S):
            asked = self._clock(), asyncio.create_task(self._check(server, name))
            self._asked[server, name] = asked
        # Shielded: one probe that gives up must not take the answer from the others.
        return asyncio.shield(asked[1])

    async def _check(self, server: str, name: str) -> State:
        try:
            answer = await self._checks[server](health_pb2.HealthCheckRequest(service=name), timeout=_PATIENCE_S)
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED):
                return State.NOT_CONFIGURED
            return State.UNKNOWN
        return State.OK if answer.status == health_pb2.HealthCheckResponse.SERVING else State.UNAVAILABLE
