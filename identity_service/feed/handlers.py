"""FeedService."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

from tandem.identity.v1 import feed_pb2

from chassis import call
from chassis.auth import TokenExpired, TokenVerifier, bearer
from chassis.call import Context
from identity_service.feed import translate
from identity_service.feed.domain import place_of
from identity_service.feed.queries import Feed

WATCH_LIFETIME = timedelta(minutes=4)  # under the five after which connections end, and under the token's fifteen


class FeedHandlers:
    """Check, call, translate."""

    def __init__(self, feed: Feed, verifier: TokenVerifier) -> None:
        """Who does the work, and who knows whether a reader may still read."""
        self._feed = feed
        self._verifier = verifier

    async def Watch(self, request: feed_pb2.WatchRequest, _context: Context) -> AsyncIterator[feed_pb2.WatchResponse]:
        """Tells everything after the cursor, and goes on for a while, unless the reader's token is revoked."""
        token = bearer(call.current().metadata)
        ends_at = asyncio.get_running_loop().time() + WATCH_LIFETIME.total_seconds()
        async with aclosing(self._feed.watch(place_of(request.cursor))) as feed:
            async for told in feed:
                try:
                    await self._verifier.verify(token)
                except TokenExpired:
                    return  # as streams end now and then: the reader comes again with the next one
                yield translate.watch_response(told)
                if asyncio.get_running_loop().time() > ends_at:
                    return
