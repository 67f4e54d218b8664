"""What is asked about invitations."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database
from chassis.pages import PageTokens, id_in, size_of_page
from work_service import access
from work_service.access import Caller
from work_service.invitations import store
from work_service.invitations.domain import Invitation, InvitationId
from work_service.projects.domain import ProjectRef

_FIRST = InvitationId(UUID(int=0))


class InvitationQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages

    async def list_invitations(
        self, caller: Caller, project: ProjectRef, *, page_size: int, page_token: str
    ) -> tuple[Sequence[Invitation], str]:
        """A page of invitations, the oldest first, and the token of the next one, empty when there is none.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            BadPageToken: The token was not made for this question.
        """
        question = ("invitations", str(caller.user_id), str(project.id or project.slug))
        after = InvitationId(id_in(self._pages.read(question, page_token))) if page_token else _FIRST
        size = size_of_page(page_size)
        found, role = await store.list_invitations(self._db, caller, project, after=after, limit=size + 1)
        access.require(role)
        page = found[:size]
        return page, self._pages.issue(question, [str(page[-1].id)]) if len(found) > size else ""
