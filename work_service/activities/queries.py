"""What is asked about activities."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database
from chassis.pages import PageTokens, id_in, size_of_page
from work_service import access
from work_service.access import Caller
from work_service.activities import store
from work_service.activities.domain import PastActivity
from work_service.projects.domain import ProjectRef
from work_service.tasks.domain import TaskRef

_LAST = UUID(int=2**128 - 1)


class ActivityQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages

    async def list_activities(
        self, caller: Caller, project: ProjectRef, task: TaskRef | None, *, page_size: int, page_token: str
    ) -> tuple[Sequence[PastActivity], str]:
        """A page of what has happened in a project, or to one of its tasks, and the token of the next page.

        Raises:
            ProjectNotFound, TaskNotFound: There is nothing of that name that the caller may see.
            BadPageToken: The token was not made for this question.
        """
        of_task = "" if task is None else str(task.id or task.number)
        question = ("activities", str(caller.user_id), str(project.id or project.slug), of_task)
        before = id_in(self._pages.read(question, page_token)) if page_token else _LAST
        size = size_of_page(page_size)
        if task is None:
            found, role = await store.list_of_project(self._db, caller, project, before=before, limit=size + 1)
        else:
            found, role = await store.list_of_task(self._db, caller, project, task, before=before, limit=size + 1)
        access.require(role)
        page = found[:size]
        return page, self._pages.issue(question, [str(page[-1].id)]) if len(found) > size else ""
