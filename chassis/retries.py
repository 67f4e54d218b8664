"""Work that waits in a table: some of it is claimed at a time, and what fails comes again later."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

T = TypeVar("T")

_JITTER: Final = 0.2  # so that what failed together does not come back together


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long something is tried, and how often."""

    first_pause: timedelta
    longest_pause: timedelta
    given_up_after: timedelta

    def again(self, attempts: int, since: datetime, now: datetime) -> datetime | None:
        """When to try again after so many attempts have failed: each pause is twice as long. None gives it up."""
        pause = min(self.first_pause * 2 ** min(attempts - 1, 16), self.longest_pause)
        pause *= random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - jitter
        return now + pause if now + pause < since + self.given_up_after else None


async def work_off(
    claim: Callable[[], Awaitable[Sequence[T]]], attempt: Callable[[T], Coroutine[Any, Any, None]], *, at_a_time: int
) -> None:
    """Attempt everything that is due, in the parts of `at_a_time` that `claim` gives, each part at once."""
    while True:
        claimed = await claim()
        async with asyncio.TaskGroup() as group:
            for each in claimed:
                group.create_task(attempt(each))
        if len(claimed) < at_a_time:
            return
