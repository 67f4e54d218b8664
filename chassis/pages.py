"""Page tokens (AIP-158): opaque, made only here, and good only for the question that they continue.

A token is `base64url(MAC ‖ cursor)`. The MAC covers the question as well: the method, who may have asked, and every
argument but the page size. A token proves nothing about access, which is asked for again with every page.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from uuid import UUID

from chassis import base64url
from chassis.errors import FieldViolation, InvalidArgument
from chassis.ids import parse_id

_MAC_BYTES = 16

DEFAULT_SIZE = 20
LARGEST_SIZE = 100


class BadPageToken(InvalidArgument):
    """This page token was not made for this question."""

    reason = "PAGE_TOKEN_INVALID"

    def __init__(self) -> None:
        """There is one thing to say about every bad token."""
        super().__init__(FieldViolation("page_token", "is not a token that this method gave out for these arguments"))


def size_of_page(asked: int) -> int:
    """How many items a page holds: 0 stands for 20, and nobody gets more than 100."""
    return min(asked or DEFAULT_SIZE, LARGEST_SIZE)


def id_in(cursor: Sequence[str | int]) -> UUID:
    """The id that a cursor is.

    Raises:
        BadPageToken: It is something else.
    """
    match cursor:
        case [str(text)] if (found := parse_id(text)) is not None:
            return found
        case _:
            raise BadPageToken


class PageTokens:
    """Makes and reads page tokens with one secret key."""

    def __init__(self, key: bytes) -> None:
        """`key` is secret and shared by all replicas of a service."""
        self._key = key

    def issue(self, question: Sequence[str], cursor: Sequence[str | int]) -> str:
        """A token that continues `question` after `cursor`."""
        content = json.dumps(list(cursor), separators=(",", ":")).encode()
        return base64url.encoded(self._mac(question, content) + content)

    def read(self, question: Sequence[str], token: str) -> list[str | int]:
        """The cursor inside of a token.

        Raises:
            BadPageToken: We did not make it, or not for this question.
        """
        raw = base64url.decoded(token)
        if raw is None:
            raise BadPageToken
        mac, content = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(question, content)):
            raise BadPageToken
        cursor: list[str | int] = json.loads(content)
        return cursor

    def _mac(self, question: Sequence[str], content: bytes) -> bytes:
        asked = json.dumps(list(question)).encode()
        return hmac.digest(self._key, asked + b"\0" + content, hashlib.sha256)[:_MAC_BYTES]
