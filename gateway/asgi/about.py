"""What the gateway says of itself: `/healthz`, `/readyz` and `/health`."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.asgi.door import Own
from gateway.asgi.exchange import JSON, NO_STORE, Reply
from gateway.rates.shared import Shared
from gateway.upstream.health import Checks, State

_REDIS: Final = "redis"


class About:
    """Answers probes."""

    def __init__(
        self, checks: Checks, components: Sequence[str], version: str, *, shared: Shared | None = None
    ) -> None:
        """`components` are health names that servers may know, such as `database`.

        `shared` is where calls are counted, if it is not in this process alone.
        """
        self._checks = checks
        self._components = components
        self._version = version
        self._shared = shared
        self.draining = False

    @property
    def paths(self) -> Mapping[bytes, Own]:
        """Where the answers are."""
        return {
            b"/healthz": lambda _: self.alive(),
            b"/readyz": lambda _: self.ready(),
            b"/health": lambda _: self.health(),
        }

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
        status = _status(well=well)
        if self._shared is not None:
            redis = components.get(_REDIS, State.NOT_CONFIGURED)
            if not self._shared.there:
                components[_REDIS] = State.UNAVAILABLE
                status = State.DEGRADED.value if well else status  # everything is answered all the same
            elif redis is State.NOT_CONFIGURED:
                components[_REDIS] = State.OK
        return _reply(
            well=well,
            content={
                "status": status,
                "version": self._version,
                **_values(components),
                "services": _values(services),
            },
        )


def _all_ok(states: Mapping[str, State]) -> bool:
    return all(state is State.OK for state in states.values())


def _status(*, well: bool) -> str:
    return str((State.OK if well else State.UNAVAILABLE).value)


def _values(states: Mapping[str, State]) -> dict[str, str]:
    return {name: state.value for name, state in states.items()}


def _reply(*, well: bool, content: Mapping[str, object]) -> Reply:
    return Reply(200 if well else 503, (JSON, NO_STORE), json.dumps(content).encode(), probe=True)
