"""Health by `grpc.health.v1`, under names that say what they are about.

- `""` and `liveness`: the process answers. They never look at anything outside of it.
- `readiness` and the full name of every service: calls can be answered now.
- component names, such as `database`: that component can be reached. Readiness depends on some of them; the others only
  inform.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog
from grpc_health.v1 import health, health_pb2

log = structlog.get_logger()

Probe = Callable[[], Awaitable[bool]]

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_PROBE_INTERVAL = timedelta(seconds=1)  # well under the ten seconds of a kubelet's probe


class _Servicer(health.aio.HealthServicer):
    """Ends its streams when told to: a watcher would otherwise hold up `Server.stop` for the whole grace period.

    Nothing is held while a watcher is written to: one that does not read keeps nobody else from hearing.
    """

    def __init__(self) -> None:
        super().__init__()
        self._server_status: dict[str, int] = {"": _SERVING}
        self._ended = asyncio.Event()
        self._changed = asyncio.Event()

    async def set(self, service: str, status: int) -> None:
        self._server_status[service] = status
        self._changed.set()
        self._changed = asyncio.Event()

    def end_watches(self) -> None:
        self._ended.set()

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:
        watching = asyncio.create_task(self._tell(request.service, context))
        ended = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({watching, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
            ended.cancel()
            await asyncio.gather(watching, ended, return_exceptions=True)

    async def _tell(self, service: str, context: Any) -> None:
        told = None
        while True:
            changed = self._changed  # before looking
            status = self._server_status.get(service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != told:
                await context.write(health_pb2.HealthCheckResponse(status=status))
                told = status
            await changed.wait()


class Health:
    """Keeps the health of one process, and serves it."""

    def __init__(
        self, services: Iterable[str], needed: Mapping[str, Probe], informing: Mapping[str, Probe] | None = None
    ) -> None:
        """Ready are the `services` while every component is reachable that is `needed`, and until `drain`."""
        self.servicer = _Servicer()
        self._services = ("readiness", *services)
        self._needed = needed
        self._components = {**needed, **(informing or {})}
        self._draining = False
        self._ready: bool | None = None

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Probe the components until the block is left; the first time before it is entered."""
        await self.servicer.set("liveness", _SERVING)
        await self._probe()
        watching = asyncio.create_task(self._watch(), name="health probes")
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def drain(self) -> None:
        """Say that no more calls should come. The process stays alive."""
        self._draining = True
        await self._publish(ready=False)

    def end(self) -> None:
        """Let go of those who watch."""
        self.servicer.end_watches()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_PROBE_INTERVAL.total_seconds())
            await self._probe()

    async def _probe(self) -> None:
        answers = await asyncio.gather(*(_answers(name, probe) for name, probe in self._components.items()))
        reachable = dict(zip(self._components, answers, strict=True))
        for component, is_reachable in reachable.items():
            await self._set(component, serving=is_reachable)
        await self._publish(ready=all(reachable[name] for name in self._needed) and not self._draining)

    async def _publish(self, *, ready: bool) -> None:
        if ready != self._ready:
            log.info("readiness", ready=ready)
            self._ready = ready
        for name in self._services:
            await self._set(name, serving=ready)

    async def _set(self, name: str, *, serving: bool) -> None:
        await self.servicer.set(name, _SERVING if serving else _NOT_SERVING)


async def _answers(name: str, probe: Probe) -> bool:
    """What a probe says; one that breaks says no, and is asked again."""
    try:
        return await probe()
    except Exception:
        log.exception("a probe broke", component=name)
        return False
