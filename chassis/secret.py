"""Keys out of one secret: each purpose gets its own, so that none of them says anything about another."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derived_key(secret: bytes, purpose: str, *, salt: bytes | None = None) -> bytes:
    """32 bytes for `purpose` (HKDF with SHA-256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose.encode()).derive(secret)
