"""What is asked about accounts."""

from collections.abc import Sequence

from chassis.database import Database
from identity_service.accounts import store
from identity_service.accounts.domain import NameKind, Profile, User, UserId


class AccountQueries:
    """One method per question."""

    def __init__(self, db: Database) -> None:
        """Ask `db`."""
        self._db = db

    async def get_user(self, user_id: UserId) -> User:
        """The user of that id, or UserNotFound."""
        return await store.get_user(self._db, user_id)

    async def get_profile(self, kind: NameKind, name: str) -> Profile:
        """The person of that name, or UserNotFound: for nobody, and for those who are not to be found."""
        return await store.get_profile(self._db, kind, name)

    async def batch_get_profiles(self, user_ids: Sequence[UserId]) -> Sequence[Profile]:
        """What people are called, in the order in which they were asked for. Ids of nobody are left out."""
        found = await store.batch_get_profiles(self._db, user_ids)
        return [found[user_id] for user_id in user_ids if user_id in found]
