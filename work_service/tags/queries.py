"""What is asked about categories and labels."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database
from chassis.pages import PageTokens, id_in, size_of_page
from work_service import access
from work_service.access import Caller
from work_service.projects.domain import ProjectRef
from work_service.tags import store
from work_service.tags.domain import Kind, Tag, TagId, TagRef

_FIRST = TagId(UUID(int=0))


class TagQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages

    async def get_tag(self, caller: Caller, project: ProjectRef, kind: Kind, ref: TagRef, *, deleted_too: bool) -> Tag:
        """It; not found to anyone outside of its project."""
        tag, role = await store.get_tag(self._db, caller, project, kind, ref, deleted_too=deleted_too)
        access.require(role)
        return tag

    async def list_tags(
        self, caller: Caller, project: ProjectRef, kind: Kind, *, page_size: int, page_token: str, deleted_too: bool
    ) -> tuple[Sequence[Tag], str]:
        """A page of them, the oldest first, and the token of the next one, empty when there is none.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            BadPageToken: The token was not made for this question.
        """
        question = (kind.value, str(caller.user_id), str(project.id or project.slug), str(deleted_too))
        after = TagId(id_in(self._pages.read(question, page_token))) if page_token else _FIRST
        size = size_of_page(page_size)
        found, role = await store.list_tags(
            self._db, caller, project, kind, after=after, limit=size + 1, deleted_too=deleted_too
        )
        access.require(role)
        page = found[:size]
        return page, self._pages.issue(question, [str(page[-1].id)]) if len(found) > size else ""
