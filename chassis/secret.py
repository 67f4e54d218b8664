"""Secrets: text that does not print, and keys that are made out of one for each purpose."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Secret(str):
    """Text that must not end up in a log or a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Nothing of it."""
        return "Secret('…')"


def derived_key(secret: bytes, purpose: str, *, salt: bytes | None = None) -> bytes:
    """32 bytes for `purpose` (HKDF with SHA-256, RFC 5869): no purpose's key says anything about another's."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose.encode()).derive(secret)
