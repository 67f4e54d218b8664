"""What the client says beside the body: which headers count, and what they may hold.

Servers get nothing that is not on a list: `authorization`, what the configuration adds, and what the gateway itself
says (`x-request-id`, `x-forwarded-for` and the trace context).
"""

import re
from base64 import b64decode
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from chassis.ids import new_id
from gateway.errors import Header, Refusal, Violation, refused
from gateway.transcode.request import FORM, NDJSON

Headers = dict[bytes, bytes]

LARGEST = 16 * 1024

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_SHORTEST_S = 1e-3  # gRPC takes a timeout of nothing for no timeout at all
_IDEMPOTENCY_KEY = re.compile(rb"[\x21-\x7e]{1,128}")
PRINTABLE = re.compile(rb"[\x20-\x7e]*")
_METADATA_KEY = re.compile(r"[a-z0-9_.-]+")
_JSON = re.compile(r"application/(?:[a-z0-9!#$&^_.-]+\+)?json")

_NEVER = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-for",
        "x-forwarded-user-agent",
        "x-request-id",
    }
)
_ANSWERED = frozenset(
    {
        "allow",
        "cache-control",
        "content-security-policy",
        "date",
        "etag",
        "location",
        "ratelimit",
        "ratelimit-policy",
        "referrer-policy",
        "retry-after",
        "server",
        "strict-transport-security",
        "user-agent",
        "vary",
        "www-authenticate",
        "x-content-type-options",
    }
)
"""Headers of an answer that the gateway itself is responsible for."""


def read_into(headers: Headers, raw: Iterable[tuple[bytes, bytes]]) -> None:
    """Put the headers under their lower-case names; one that came several times is a list (RFC 9110, 5.3).

    Raises:
        Refusal: They are too large.
    """
    size = 0
    for name, value in raw:
        size += len(name) + len(value)
        headers[name] = headers[name] + b", " + value if name in headers else value
    if size > LARGEST:
        raise refused(431, "INVALID_ARGUMENT", "HEADERS_TOO_LARGE", f"the headers are larger than {LARGEST} bytes")


def forwardable(name: str) -> bool:
    """Whether a header may be put on the list: none that belongs to a connection, to gRPC, or to the gateway."""
    return (
        name not in _NEVER
        and not name.startswith((":", "grpc-"))
        and not name.endswith("-bin")
        and _METADATA_KEY.fullmatch(name) is not None
    )


def returnable(name: str) -> bool:
    """Whether metadata of that name may become a header of an answer."""
    return forwardable(name) and name not in _ANSWERED and not name.startswith("access-control-")


def returned(metadata: Iterable[tuple[str, Any]], names: Container[str]) -> list[Header]:
    """The headers that come from an answer's metadata."""
    return [
        (key.encode(), value.encode())
        for key, value in metadata
        if key in names and isinstance(value, str) and value.isascii() and value.isprintable()
    ]


def request_id(headers: Headers) -> str:
    """The client's own name for this request if it is a decent one, else a new one."""
    sent = headers.get(b"x-request-id")
    if sent is not None and _REQUEST_ID.fullmatch(sent):
        return sent.decode()
    return str(new_id())


def user_agent(headers: Headers) -> list[tuple[str, str]]:
    """What the client says it is, under a name that gRPC does not use for itself."""
    sent = headers.get(b"user-agent", b"").decode("latin-1")
    return [("x-forwarded-user-agent", sent)] if sent.isascii() and sent.isprintable() and sent else []


def timeout_s(headers: Headers, *, default: float, longest: float) -> float:
    """How long the answer may take.

    Raises:
        Refusal: `Grpc-Timeout` is not up to eight digits and a unit.
    """
    sent = headers.get(b"grpc-timeout")
    if sent is None:
        return default
    found = _TIMEOUT.fullmatch(sent)
    if found is None:
        raise malformed("Grpc-Timeout", "expected up to eight digits and one of H, M, S, m, u, n, such as 500m")
    return max(_SHORTEST_S, min(longest, int(found[1]) * _UNITS[found[2]]))


def idempotency_key(headers: Headers) -> str | None:
    """What the client calls this attempt, if it says so.

    Raises:
        Refusal: It is empty, too long, or not visible ASCII.
    """
    sent = headers.get(b"idempotency-key")
    if sent is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(sent):
        raise malformed("Idempotency-Key", "expected 1 to 128 visible ASCII characters")
    return sent.decode()


