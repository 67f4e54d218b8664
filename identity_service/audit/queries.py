"""What is asked about what has happened."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database
from chassis.pages import PageTokens, id_in, size_of_page
from identity_service.audit import store
from identity_service.audit.domain import KeptEvent, Wanted

_NEWEST = UUID(int=2**128 - 1)


class AuditQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages

    async def list_events(self, wanted: Wanted, *, page_size: int, page_token: str) -> tuple[Sequence[KeptEvent], str]:
        """A page of events, the newest first, and the token of the next page, empty when there is none.

        Raises:
            BadPageToken: The token was not made for this question.
        """
        question = ("audit events", str(wanted))
        before = id_in(self._pages.read(question, page_token)) if page_token else _NEWEST
        size = size_of_page(page_size)
        found = await store.list_events(self._db, wanted, before=before, limit=size + 1)
        page = found[:size]
        return page, self._pages.issue(question, [str(page[-1].id)]) if len(found) > size else ""
