"""What is asked about people, by those who administrate them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.database import Database
from chassis.ids import parse_id
from chassis.pages import BadPageToken, PageTokens, size_of_page
from identity_service.accounts.domain import User, UserId
from identity_service.sessions.domain import Session
from identity_service.sessions.queries import SessionQueries
from identity_service.users import store
from identity_service.users.domain import Order, Wanted


class UserQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens, sessions: SessionQueries) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages
        self._sessions = sessions

    async def get_user(self, user_id: UserId, *, deleted_too: bool) -> User:
        """The user of that id, or UserNotFound."""
        return await store.get_user(self._db, user_id, deleted_too=deleted_too)

    async def batch_get_users(self, user_ids: Sequence[UserId]) -> Sequence[User]:
        """Those of the users who are there, each once, in the order in which they are asked for."""
        found = await store.batch_get_users(self._db, user_ids)
        return [found[user_id] for user_id in dict.fromkeys(user_ids) if user_id in found]

    async def list_users(
        self, wanted: Wanted, order: Order, *, page_size: int, page_token: str
    ) -> tuple[Sequence[User], str]:
        """A page of users, and the token of the next one, empty when there is none.

        Raises:
            BadPageToken: The token was not made for this question.
        """
        question = ("users", str(wanted), str(order))
        after = _position(order, self._pages.read(question, page_token)) if page_token else None
        size = size_of_page(page_size)
        found = await store.list_users(self._db, wanted, order, after=after, limit=size + 1)
        page = found[:size]
        return page, self._pages.issue(question, order.cursor(page[-1])) if len(found) > size else ""

    async def list_sessions(self, user_id: UserId, *, page_size: int, page_token: str) -> tuple[Sequence[Session], str]:
        """A page of a user's sessions, and the token of the next one.

        Raises:
            UserNotFound: There is no such user. Only asked when there are no sessions: whoever has one is there.
        """
        page, next_page_token = await self._sessions.list_sessions(user_id, page_size=page_size, page_token=page_token)
        if not page:
            await store.get_user(self._db, user_id, deleted_too=False)
        return page, next_page_token


def _position(order: Order, cursor: Sequence[str | int]) -> tuple[datetime | str, UUID]:
    match cursor:
        case [str(key), str(text)] if (found := parse_id(text)) is not None:
            return datetime.fromisoformat(key) if order.field == "create_time" else key, found
        case _:
            raise BadPageToken
