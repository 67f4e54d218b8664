"""Admits a call, or says when to come again; and tells every client how its budget stands.

Headers are those of the IETF's draft (`RateLimit`, `RateLimit-Policy`), beside `Retry-After`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import floor
from typing import Final

from chassis.proxies import network
from gateway.errors import Header, Refusal, refused, retry_later
from gateway.rates.classes import RateClass
from gateway.rates.principals import Principals
from gateway.rates.windows import WINDOW_S, Count, Windows

_ANONYMOUS: Final = "anonymous"


@dataclass(frozen=True, slots=True)
class Admission:
    """A call that may be made."""

    headers: Sequence[Header] = ()
    """How the budget stands."""
    credential: bytes | None = None
    """What the client signs in with."""
    known: bool = field(default=False, compare=False)
    """Whether a server has accepted it before."""


class Limiter:
    """Keeps budgets."""

    def __init__(self, windows: Windows, principals: Principals, anonymous: int) -> None:
        """`anonymous` is how many calls a minute an address has for who is not known; 0 is as many as it likes."""
        self._windows = windows
        self._principals = principals
        self._anonymous = anonymous

    async def admit(self, rate_class: RateClass, credential: bytes | None, address: str) -> Admission:
        """Take one call from a budget: of who has been accepted before, or else of the address.

        So a token's first call counts against the address, and so do all calls with tokens that are refused.

        Raises:
            Refusal: The budget is used up.
        """
        principal = None if credential is None else self._principals.find(credential)
        if principal is None:
            name, limit, key = _ANONYMOUS, self._anonymous, f"address:{network(address)}" if self._anonymous else ""
        else:
            quota = principal.quota
            limit = quota.reads if rate_class is RateClass.READ else quota.writes
            name, key = rate_class.label, f"{rate_class.label}:{principal.key}"
        if not limit:
            return Admission((), credential, known=principal is not None)
        count = await self._windows.take(key, limit)
        said = _headers(name, limit, count)
        if not count.admitted:
            raise _too_many(name, limit, count, said)
        return Admission(said, credential, known=principal is not None)

    def answered(self, admission: Admission, access: str) -> None:
        """A method that asks for `access` has answered as it was asked to."""
        if admission.credential is not None and not admission.known:
            self._principals.accepted(admission.credential, access)

    def not_accepted(self, admission: Admission) -> None:
        """A server has answered that it does not know the caller."""
        if admission.credential is not None:
            self._principals.refused(admission.credential)


@lru_cache(maxsize=256)  # one for each limit that is configured
def _policy(name: str, limit: int) -> Header:
    return (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (name.encode(), limit, WINDOW_S))


def _headers(name: str, limit: int, count: Count) -> Sequence[Header]:
    now = (b"ratelimit", b'"%b";r=%d;t=%d' % (name.encode(), count.remaining, _seconds(count)))
    return _policy(name, limit), now


def _seconds(count: Count) -> int:
    """Whole seconds, and never too few."""
    return floor(max(0.0, count.wait_s)) + 1


def _too_many(name: str, limit: int, count: Count, said: Sequence[Header]) -> Refusal:
    detail, header = retry_later(_seconds(count))
    message = f"more than {limit} calls a minute ({name})"
    return refused(429, "RESOURCE_EXHAUSTED", "RATE_LIMITED", message, headers=[header, *said], details=[detail])
