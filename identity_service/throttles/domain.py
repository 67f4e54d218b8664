"""How much may be asked for.

A pace lets so many through per time and refills evenly. A delay lets so many attempts fail, and then makes each next
one wait twice as long as the one before: a person who has forgotten a password waits a little, a machine that guesses
gets nowhere, and nobody can lock somebody else out.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from chassis.errors import ResourceExhausted


class TooManyRequests(ResourceExhausted):
    """This was asked for too often. Try again later."""

    reason = "RATE_LIMITED"


@dataclass(frozen=True, slots=True)
class Pace:
    """So many per time, whatever comes of them."""

    bucket: str
    most: int
    per: timedelta

    @property
    def step(self) -> timedelta:
        """How much of the future one more takes."""
        return self.per / self.most


@dataclass(frozen=True, slots=True)
class Delay:
    """So many attempts without one that works; then each waits twice as long as the one before it."""

    bucket: str
    free: int
    first: timedelta
    longest: timedelta
    most: int
    """After so many no attempt is made at all, until something else clears them (NIST SP 800-63B-4, 3.2.2)."""
    forgotten_after: timedelta


def digest_of(key: str) -> bytes:
    """What is stored of what is throttled. Addresses of people are not kept for this."""
    return hashlib.sha256(key.encode()).digest()
