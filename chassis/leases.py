"""Work that one of several processes does: a row says who, and until when.

A row and not a lock of a session, because those leak through connection poolers. Who does not renew in time loses it,
so work under a lease must be safe to be begun by the next holder.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from sqlalchemy import Table, bindparam, or_
from sqlalchemy.dialects.postgresql import insert

from chassis.clock import Clock
from chassis.database import Database
from chassis.ids import new_id

log = structlog.get_logger()

_DOUBT = timedelta(days=1)  # a clock that was further ahead than that was wrong
_JITTER = 0.1  # so that replicas that were started together do not stay together


class Leases:
    """The leases of one database, seen from one process."""

    def __init__(self, db: Database, clock: Clock, leases: Table) -> None:
        """Leases are rows of `leases`, made by `chassis.tables.leases_table`."""
        self._db = db
        self._clock = clock
        self._holder = new_id()
        adding = insert(leases).values(
            name=bindparam("name"), holder=bindparam("holder"), expire_time=bindparam("expire_time")
        )
        self._take = adding.on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={"holder": adding.excluded.holder, "expire_time": adding.excluded.expire_time},
            where=or_(
                leases.c.holder == adding.excluded.holder,
                leases.c.expire_time <= bindparam("now"),
                leases.c.expire_time > bindparam("believable"),
            ),
        )

    async def take(self, name: str, lasting: timedelta) -> bool:
        """Whether the lease of that name is ours for so long. Ours already, it is renewed.

        One that lasts for days more than this is nobody's: it was taken by a clock that was wrong.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            taken = await tx.execute(
                self._take,
                name=name,
                holder=self._holder,
                now=now,
                expire_time=now + lasting,
                believable=now + lasting + _DOUBT,
            )
        return taken == 1

    @asynccontextmanager
    async def periodically(
        self, name: str, work: Callable[[], Awaitable[object]], *, every: timedelta
    ) -> AsyncIterator[None]:
        """Do `work` about every so often until the block is left, as long as the lease is ours."""

        async def work_if_ours() -> None:
            if await self.take(name, lasting=every * 3):
                await work()

        async with repeatedly(name, work_if_ours, every=every):
            yield


@asynccontextmanager
async def repeatedly(
    name: str, work: Callable[[], Awaitable[object]], *, every: timedelta, woken: asyncio.Event | None = None
) -> AsyncIterator[None]:
    """Do `work` about every so often, and when `woken`, until the block is left.

    What goes wrong is logged, and tried again.
    """
    task = asyncio.create_task(_repeat(name, work, every, woken or asyncio.Event()), name=name)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _repeat(name: str, work: Callable[[], Awaitable[object]], every: timedelta, woken: asyncio.Event) -> None:
    while True:
        woken.clear()  # before the work: what comes during it is not missed
        try:
            await work()
        except Exception:
            log.exception("periodic work failed", name=name)
        pause = every.total_seconds() * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - jitter
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await woken.wait()
