"""What is asked about many tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chassis.database import Database
from chassis.ids import parse_id
from chassis.orders import Order
from chassis.pages import BadPageToken, PageTokens, size_of_page
from work_service import access
from work_service.access import Caller
from work_service.finding.domain import Found, Match, Place, Sought, Wanted
from work_service.finding.store import lists, searches
from work_service.projects.domain import ProjectRef


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the tasks that there are."""

    tasks: Sequence[Found]
    next_page_token: str
    """Empty on the last page."""
    total: int | None
    """How many there are on all pages, if that was asked."""


class FindingQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages

    async def list_tasks(
        self,
        caller: Caller,
        project: ProjectRef | None,
        wanted: Wanted,
        order: Order,
        *,
        page_size: int,
        page_token: str,
        skip: int,
        counted: bool,
    ) -> Page:
        """A page of tasks of a project, or of all that the caller may see.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            BadPageToken: The token was not made for this question.
        """
        question = _question("tasks", caller, project, wanted, order)
        after = self._pages.read(question, page_token) if page_token else None
        if after is not None and len(after) != lists.places(order):
            raise BadPageToken
        size = size_of_page(page_size)
        found, role = await lists.list_tasks(
            self._db, caller, project, wanted, order, after=after, limit=size + 1, skip=skip
        )
        access.require(role)
        total = await lists.count_tasks(self._db, caller, project, wanted) if counted else None
        page = found[:size]
        more = len(found) > size
        return Page(page, self._pages.issue(question, lists.cursor(page[-1].task, order)) if more else "", total)

    async def search_tasks(
        self, caller: Caller, project: ProjectRef | None, sought: Sought, *, page_size: int, page_token: str
    ) -> tuple[Sequence[Match], str]:
        """A page of tasks that match, best first, and the token of the next one, empty when there is none.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            BadPageToken: The token was not made for this question.
        """
        question = _question("search", caller, project, sought)
        after = _place(self._pages.read(question, page_token)) if page_token else None
        size = size_of_page(page_size)
        found, role = await searches.search_tasks(self._db, caller, project, sought, after=after, limit=size + 1)
        access.require(role)
        page = found[:size]
        if len(found) <= size:
            return page, ""
        return page, self._pages.issue(question, [repr(page[-1].rank), str(page[-1].found.task.id)])


def _question(name: str, caller: Caller, project: ProjectRef | None, *asked: Any) -> Sequence[str]:
    where = "" if project is None else str(project.id or project.slug)
    return (name, str(caller.user_id), where, *map(repr, asked))


def _place(cursor: Sequence[str | int]) -> Place:
    match cursor:
        case [str(rank), str(text)] if (found := parse_id(text)) is not None:
            return Place(float(rank), found)
        case _:
            raise BadPageToken
