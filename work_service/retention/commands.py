"""What goes for good."""

from datetime import timedelta
from functools import partial

from chassis.clock import Clock
from chassis.database import Database
from work_service.retention import store

_BATCH = 500


class Retention:
    """Keeps what was deleted for a while, and then no longer."""

    def __init__(self, db: Database, clock: Clock, *, kept_for: timedelta) -> None:
        """What was deleted can be brought back for so long."""
        self._db = db
        self._clock = clock
        self._kept_for = kept_for

    async def sweep(self) -> None:
        """Remove what was deleted long enough ago, with all that hangs on it. A batch at a time: nobody waits long."""
        now = self._clock.now()
        before = now - self._kept_for
        for table, old in store.SWEPT:
            sweep = partial(store.sweep, table=table, old=old, before=before, most=_BATCH, now=now)
            await self._db.in_batches(sweep, most=_BATCH)
