"""Identifiers: UUIDv7 (RFC 9562), so that rows that are made together lie together."""

import os
import time
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM = ~(0xF << 76 | 0b11 << 62) & (1 << 80) - 1


def new_id() -> UUID:
    """A new UUIDv7: 48 bits of milliseconds since 1970, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    return UUID(int=milliseconds << 80 | random & _RANDOM | _VERSION_7 | _VARIANT)


def parse_id(text: str) -> UUID | None:
    """The UUID that `text` spells in its canonical form, or None."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None
