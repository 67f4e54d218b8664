"""A clock that tests own."""

from datetime import datetime, timedelta

from chassis.clock import SYSTEM_CLOCK


class TestClock:
    """Stands beside the real one, goes ahead of it when told to, and stands still when told to."""

    __test__ = False

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._stopped: datetime | None = None

    def now(self) -> datetime:
        return (self._stopped or SYSTEM_CLOCK.now()) + self._ahead

    def stop(self) -> None:
        """From now on time passes by `advance` alone."""
        self._stopped = SYSTEM_CLOCK.now()

    def advance(self, **by: float) -> None:
        """`advance(minutes=11)`."""
        self._ahead += timedelta(**by)
