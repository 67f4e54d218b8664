"""What changes service accounts."""

from enum import Enum

from chassis.clock import Clock
from chassis.database import Database
from chassis.ids import new_id
from identity_service.service_accounts import store
from identity_service.service_accounts.domain import Provision, ServiceAccountId, digest_of, surplus


class Provisioned(Enum):
    """What it took to make a service account what it ought to be."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class ServiceAccountCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Change `db`."""
        self._db = db
        self._clock = clock

    async def provision(self, wanted: Provision) -> Provisioned:
        """Make the account what it ought to be. Those who do it at the same time queue.

        A secret that works already changes nothing. A new one is added beside the newest, and the oldest has to go. An
        account that somebody has disabled stays so.
        """
        now = self._clock.now()
        digest = digest_of(wanted.secret)
        async with self._db.transaction() as tx:
            is_new = await store.add(tx, ServiceAccountId(new_id()), wanted, now)
            account = await store.lock(tx, wanted.name)
            has_changed = (account.scopes, account.audiences) != (wanted.scopes, wanted.audiences)
            if has_changed:
                await store.change(tx, account.id, wanted, now)
            kept = await store.secrets_of(tx, account.id)
            if not any(secret.digest == digest and secret.is_live(now) for secret in kept):
                for old in surplus(kept, now=now):
                    await store.revoke_secret(tx, old.id, now)
                await store.add_secret(tx, new_id(), account.id, digest, now)
                has_changed = True
        if is_new:
            return Provisioned.CREATED
        return Provisioned.CHANGED if has_changed else Provisioned.UNCHANGED
