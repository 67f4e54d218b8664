"""What is asked about signing keys."""

from collections.abc import Sequence

from chassis.clock import Clock
from chassis.database import Database
from identity_service.keys import store
from identity_service.keys.domain import SigningKey


class KeyQueries:
    """One method per question."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Ask `db`."""
        self._db = db
        self._clock = clock

    async def list_keys(self) -> Sequence[SigningKey]:
        """The keys that are published, and those that were until lately, the newest first."""
        return await store.list_keys(self._db, self._clock.now())
