"""What is asked about projects."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database
from chassis.pages import PageTokens, id_in, size_of_page
from work_service import access
from work_service.access import Caller
from work_service.overviews import store
from work_service.overviews.domain import Overview
from work_service.projects.domain import ProjectId, ProjectRef, State

_NEWEST = ProjectId(UUID(int=2**128 - 1))


class OverviewQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages

    async def get_project(self, caller: Caller, ref: ProjectRef, *, deleted_too: bool, counted: bool) -> Overview:
        """The project as the caller sees it; ProjectNotFound to anyone outside of it."""
        overview = await store.get_project(self._db, caller, ref, deleted_too=deleted_too, counted=counted)
        access.require(overview.project.my_role)
        return overview

    async def list_projects(
        self, caller: Caller, *, page_size: int, page_token: str, deleted_too: bool, state: State | None, counted: bool
    ) -> tuple[Sequence[Overview], str]:
        """A page of the projects, of one state or any, and the token of the next one, empty when there is none.

        Raises:
            BadPageToken: The token was not made for this question.
        """
        question = ("projects", str(caller.user_id), str(deleted_too), state or "", str(counted))
        before = ProjectId(id_in(self._pages.read(question, page_token))) if page_token else _NEWEST
        size = size_of_page(page_size)
        found = await store.list_projects(
            self._db, caller, before=before, limit=size + 1, deleted_too=deleted_too, state=state, counted=counted
        )
        page = found[:size]
        more = len(found) > size
        return page, self._pages.issue(question, [str(page[-1].project.id)]) if more else ""
