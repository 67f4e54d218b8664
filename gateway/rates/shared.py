"""Counting calls for all gateways together, in Redis; and each for itself while Redis is away.

A limit that would stop the gateway whenever Redis does would do more harm than callers do.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

from gateway.rates.windows import WINDOW_S, Count, Memory, Windows, count

log = structlog.get_logger()

_PATIENCE_S: Final = 0.25
"""What a request may lose to a Redis that does not answer: once, because the next ones do not ask it."""
_CONNECTIONS: Final = 32
_LOOK_EVERY_S: Final = 1.0
_PREFIX: Final = "gateway"
_LOOKING: Final = "looking"
_PLENTY: Final = 1_000_000
"""A budget of nobody's, which is never used up: only what is admitted is written."""


class Redis:
    """Counts in Redis, by the scripts of `limits`."""

    def __init__(self, pool: BlockingConnectionPool, url: str) -> None:
        """`pool` is connected when it is first used; `url` is where to."""
        self._storage = RedisStorage(
            f"async+{url}",
            implementation="redispy",
            key_prefix=_PREFIX,
            connection_pool=pool,  # type: ignore[arg-type] # what the storage hands on to the client is typed too narrowly
        )
        self._strategy = SlidingWindowCounterRateLimiter(self._storage)

    async def take(self, key: str, limit: int) -> Count:
        """Take one call from the budget under `key`, if it is not used up."""
        item = RateLimitItemPerMinute(limit)
        admitted = await self._strategy.hit(item, key)
        window = await self._storage.get_sliding_window(item.key_for(key), WINDOW_S)
        before, fading, counted, left = window
        return count(limit, before, fading, counted, max(0.0, left - WINDOW_S), admitted=admitted)


class Shared:
    """Redis, and memory while it is away."""

    def __init__(self, redis: Redis) -> None:
        """It is taken for there until it is found not to be."""
        self.there = True
        """Whether Redis counts at the moment."""
        self._redis = redis
        self._memory: Windows = Memory()

    async def take(self, key: str, limit: int) -> Count:
        """Take one call from the budget under `key`, if it is not used up."""
        if self.there:
            try:
                return await self._redis.take(key, limit)
            except (RedisError, OSError) as error:
                self._found(there=False, error=type(error).__name__)
        return await self._memory.take(key, limit)

    async def look(self) -> None:
        """See whether Redis counts: one that only answers, and is full or read-only, would not do."""
        try:
            await self._redis.take(_LOOKING, _PLENTY)
        except (RedisError, OSError) as error:
            self._found(there=False, error=type(error).__name__)
        else:
            self._found(there=True)

    def _found(self, *, there: bool, **why: str) -> None:
        if there == self.there:
            return
        self.there = there
        if there:
            log.info("redis is back: calls are counted for all gateways together")
        else:
            log.warning("redis is away: calls are counted by each gateway for itself", **why)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Shared]:
    """Count in the Redis at `url` until the block is left."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_CONNECTIONS,
        timeout=_PATIENCE_S,
        socket_timeout=_PATIENCE_S,
        socket_connect_timeout=_PATIENCE_S,
        # A connection of the pool may have been closed since it was last used. What took too long is not tried again.
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)),
    )
    shared = Shared(Redis(pool, url))
    await shared.look()
    stopping = asyncio.Event()
    looking = asyncio.create_task(_look_again(shared, stopping), name="redis")
    try:
        yield shared
    finally:
        stopping.set()
        await looking  # not cancelled: a client that waits for Redis may take that for a time-out, and go on
        await pool.aclose()


async def _look_again(shared: Shared, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY_S):
                await stopping.wait()
                return
        await shared.look()
