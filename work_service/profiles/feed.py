"""Identity's feed, followed by every process of work for itself.

A process begins at the beginning, because nobody else remembers for it what was revoked, and from then on goes on where
it was. While the feed cannot be heard, access tokens are good until they expire, and names stay what they were.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from opentelemetry.metrics import Meter, Observation
from tandem.identity.v1 import feed_pb2

from chassis.database import Database
from chassis.errors import Unavailable
from chassis.revocations import Revocations
from work_service.access import UserId
from work_service.identity import Identity
from work_service.profiles import store, translate
from work_service.profiles.domain import Profile

log = structlog.get_logger()

_PATIENCE = timedelta(seconds=6)  # three signs of life that did not come
_HEAD_START = timedelta(seconds=2)  # what was revoked is known, as a rule, before the first call comes
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 2.0
_BATCH = 500


class IdentityFeed:
    """Follows the feed: revocations are taken at once, profiles together as they come."""

    def __init__(
        self,
        identity: Identity,
        db: Database,
        revocations: Revocations,
        meter: Meter,
        *,
        patience: timedelta,
    ) -> None:
        """Use `opened`."""
        self._identity = identity
        self._db = db
        self._revocations = revocations
        self._patience_s = patience.total_seconds()
        self._cursor = ""
        self._changed: dict[UserId, Profile] = {}
        self._heard_at = float("-inf")
        self._caught_up = asyncio.Event()
        self._reconnects = meter.create_counter(
            "tandem.feed.reconnects", description="How often identity's feed was asked for again."
        )
        meter.create_observable_gauge(
            "tandem.feed.connected", [self._observed], description="Whether identity's feed is heard: 1 or 0."
        )

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        identity: Identity,
        db: Database,
        revocations: Revocations,
        meter: Meter,
        *,
        patience: timedelta = _PATIENCE,
        head_start: timedelta = _HEAD_START,
    ) -> AsyncIterator["IdentityFeed"]:
        """Follow the feed until the block is left. It is entered when all is known, or after a `head_start`.

        A feed that says nothing for longer than our `patience` is lost.
        """
        feed = cls(identity, db, revocations, meter, patience=patience)
        following = asyncio.create_task(feed._follow(), name="identity feed")
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(head_start.total_seconds()):
                    await feed._caught_up.wait()
            yield feed
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def is_connected(self) -> bool:
        """Whether it was heard of late."""
        return self._is_heard()

    def _observed(self, _options: Any) -> Iterable[Observation]:
        return [Observation(int(self._is_heard()))]

    def _is_heard(self) -> bool:
        return time.monotonic() - self._heard_at < self._patience_s

    async def _follow(self) -> None:
        failures = 0
        while True:
            heard_at = self._heard_at
            try:
                await self._listen()
            except (Unavailable, TimeoutError) as error:
                log.warning("identity's feed is lost", error=repr(error))
            except Exception:
                log.exception("identity's feed cannot be followed")
            failures = 0 if self._heard_at > heard_at else failures + 1
            pause = min(_FIRST_PAUSE_S * 2**failures, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
            self._reconnects.add(1)

    async def _listen(self) -> None:
        """Take what comes until identity ends the stream, which it does now and then."""
        self._changed.clear()  # what was not kept is told again
        async with aclosing(self._identity.watch(self._cursor)) as stream:
            while True:
                async with asyncio.timeout(self._patience_s):
                    told = await anext(stream, None)
                if told is None:
                    return
                self._heard_at = time.monotonic()
                await self._take(told)

    async def _take(self, told: feed_pb2.WatchResponse) -> None:
        """Take one event, or keep the profiles that came when there is nothing more for now."""
        until = translate.until(told)
        kind = told.WhichOneof("event")
        match kind:
            case "session_ended":
                self._revocations.session_ended(UUID(told.session_ended.session_id), until)
            case "tokens_invalidated":
                invalidated = told.tokens_invalidated
                self._revocations.tokens_invalidated(UUID(invalidated.subject), invalidated.token_version, until)
            case "token_revoked":
                self._revocations.token_revoked(told.token_revoked.token_id, until)
            case "key_revoked":
                self._revocations.key_revoked(told.key_revoked.kid, until)
            case "profile_changed":
                profile = translate.profile(told)
                self._changed[profile.user_id] = profile
        is_sign_of_life = kind is None
        if self._changed and (is_sign_of_life or len(self._changed) == _BATCH):
            await store.keep(self._db, self._changed.values())
            self._changed.clear()
        if not self._changed:
            self._cursor = told.cursor
        if is_sign_of_life:
            self._caught_up.set()
