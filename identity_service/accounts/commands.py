"""What changes accounts."""

import structlog

from chassis.clock import Clock
from chassis.database import Database
from chassis.ids import new_id
from identity_service.accounts import store
from identity_service.accounts.domain import Registration, UserId, check_password
from identity_service.passwords import Passwords

log = structlog.get_logger()


class AccountCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock, passwords: Passwords, *, password_min_length: int) -> None:
        """Passwords shorter than `password_min_length` are refused."""
        self._db = db
        self._clock = clock
        self._passwords = passwords
        self._password_min_length = password_min_length

    async def register(self, registration: Registration) -> None:
        """Make an account, unless the address has one. The same work is done, and the same nothing returned, both ways.

        Raises:
            WeakPassword: The password is too short.
            UsernameTaken: Somebody has that username.
        """
        check_password(registration.password, minimum=self._password_min_length)
        password_hash = await self._passwords.hash(registration.password)
        user_id = UserId(new_id())
        async with self._db.transaction() as tx:
            is_new = await store.add(tx, user_id, registration, password_hash, self._clock.now())
        if is_new:
            log.info("registered", user_id=str(user_id))
