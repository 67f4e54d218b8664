"""What is asked about projects."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database
from chassis.ids import parse_id
from chassis.pages import BadPageToken, PageTokens, size_of_page
from work_service import access
from work_service.access import Caller
from work_service.projects import store
from work_service.projects.domain import Project, ProjectId, ProjectRef

_NEWEST = ProjectId(UUID(int=2**128 - 1))


class ProjectQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages

    async def get_project(self, caller: Caller, ref: ProjectRef, *, deleted_too: bool) -> Project:
        """The project as the caller sees it; ProjectNotFound to anyone outside of it."""
        project = await store.get_project(self._db, caller, ref, deleted_too=deleted_too)
        access.require(project.my_role)
        return project

    async def list_projects(
        self, caller: Caller, *, page_size: int, page_token: str, deleted_too: bool
    ) -> tuple[Sequence[Project], str]:
        """A page of the caller's projects, and the token of the next one, empty when there is none.

        Raises:
            BadPageToken: The token was not made for this question.
        """
        question = ("projects", str(caller.user_id), str(deleted_too))
        before = _id(self._pages.read(question, page_token)) if page_token else _NEWEST
        size = size_of_page(page_size)
        found = await store.list_projects(self._db, caller, before=before, limit=size + 1, deleted_too=deleted_too)
        page = found[:size]
        return page, self._pages.issue(question, [str(page[-1].id)]) if len(found) > size else ""


def _id(cursor: Sequence[str | int]) -> ProjectId:
    match cursor:
        case [str(text)] if (found := parse_id(text)) is not None:
            return ProjectId(found)
        case _:
            raise BadPageToken
