"""What the client says beside the body: which headers count, and what they may hold.

Servers get nothing that is not on a list: `authorization`, what the configuration adds, and what the gateway itself
says (`x-request-id` and the trace context).
"""

import re
from collections.abc import Iterable, Sequence

from chassis.ids import new_id
from gateway.errors import Refusal, Violation, refused

Headers = dict[bytes, bytes]

LARGEST = 16 * 1024

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_SHORTEST_S = 1e-3  # gRPC takes a timeout of nothing for no timeout at all
_IDEMPOTENCY_KEY = re.compile(rb"[\x21-\x7e]{1,128}")
_PRINTABLE = re.compile(rb"[\x20-\x7e]*")
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
        "x-request-id",
    }
)


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


def request_id(headers: Headers) -> str:
    """The client's own name for this request if it is a decent one, else a new one."""
    sent = headers.get(b"x-request-id")
    if sent is not None and _REQUEST_ID.fullmatch(sent):
        return sent.decode()
    return str(new_id())


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
            if not _PRINTABLE.fullmatch(value):
                raise malformed(key, "expected printable ASCII")
            metadata.append((key, value.decode()))
    return metadata


def accepts_json(headers: Headers) -> bool:
    """Whether JSON is an answer that the client can take: the most specific range that covers it decides."""
    sent = headers.get(b"accept")
    if not sent or sent in (b"*/*", b"application/json"):
        return True
    best, accepted = -1, False
    for part in sent.decode("latin-1").lower().split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        rank = ("*/*", "application/*", "application/json").index(media) if media in _RANGES else -1
        if rank > best:
            best, accepted = rank, _quality(parameters) > 0
    return accepted


_RANGES = ("*/*", "application/*", "application/json")


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0
    return 1


def check_body_is_json(headers: Headers) -> None:
    """A body without a content type is taken for JSON.

    Raises:
        Refusal: It says that it is something else.
    """
    sent = headers.get(b"content-type")
    if sent and sent != b"application/json":
        media, *parameters = (piece.strip() for piece in sent.decode("latin-1").lower().split(";"))
        charsets = [parameter[8:].strip('"') for parameter in parameters if parameter.startswith("charset=")]
        if not _JSON.fullmatch(media) or any(charset not in ("utf-8", "utf8") for charset in charsets):
            raise _unsupported("expected a body of content type application/json, in UTF-8")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise _unsupported("expected a body without content encoding")


def malformed(name: str, expected: str) -> Refusal:
    """400, naming the header."""
    return Violation(name, expected, reason="MALFORMED_HEADER").refusal()


def _unsupported(message: str) -> Refusal:
    return refused(
        415, "INVALID_ARGUMENT", "UNSUPPORTED_MEDIA_TYPE", message, headers=[(b"accept", b"application/json")]
    )
