"""What is asked about tasks."""

from collections.abc import Sequence

from chassis.database import Database
from chassis.pages import BadPageToken, PageTokens, size_of_page
from work_service import access
from work_service.access import Caller
from work_service.projects.domain import ProjectRef
from work_service.tasks import store
from work_service.tasks.domain import Task, TaskRef


class TaskQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages

    async def get_task(self, caller: Caller, project: ProjectRef, ref: TaskRef, *, deleted_too: bool) -> Task:
        """The task; TaskNotFound to anyone outside of its project."""
        task, role = await store.get_task(self._db, caller, project, ref, deleted_too=deleted_too)
        access.require(role)
        return task

    async def list_tasks(
        self, caller: Caller, project: ProjectRef, *, page_size: int, page_token: str, deleted_too: bool
    ) -> tuple[Sequence[Task], str]:
        """A page of tasks, and the token of the next one, empty when there is none.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            BadPageToken: The token was not made for this question.
        """
        question = ("tasks", str(caller.user_id), str(project.id or project.slug), str(deleted_too))
        after = _number(self._pages.read(question, page_token)) if page_token else 0
        size = size_of_page(page_size)
        found, role = await store.list_tasks(
            self._db, caller, project, after=after, limit=size + 1, deleted_too=deleted_too
        )
        access.require(role)
        page = found[:size]
        return page, self._pages.issue(question, [page[-1].number]) if len(found) > size else ""


def _number(cursor: Sequence[str | int]) -> int:
    match cursor:
        case [int(number)]:
            return number
        case _:
            raise BadPageToken
