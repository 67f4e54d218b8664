"""Asking for leave, and being told how long to wait."""

from datetime import timedelta

from chassis.clock import Clock
from chassis.database import Database, Transaction
from identity_service.throttles import store
from identity_service.throttles.domain import Delay, Pace, TooManyRequests

_SHORTEST = timedelta(seconds=1)
_FORGOTTEN_AFTER = timedelta(days=2)  # nothing is counted for longer than a day
_BATCH = 1000


class Throttles:
    """Counts in the database what is asked for."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Count in `db`."""
        self._db = db
        self._clock = clock

    async def take(self, pace: Pace, key: str) -> None:
        """Go on only if there is room for one more.

        Raises:
            TooManyRequests: There is none; says when there will be.
        """
        _refuse(await store.take(self._db, pace, key, self._clock.now()))

    async def allows(self, pace: Pace, key: str) -> bool:
        """Whether there is room for one more, which is taken by this."""
        return await store.take(self._db, pace, key, self._clock.now()) is None

    async def attempt(self, delay: Delay, key: str) -> None:
        """Go on only if it is time for one more attempt. It counts until `clear`.

        Raises:
            TooManyRequests: It is not; says when it will be.
        """
        _refuse(await store.attempt(self._db, delay, key, self._clock.now()))

    async def clear(self, tx: Transaction, delay: Delay, key: str) -> None:
        """Forget the attempts: one of them was right."""
        await store.clear(tx, delay, key)

    async def sweep(self) -> None:
        """Forget what counts no more."""
        await self._db.in_batches(
            lambda tx: store.sweep(tx, before=self._clock.now() - _FORGOTTEN_AFTER, most=_BATCH), most=_BATCH
        )


def _refuse(wait: timedelta | None) -> None:
    if wait is not None:
        raise TooManyRequests(retry_after=max(wait, _SHORTEST))
