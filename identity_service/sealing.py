"""What is secret in the database, sealed: a dump of it opens nothing.

AES-256-GCM under keys that are made of the service's secret key, one for each purpose. The secret key of before may be
given as well: it still opens what it has sealed, and seals nothing.
"""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis.secret import derived_key

_NONCE_BYTES = 12


class CannotOpen(Exception):
    """This was sealed with another key, for another name, or altered."""


class Sealer:
    """Seals and opens bytes for one purpose."""

    def __init__(self, secrets: Sequence[bytes], purpose: str) -> None:
        """Seal with the first of `secrets`; open what any of them has sealed."""
        self._ciphers = [AESGCM(derived_key(secret, purpose)) for secret in secrets]

    def sealed(self, plain: bytes, name: str) -> bytes:
        """`plain`, bound to `name`: under another name it cannot be opened."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, plain, name.encode())

    def resealed(self, sealed: bytes, name: str) -> bytes | None:
        """The same, sealed with the secret key of today; None when it is already.

        Raises:
            CannotOpen: It was sealed with none of our keys.
        """
        plain = self.opened(sealed, name)
        try:
            self._ciphers[0].decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
        except InvalidTag:
            return self.sealed(plain, name)
        return None

    def opened(self, sealed: bytes, name: str) -> bytes:
        """What was sealed under `name`.

        Raises:
            CannotOpen: With none of our keys.
        """
        nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, content, name.encode())
            except InvalidTag:
                continue
        raise CannotOpen(name)
