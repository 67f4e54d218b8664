"""What changes the feed beside those who append to it."""

from chassis.clock import Clock
from chassis.database import Database
from identity_service.feed import store

_BATCH = 500


class FeedSweeper:
    """Removes what nobody needs to know any more."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Sweep `db`."""
        self._db = db
        self._clock = clock

    async def sweep(self) -> None:
        """Remove everything that has expired, a batch at a time."""
        await self._db.in_batches(lambda tx: store.sweep(tx, now=self._clock.now(), most=_BATCH), most=_BATCH)
