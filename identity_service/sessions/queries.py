"""What is asked about sessions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.database import Database
from chassis.ids import parse_id
from chassis.pages import BadPageToken, PageTokens, size_of_page
from identity_service.accounts.domain import UserId
from identity_service.sessions import store
from identity_service.sessions.domain import Session

_LAST = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))


class SessionQueries:
    """One method per question."""

    def __init__(self, db: Database, clock: Clock, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._clock = clock
        self._pages = pages

    async def list_sessions(self, user_id: UserId, *, page_size: int, page_token: str) -> tuple[Sequence[Session], str]:
        """A page of a user's sessions, the one that was used last first, and the token of the next page.

        Raises:
            BadPageToken: The token was not made for this question.
        """
        question = ("sessions", str(user_id))
        before = _position(self._pages.read(question, page_token)) if page_token else _LAST
        size = size_of_page(page_size)
        found = await store.list_sessions(self._db, user_id, before=before, now=self._clock.now(), limit=size + 1)
        page = found[:size]
        if len(found) <= size:
            return page, ""
        return page, self._pages.issue(question, [page[-1].rotate_time.isoformat(), str(page[-1].id)])


def _position(cursor: Sequence[str | int]) -> tuple[datetime, UUID]:
    match cursor:
        case [str(time), str(text)] if (found := parse_id(text)) is not None:
            return datetime.fromisoformat(time), found
        case _:
            raise BadPageToken
