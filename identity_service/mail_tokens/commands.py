"""What removes mail tokens that were never shown."""

from chassis.clock import Clock
from chassis.database import Database
from identity_service.mail_tokens import store

_BATCH = 500


class MailTokenSweeper:
    """Keeps no token that does not work."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Sweep `db`."""
        self._db = db
        self._clock = clock

    async def sweep(self) -> None:
        """Forget those that have expired. A batch at a time: nobody waits long."""
        await self._db.in_batches(lambda tx: store.sweep(tx, now=self._clock.now(), most=_BATCH), most=_BATCH)
