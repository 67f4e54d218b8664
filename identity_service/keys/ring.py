"""The keys of today, at hand: what signs, what verifies, what is published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidTag

from chassis.auth import VerificationKey, verification_keys
from chassis.clock import Clock
from chassis.config import ConfigError
from chassis.database import Database
from identity_service.keys import store
from identity_service.keys.domain import SigningKey

_KEPT_FOR = timedelta(seconds=30)  # a key that another replica made is known here by then


@dataclass(frozen=True, slots=True)
class _Keys:
    signing: SigningKey
    private: Any
    published: Sequence[Mapping[str, str]]
    verifying: Mapping[str, VerificationKey]
    read_at: datetime


class KeyRing:
    """Reads the signing keys, makes the first one, and hands them out. A `KeySource` for identity itself."""

    def __init__(self, db: Database, clock: Clock, sealing_key: bytes) -> None:
        """Private halves are sealed with `sealing_key`."""
        self._db = db
        self._clock = clock
        self._sealing_key = sealing_key
        self._keys: _Keys | None = None

    async def prepare(self) -> None:
        """Make the first key if there is none.

        Raises:
            ConfigError: The key that is there was sealed with another secret.
        """
        _, active = await store.published(self._db)
        if active is None:
            async with self._db.transaction() as tx:
                await store.add_first(tx, SigningKey.made(self._sealing_key, now=self._clock.now()))
        try:
            await self._current()
        except InvalidTag:
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

    async def _current(self) -> _Keys:
        now = self._clock.now()
        if self._keys is None or now - self._keys.read_at > _KEPT_FOR:
            keys, active = await store.published(self._db)
            if active is None:
                raise LookupError("no signing key is active")
            jwks = [key.public_jwk for key in keys]
            private = active.opened(self._sealing_key)
            self._keys = _Keys(active, private, jwks, verification_keys(jwks), now)
        return self._keys
