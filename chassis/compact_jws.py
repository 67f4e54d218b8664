"""The compact form of a signed token (RFC 7515), read as strictly as it can be.

Whatever could be read in two ways is read in none: two libraries that disagree about a token are a way in. Nothing here
is verified yet; `chassis.auth` does that with what is left.

    token     = header "." claims "." signature
    header    = base64url(JSON object of exactly "alg", "kid" and "typ", all of them text)
    claims    = base64url(JSON object)
    signature = base64url(bytes)

base64url is written without padding, in the one way in which these bytes are written. Objects have no member twice, and
numbers are finite.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chassis import base64url

LONGEST_TOKEN = 8192
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
# Ours have no others. So nothing is critical, nothing is encrypted or nested, and no token brings its own key along.
_HEADER = frozenset({"alg", "kid", "typ"})


@dataclass(frozen=True, slots=True)
class CompactJws:
    """What a token says of itself; nothing of it is proven yet."""

    algorithm: str
    kid: str
    type: str
    claims: Mapping[str, Any]

    @classmethod
    def read(cls, token: str) -> "CompactJws | None":
        """The token's parts, or None for anything that is not one to the letter."""
        if len(token) > LONGEST_TOKEN or not _COMPACT.fullmatch(token):
            return None
        try:
            header, claims, signature = map(_bytes, token.split("."))
            members = _object(header)
            said = _object(claims)
        except (ValueError, RecursionError):
            return None
        if members.keys() != _HEADER or not all(isinstance(value, str) and value for value in members.values()):
            return None
        return cls(members["alg"], members["kid"], members["typ"], said) if signature else None


def _bytes(part: str) -> bytes:
    raw = base64url.decoded(part)
    if raw is None or base64url.encoded(raw) != part:  # the last character may hold bits that say nothing
        raise ValueError("not canonical base64url")
    return raw


def _object(raw: bytes) -> dict[str, Any]:
    """A JSON object. Bytes would be taken for UTF-16 or UTF-32 where they look like it; text is UTF-8."""
    read = json.loads(raw.decode(), object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite)
    if not isinstance(read, dict):
        raise ValueError("not an object")  # noqa: TRY004 - what cannot be read is a ValueError, as above
    return read


def _unique(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(members)
    if len(read) != len(members):
        raise ValueError("a member twice")
    return read


def _finite(number: str) -> float:
    read = float(number)
    if not math.isfinite(read):
        raise ValueError("not a number")
    return read
