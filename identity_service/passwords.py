"""Passwords: hashed with Argon2id, in threads of their own, a few at a time.

The number of threads bounds the memory that hashing takes, the length of the queue bounds how long anybody waits, and
the event loop does not notice. Every check costs the same, whether or not there is a hash to check against. For a
caller who has left the queue, by a deadline or otherwise, nothing is hashed.

Passwords are taken exactly as they are sent: nothing is cut off, trimmed or normalised.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import structlog
from argon2 import PasswordHasher

from chassis.errors import FieldViolation, InvalidArgument, ResourceExhausted
from identity_service import hashes
from identity_service.breaches import Breaches
from identity_service.strength import weakness

log = structlog.get_logger()

T = TypeVar("T")

_SOON = timedelta(seconds=1)
_QUEUED_PER_HASHER = 8  # at some 30 ms each, nobody waits for more than a quarter of a second


class TooManySignIns(ResourceExhausted):
    """Too many people are signing in at once."""

    reason = "TOO_MANY_SIGN_INS"


class WeakPassword(InvalidArgument):
    """This password is too easy to guess."""

    reason = "WEAK_PASSWORD"


class Passwords:
    """Judges, hashes and verifies passwords."""

    def __init__(
        self, hasher: PasswordHasher, threads: ThreadPoolExecutor, breaches: Breaches, *, room: int, min_length: int
    ) -> None:
        """Use `opened`."""
        self._hasher = hasher
        self._threads = threads
        self._breaches = breaches
        self._room = room
        self._places = room
        self._min_length = min_length
        self._nobodys = hasher.hash(secrets.token_urlsafe())

    @classmethod
    @contextmanager
    def opened(
        cls, *, hashers: int, memory_kib: int, passes: int, min_length: int = 15, breaches_url: str | None = None
    ) -> Iterator["Passwords"]:
        """Hash in `hashers` threads until the block is left, with `memory_kib` each.

        New ones have at least `min_length` characters, and are looked up at `breaches_url` if there is one.
        """
        hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        threads = ThreadPoolExecutor(hashers, thread_name_prefix="passwords")
        try:
            yield cls(
                hasher,
                threads,
                Breaches(breaches_url),
                room=hashers * (1 + _QUEUED_PER_HASHER),
                min_length=min_length,
            )
        finally:
            threads.shutdown(cancel_futures=True)

    async def expect_strong(self, password: str, *, field: str, about: Iterable[str]) -> None:
        """Go on only with a password that is hard to guess for those who know what `about` tells of the person.

        Raises:
            WeakPassword: It is short, common or made of names; `field` is where it was sent.
            TooManySignIns: The queue is full.
        """
        if len(password) < self._min_length:
            raise WeakPassword(
                FieldViolation(field, f"must be at least {self._min_length} characters", "password.min_len")
            )
        reason = await self._in_thread(lambda: weakness(password, about))
        if reason is not None:
            raise WeakPassword(FieldViolation(field, reason, "password.strength"))

    async def expect_unbreached(self, password: str, *, field: str) -> None:
        """Go on only with a password that is in no known breach. Somebody else is asked: throttle it.

        Raises:
            WeakPassword: It is in one; `field` is where it was sent.
        """
        if await self._breaches.know(password):
            raise WeakPassword(
                FieldViolation(field, "is known from a breach of some other service: choose another", "password.breach")
            )

    @contextmanager
    def queueing(self) -> Iterator[None]:
        """Have one of the places that there are for those who sign in, until the block is left.

        Take it before the database is asked: then whoever has to be sent away costs nothing, and a crowd that wants to
        sign in does not stand in the way of those who have.

        Raises:
            TooManySignIns: There is none.
        """
        if self._places == 0:
            raise TooManySignIns(retry_after=_SOON)
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1

    async def hash(self, password: str) -> str:
        """What to store of a password, parameters and salt included."""
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether this is the password that was hashed. None, for nobody's, takes as long and is False.

        Raises:
            TooManySignIns: The queue is full.
        """
        return await self._in_thread(lambda: self._verify(stored, password))

    def is_outdated(self, stored: str) -> bool:
        """Whether a password that matches should be hashed anew: the cost has changed, or it was hashed elsewhere."""
        return hashes.is_outdated(self._hasher, stored)

    def _verify(self, stored: str | None, password: str) -> bool:
        known = stored if stored is not None and hashes.is_affordable(stored) else None
        if known is None and stored is not None:
            log.warning("a stored password is of no kind that is verified here")
        return hashes.matches(self._hasher, known or self._nobodys, password) and known is not None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._room == 0:
            raise TooManySignIns(retry_after=_SOON)
        self._room -= 1
        future = self._threads.submit(work)
        try:
            return await asyncio.wrap_future(future)  # a caller who leaves the queue takes the work along
        finally:
            if future.done():
                self._room += 1
            else:  # it runs, though nobody waits any more: its room is taken until it ends
                loop = asyncio.get_running_loop()
                future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._make_room))

    def _make_room(self) -> None:
        self._room += 1
