"""The keys of today, at hand: what signs, what verifies, what is published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chassis.auth import VerificationKey, verification_keys
from chassis.clock import Clock
from chassis.config import ConfigError
from chassis.database import Database
from chassis.revocations import Revocations
from identity_service.keys import store
from identity_service.keys.domain import SigningKey, State
from identity_service.sealing import CannotOpen, Sealer

KEPT_FOR = timedelta(seconds=30)
"""A key that another replica made is known here by then, and one that retires signs here no longer."""


@dataclass(frozen=True, slots=True)
class _Keys:
    signing: SigningKey
    private: Any
    published: Sequence[Mapping[str, str]]
    verifying: Mapping[str, VerificationKey]
    read_at: datetime


class KeyRing:
    """Reads the signing keys, makes the first one, and hands them out. A `KeySource` for identity itself."""

    def __init__(
        self, db: Database, clock: Clock, sealer: Sealer, revocations: Revocations, *, algorithm: str = "ES256"
    ) -> None:
        """Private halves are sealed with `sealer`. What `revocations` knows to be revoked is read anew at once."""
        self._db = db
        self._clock = clock
        self._sealer = sealer
        self._revocations = revocations
        self._algorithm = algorithm
        self._keys: _Keys | None = None

    async def prepare(self) -> None:
        """Make the first key if there is none; seal anew what the secret key of before has sealed.

        Raises:
            ConfigError: A key that is there was sealed with another secret.
        """
        keys = await store.published(self._db)
        if not any(key.state is State.ACTIVE for key in keys):
            now = self._clock.now()
            first = SigningKey.made(self._algorithm, self._sealer, now=now).activated(now=now)
            async with self._db.transaction() as tx:
                await store.add_first(tx, first)
        try:
            for key in keys:
                if not key.sealed_private_key:
                    continue  # it has signed for the last time
                resealed = self._sealer.resealed(key.sealed_private_key, key.kid)
                if resealed is not None:
                    async with self._db.transaction() as tx:
                        await store.reseal(tx, key, resealed)
            await self._current()
        except CannotOpen:
            raise ConfigError("IDENTITY_SECRET_KEY is not the one that sealed the signing keys") from None

    async def signing(self) -> tuple[str, str, Any]:
        """The name, the algorithm and the private half of the key that signs."""
        keys = await self._current()
        return keys.signing.kid, keys.signing.algorithm, keys.private

    async def published(self) -> Sequence[Mapping[str, str]]:
        """The public halves, as JSON Web Keys."""
        return (await self._current()).published

    async def find(self, kid: str) -> VerificationKey | None:
        """The key that verifies tokens of that name."""
        return (await self._current()).verifying.get(kid)

    def reload(self) -> None:
        """Read the keys anew when they are needed next: they have changed."""
        self._keys = None

    async def _current(self) -> _Keys:
        now = self._clock.now()
        keys = self._keys
        if (
            keys is None
            or not timedelta() <= now - keys.read_at <= KEPT_FOR  # less than nothing: the clock was set back
            or self._revocations.is_key_revoked(keys.signing.kid)
        ):
            found = await store.published(self._db)
            active = next((key for key in found if key.state is State.ACTIVE), None)
            if active is None:
                raise LookupError("no signing key is active")
            jwks = [key.public_jwk for key in found]
            keys = self._keys = _Keys(active, active.opened(self._sealer), jwks, verification_keys(jwks), now)
        return keys
