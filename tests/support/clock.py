"""A clock that tests own."""

from datetime import UTC, datetime, timedelta


class TestClock:
    """Stands beside the real one, and goes ahead of it when told to."""

    __test__ = False

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead  # noqa: TID251 - the real time, moved

    def advance(self, **by: float) -> None:
        """`advance(minutes=11)`."""
        self._ahead += timedelta(**by)
