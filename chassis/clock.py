"""The time, as something that is handed in: tests own it, and SQL gets it as a parameter."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """This instant, in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """This instant, in UTC, in the microseconds that PostgreSQL keeps."""
        return datetime.now(UTC)  # noqa: TID251 - this is its one home


SYSTEM_CLOCK = SystemClock()
