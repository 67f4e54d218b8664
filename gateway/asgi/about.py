"""What the gateway says of itself: `/healthz`, `/readyz`, `/health` and `/openapi.json`."""

import json
from collections.abc import Mapping, Sequence

from gateway.asgi.door import Own
from gateway.asgi.exchange import JSON, NO_STORE, Reply
from gateway.errors import Header
from gateway.upstream.health import Checks, State


class About:
    """Answers probes."""

    def __init__(self, checks: Checks, components: Sequence[str], version: str, openapi: bytes | None = None) -> None:
        """`components` are health names that servers may know, such as `database`; `openapi` is the documentation."""
        self._checks = checks
        self._components = components
        self._version = version
        self._openapi = openapi
        self.draining = False

    @property
    def paths(self) -> Mapping[bytes, Own]:
        """Where the answers are."""
        documented = {} if self._openapi is None else {b"/openapi.json": self.openapi}
        return {b"/healthz": self.alive, b"/readyz": self.ready, b"/health": self.health, **documented}

    async def alive(self) -> Reply:
        """The process is up; nothing else is looked at."""
        return _reply(well=True, content={"status": State.OK.value})

    async def ready(self) -> Reply:
        """Requests can be answered: every server is ready, and the gateway is not on its way out."""
        services = await self._checks.services()
        well = _all_ok(services) and not self.draining
        return _reply(well=well, content={"status": _status(well=well), "services": _values(services)})

    async def health(self) -> Reply:
        """Everything at a glance, for people and dashboards."""
        services = await self._checks.services()
        components = await self._checks.components(self._components)
        well = _all_ok(services) and State.UNAVAILABLE not in components.values()
        return _reply(
            well=well,
            content={
                "status": _status(well=well),
                "version": self._version,
                **_values(components),
                "services": _values(services),
            },
        )

    async def openapi(self) -> Reply:
        """The documentation, for tools."""
        return Reply(200, (JSON, _CHECKED), self._openapi or b"", packable=True, own=True)


_CHECKED: Header = (b"cache-control", b"no-cache")


def _all_ok(states: Mapping[str, State]) -> bool:
    return all(state is State.OK for state in states.values())


def _status(*, well: bool) -> str:
    return str((State.OK if well else State.UNAVAILABLE).value)


def _values(states: Mapping[str, State]) -> dict[str, str]:
    return {name: state.value for name, state in states.items()}


def _reply(*, well: bool, content: Mapping[str, object]) -> Reply:
    return Reply(200 if well else 503, (JSON, NO_STORE), json.dumps(content).encode(), own=True)