def forwarded(headers: Headers, names: Sequence[tuple[bytes, str]]) -> list[tuple[str, str]]:
    """The metadata that comes from headers.

    Raises:
        Refusal: A value cannot be metadata.
    """
    metadata = []
    for name, key in names:
        value = headers.get(name)
        if value is not None:
            if not PRINTABLE.fullmatch(value):
                raise malformed(key, "expected printable ASCII")
            metadata.append((key, value.decode()))
    return metadata


def last_event_id(headers: Headers) -> str | None:
    """Where a client that connects again wants to go on.

    Raises:
        Refusal: It is not printable ASCII.
    """
    sent = headers.get(b"last-event-id")
    if not sent:
        return None
    if not PRINTABLE.fullmatch(sent):
        raise malformed("Last-Event-ID", "expected printable ASCII")
    return sent.decode()


def accepts_json(headers: Headers) -> bool:
    """Whether JSON is an answer that the client can take."""
    return preferred(headers, ("application/json",)) is not None


def preferred(headers: Headers, offered: Sequence[str]) -> str | None:
    """The media type that the client likes best, the first of those it likes as well, or None if none will do.

    The most specific range that covers a type decides on it.
    """
    sent = headers.get(b"accept")
    if not sent or sent in (b"*/*", offered[0].encode()):
        return offered[0]
    ranges: dict[str, float] = {}
    for part in sent.decode("latin-1").lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        ranges.setdefault(media, _quality(parameters))
    best, found = 0.0, None
    for media in offered:
        covering = (media, f"{media.partition('/')[0]}/*", "*/*")
        quality = next((ranges[name] for name in covering if name in ranges), 0.0)
        if quality > best:
            best, found = quality, media
    return found


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0
    return 1


@dataclass(frozen=True, slots=True)
class Accepted:
    """Which bodies a method takes besides JSON."""

    raw: bool = False
    """Anything at all."""
    forms: bool = False
    lines: bool = False
    """Nothing but lines of JSON: each of them is a message."""


def body_type(headers: Headers, accepted: Accepted) -> str:
    """What a body is: `FORM`, `NDJSON`, empty for JSON, or the content type of a raw one as it was sent.

    A body without a content type is taken for JSON, or for lines of it.

    Raises:
        Refusal: It says that it is something else than what is accepted.
    """
    sent = headers.get(b"content-type", b"")
    if accepted.raw:
        if not PRINTABLE.fullmatch(sent):
            raise malformed("Content-Type", "expected printable ASCII")
        return sent.decode()
    if not sent or (sent == b"application/json" and not accepted.lines):
        return NDJSON if accepted.lines else ""
    media, *parameters = (piece.strip() for piece in sent.decode("latin-1").lower().split(";"))
    charsets = [parameter[8:].strip('"') for parameter in parameters if parameter.startswith("charset=")]
    if all(charset in ("utf-8", "utf8") for charset in charsets):
        if accepted.lines and media == NDJSON:
            return NDJSON
        if _JSON.fullmatch(media) and not accepted.lines:
            return ""
        if accepted.forms and media == FORM:
            return FORM
    raise _unsupported(f"expected a body of content type {' or '.join(_media(accepted))}, in UTF-8", accepted)


def _media(accepted: Accepted) -> Sequence[str]:
    if accepted.lines:
        return (NDJSON,)
    return ("application/json", FORM) if accepted.forms else ("application/json",)


def basic(headers: Headers) -> tuple[str, str] | None:
    """The user name and the password of HTTP Basic, if that is how the client signs in.

    Both are percent-decoded: RFC 6749 (section 2.3.1) encodes them before they are joined.

    Raises:
        Refusal: They are not UTF-8 in base64, or there is no colon.
    """
    scheme, _, encoded = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        username, colon, password = b64decode(encoded.strip(), validate=True).decode().partition(":")
        if colon:
            return unquote_plus(username, errors="strict"), unquote_plus(password, errors="strict")
    except ValueError:
        pass
    raise malformed("Authorization", "expected a user name and a password, joined by a colon, in base64")


def challenge(headers: Headers, *, basic: bool) -> bytes:
    """What a 401 asks for; `basic` says that a user name and a password would do."""
    sent = headers.get(b"authorization")
    if basic and (sent is None or sent[:6].lower() == b"basic "):
        return b'Basic realm="api", charset="UTF-8"'
    return b"Bearer" if sent is None else b'Bearer error="invalid_token"'


def malformed(name: str, expected: str) -> Refusal:
    """400, naming the header."""
    return Violation(name, expected, reason="MALFORMED_HEADER").refusal()


def _unsupported(message: str, accepted: Accepted) -> Refusal:
    accept = "*/*" if accepted.raw else ", ".join(_media(accepted))
    return refused(415, "INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE", message, headers=[(b"accept", accept.encode())])
