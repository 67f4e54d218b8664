"""What is said for the sake of browsers: who may read answers from another origin, and what an answer may not do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.asgi.headers import Headers, malformed
from gateway.errors import Header

ANY: Final = "*"

DATA: Final = b"default-src 'none'; frame-ancestors 'none'; sandbox"
"""The content security policy of an answer that is data: should a browser open it as a page, it may do nothing."""

_SAFE: Final[Sequence[Header]] = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_SENT: Final = (
    "accept",
    "authorization",
    "content-type",
    "grpc-timeout",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "traceparent",
    "tracestate",
    "x-request-id",
)
"""Headers that pages may send: those that the gateway reads."""
_READ: Final = (
    "etag",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "www-authenticate",
    "x-request-id",
)
"""Headers that pages may read, besides those that they always may."""
_REMEMBERED_S: Final = 7200  # the most that Chromium remembers a preflight


@dataclass(frozen=True, slots=True)
class Browsers:
    """What the gateway is told about them."""

    origins: frozenset[str] = frozenset()
    """Whose pages may call, such as `https://app.example.com`; `*` is anybody's."""
    sent: Sequence[str] = ()
    """Headers besides the usual ones that pages may send."""
    read: Sequence[str] = ()
    """Headers besides the usual ones that pages may read."""
    hsts_s: int = 0
    """How long a browser shall remember to come by HTTPS only."""

    def headers(self, headers: Headers, scheme: str, policy: bytes = DATA) -> list[Header]:
        """What every answer carries; `policy` is its content security policy."""
        said = [*_SAFE, (b"content-security-policy", policy)]
        if self.hsts_s and scheme == "https":
            said.append((b"strict-transport-security", b"max-age=%d; includeSubDomains" % self.hsts_s))
        if self.origins:
            said += self._cross_origin(headers)
        return said

    def preflight(self, headers: Headers, allow: bytes) -> list[Header]:
        """What the answer to OPTIONS adds when a browser asks whether a page may call; `allow` are the methods."""
        if b"access-control-request-method" not in headers or self._allowed(headers) is None:
            return []
        return [
            (b"access-control-allow-methods", allow),
            (b"access-control-allow-headers", ", ".join((*_SENT, *self.sent)).encode()),
            (b"access-control-max-age", b"%d" % _REMEMBERED_S),
        ]

    def _allowed(self, headers: Headers) -> bytes | None:
        """The origin that may read the answer."""
        if ANY in self.origins:
            return b"*"
        origin = headers.get(b"origin", b"")
        return origin if origin.decode("latin-1") in self.origins else None

    def _cross_origin(self, headers: Headers) -> list[Header]:
        # Never with credentials: nothing here is signed in by a cookie.
        said: list[Header] = [] if ANY in self.origins else [(b"vary", b"origin")]
        allowed = self._allowed(headers)
        if allowed is not None:
            said.append((b"access-control-allow-origin", allowed))
            said.append((b"access-control-expose-headers", ", ".join((*_READ, *self.read)).encode()))
        return said


def https(headers: Headers, target: bytes) -> bytes:
    """Where a request that came by plain HTTP should have gone.

    Raises:
        Refusal: It does not say to which host.
    """
    host = headers.get(b"host", b"")
    if not host or not set(host) <= _HOST:
        raise malformed("Host", "expected a host name")
    return b"https://" + host + target


_HOST: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]_")
