"""Reading the feed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import structlog

from chassis.clock import Clock
from chassis.database import Database
from chassis.leases import repeatedly
from chassis.revocations import Revocations
from identity_service.feed import store
from identity_service.feed.domain import Told, tell

log = structlog.get_logger()

_LOOKED_AT = timedelta(milliseconds=500)  # what is revoked has two seconds to be refused everywhere
_GATHERED_FOR = timedelta(milliseconds=10)  # of much that comes at once, everybody reads a page and not each alone
_SIGN_OF_LIFE = timedelta(seconds=2)  # a reader who hears nothing for three of them has lost us
_PATIENCE = 3 * _SIGN_OF_LIFE  # this process reads it, too
_PAGE = 500


class Feed:
    """The feed as this process reads it.

    What this process appends is heard of at once; one small question twice a second finds out what others have
    appended, however many watch. Each of them then reads the table after its own cursor. The table is the truth:
    nothing is kept for those who are slow.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        """Use `opened`."""
        self._db = db
        self._clock = clock
        self._newest = 0
        self._given_out = 0
        """The last place known to have been given out."""
        self._restored = 0
        """How often the database has gone back to what it was before."""
        self._changed = asyncio.Event()
        self._waking: asyncio.TimerHandle | None = None
        self._ended = False

    @classmethod
    @asynccontextmanager
    async def opened(cls, db: Database, clock: Clock) -> AsyncIterator["Feed"]:
        """Look at the feed until the block is left."""
        feed = cls(db, clock)
        with db.listening(store.CHANGED, feed._heard):
            async with repeatedly("feed", feed._look, every=_LOOKED_AT):
                yield feed

    def end(self) -> None:
        """Let those go who watch: the server is about to stop."""
        self._ended = True
        self._wake()

    @asynccontextmanager
    async def keeping(self, revocations: Revocations) -> AsyncIterator[None]:
        """Tell `revocations` what happens until the block is left; what has happened, before it is entered."""
        known = asyncio.Event()
        task = asyncio.create_task(self._tell(revocations, known), name="revocations")
        try:
            await known.wait()
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell(self, revocations: Revocations, known: asyncio.Event) -> None:
        place = 0
        while True:
            try:
                async with aclosing(self._after(place)) as feed:
                    while True:
                        async with asyncio.timeout(_PATIENCE.total_seconds()):
                            told = await anext(feed)
                        place = told.cursor
                        if told.event is None:
                            known.set()
                        else:
                            tell(revocations, told.event)
            except Exception:
                # Whatever it was: a process that stopped here would take every token that is revoked from now on.
                log.warning("the feed cannot be read", exc_info=True)
                await asyncio.sleep(_LOOKED_AT.total_seconds())

    async def watch(self, after: int) -> AsyncGenerator[Told, None]:
        """Everything after a place that still matters, then whatever comes, with signs of life in between."""
        async with aclosing(self._after(after)) as feed:
            async for told in feed:
                if self._ended:
                    return
                yield told

    async def _after(self, place: int) -> AsyncGenerator[Told, None]:
        """What comes after a place. One that was never given out stands for the beginning.

        It is none, or the database was restored from a backup: also while somebody reads.
        """
        restored = self._restored
        _, given_out = await store.ends(self._db)
        if place > given_out:
            place = 0
        while True:
            if restored != self._restored:
                restored, place = self._restored, 0
            changed = self._changed  # before reading: what is committed meanwhile is read in the next round
            page = await store.read(self._db, after=place, now=self._clock.now(), limit=_PAGE)
            if page:
                self._given_out = max(self._given_out, page[-1].cursor)
            for told in page:
                place = told.cursor
                yield told
            if len(page) == _PAGE:
                continue
            yield Told(place)
            try:
                async with asyncio.timeout(_SIGN_OF_LIFE.total_seconds()):
                    await changed.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        known = self._given_out  # before asking: meanwhile somebody may read further than the answer
        newest, given_out = await store.ends(self._db)
        if given_out < known:
            self._restored += 1
            self._given_out = 0
        self._given_out = max(self._given_out, given_out)
        if newest != self._newest:
            self._newest = newest
            self._wake()

    def _heard(self) -> None:
        if self._waking is None:
            self._waking = asyncio.get_running_loop().call_later(_GATHERED_FOR.total_seconds(), self._wake)

    def _wake(self) -> None:
        """Have everybody look, who waits now."""
        self._waking = None
        self._changed.set()
        self._changed = asyncio.Event()
