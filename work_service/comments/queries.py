"""What is asked about comments."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database
from chassis.pages import PageTokens, id_in, size_of_page
from work_service import access
from work_service.access import Caller
from work_service.comments import store
from work_service.comments.domain import Comment, CommentId
from work_service.projects.domain import ProjectRef
from work_service.tasks.domain import TaskRef

_FIRST = CommentId(UUID(int=0))


class CommentQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages

    async def get_comment(self, caller: Caller, project: ProjectRef, task: TaskRef, comment_id: CommentId) -> Comment:
        """The comment; CommentNotFound to anyone outside of its project."""
        comment, role = await store.get_comment(self._db, caller, project, task, comment_id)
        access.require(role)
        return comment

    async def list_comments(
        self, caller: Caller, project: ProjectRef, task: TaskRef, *, page_size: int, page_token: str
    ) -> tuple[Sequence[Comment], str]:
        """A page of comments, the oldest first, and the token of the next one, empty when there is none.

        Raises:
            TaskNotFound: There is no such task that the caller may see.
            BadPageToken: The token was not made for this question.
        """
        question = (
            "comments",
            str(caller.user_id),
            str(project.id or project.slug),
            str(task.id or task.number),
        )
        after = CommentId(id_in(self._pages.read(question, page_token))) if page_token else _FIRST
        size = size_of_page(page_size)
        found, role = await store.list_comments(self._db, caller, project, task, after=after, limit=size + 1)
        access.require(role)
        page = found[:size]
        return page, self._pages.issue(question, [str(page[-1].id)]) if len(found) > size else ""
