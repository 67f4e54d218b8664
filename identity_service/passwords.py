"""Passwords: hashed with Argon2id, in threads of their own, a few at a time.

The number of threads bounds the memory that hashing takes, the length of the queue bounds how long anybody waits, and
the event loop does not notice. Every check costs the same, whether or not there is a hash to check against.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chassis.errors import ResourceExhausted

T = TypeVar("T")

_QUEUED_PER_HASHER = 8  # at some 30 ms each, nobody waits for more than a quarter of a second


class TooManySignIns(ResourceExhausted):
    """Too many people are signing in at once."""

    reason = "TOO_MANY_SIGN_INS"


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self, hasher: PasswordHasher, threads: ThreadPoolExecutor, *, room: int) -> None:
        """Use `opened`."""
        self._hasher = hasher
        self._threads = threads
        self._room = room
        self._nobodys = hasher.hash(secrets.token_urlsafe())

    @classmethod
    @contextmanager
    def opened(cls, *, hashers: int, memory_kib: int, passes: int) -> Iterator["Passwords"]:
        """Hash in `hashers` threads until the block is left, with `memory_kib` each."""
        hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        threads = ThreadPoolExecutor(hashers, thread_name_prefix="passwords")
        try:
            yield cls(hasher, threads, room=hashers * (1 + _QUEUED_PER_HASHER))
        finally:
            threads.shutdown(cancel_futures=True)

    async def hash(self, password: str) -> str:
        """What to store of a password, parameters and salt included."""
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether this is the password that was hashed. None, for nobody's, takes as long and is False.

        Raises:
            TooManySignIns: The queue is full.
        """
        return await self._in_thread(lambda: self._verify(stored, password))

    def _verify(self, stored: str | None, password: str) -> bool:
        try:
            self._hasher.verify(stored or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._room == 0:
            raise TooManySignIns(retry_after=timedelta(seconds=1))
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
