"""Counting calls a minute, in a window that slides.

A call counts wholly in the minute it is made in, and less and less in the next one: as if the calls of one minute
were spread evenly over it. Nobody gets twice their budget around the turn of a minute, and two numbers are all that
has to be kept of a caller.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import floor
from typing import Final, Protocol

WINDOW_S: Final = 60

_MOST_KEYS: Final = 200_000
"""Callers in a minute. Who controls more addresses than that is not held up by counting them."""


@dataclass(frozen=True, slots=True)
class Count:
    """How one budget stands."""

    admitted: bool
    remaining: int
    wait_s: float
    """Until another call is admitted where none is; else how long the minute goes on."""


class Windows(Protocol):
    """Where calls are counted."""

    async def take(self, key: str, limit: int) -> Count:
        """Take one call from the budget under `key`, if it is not used up."""
        ...


class Memory:
    """Counts for this process alone. What is two minutes old is forgotten as a whole: nothing has to be swept."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most_keys: int = _MOST_KEYS) -> None:
        """Nothing is counted so far."""
        self._clock = clock
        self._most_keys = most_keys
        self._minute = 0.0
        self._before: dict[str, int] = {}
        self._counted: dict[str, int] = {}

    async def take(self, key: str, limit: int) -> Count:
        """Take one call from the budget under `key`, if it is not used up."""
        minute, into = divmod(self._clock(), WINDOW_S)
        if minute != self._minute:
            self._before = self._counted if minute == self._minute + 1 else {}
            self._counted, self._minute = {}, minute
        before, counted = self._before.get(key, 0), self._counted.get(key, 0)
        rest = WINDOW_S - into
        admitted = weighed(before, rest, counted) < limit
        if admitted:
            counted += 1
            if counted > 1 or len(self._counted) < self._most_keys:
                self._counted[key] = counted
        return count(limit, before, rest, counted, rest, admitted=admitted)


def weighed(before: int, fading: float, counted: int) -> int:
    """How many calls count now; those `before` do for `fading` seconds more, and less and less."""
    return floor(before * fading / WINDOW_S) + counted


def count(limit: int, before: int, fading: float, counted: int, rest: float, *, admitted: bool) -> Count:
    """How a budget stands; `rest` is how long the minute goes on."""
    remaining = max(0, limit - weighed(before, fading, counted))
    return Count(admitted, remaining, rest if remaining else _wait_s(limit, before, fading, counted, rest))


def _wait_s(limit: int, before: int, fading: float, counted: int, rest: float) -> float:
    """How long until so many calls have faded that another one is admitted."""
    if counted < limit:
        return fading - (limit - counted) * WINDOW_S / before
    return rest + WINDOW_S - limit * WINDOW_S / counted
