"""What is asked about members."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from chassis.database import Database
from chassis.errors import FieldViolation
from chassis.ids import parse_id
from chassis.pages import BadPageToken, PageTokens, size_of_page
from work_service import access
from work_service.access import GRANTS, Caller, Permission, UserId
from work_service.members import store
from work_service.members.domain import Member, MemberNotFound, NoSuchPermission
from work_service.projects import store as projects
from work_service.projects.domain import ProjectRef

_FIRST = (datetime.min.replace(tzinfo=UTC), UUID(int=0))


class MemberQueries:
    """One method per question."""

    def __init__(self, db: Database, pages: PageTokens) -> None:
        """Ask `db`; continue with tokens of `pages`."""
        self._db = db
        self._pages = pages

    async def get_member(self, caller: Caller, project: ProjectRef, user_id: UserId) -> Member:
        """A member of a project that the caller may see, or MemberNotFound."""
        member, my_role, _ = await store.get_member(self._db, caller, project, user_id)
        access.require(my_role)
        if member is None:
            raise MemberNotFound
        return member

    async def test_permissions(self, caller: Caller, project: ProjectRef, names: Sequence[str]) -> Sequence[Permission]:
        """Which of the permissions of these names the caller has in a project that they may see.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            NoSuchPermission: Some of the names are none's.
        """
        seen = await projects.get_project(self._db, caller, project)
        access.require(seen.my_role)
        unknown = [place for place, name in enumerate(names) if name not in set(Permission)]
        if unknown:
            raise NoSuchPermission(*(FieldViolation(f"permissions[{n}]", "is no permission") for n in unknown))
        return [Permission(name) for name in names if name in GRANTS[seen.my_role]]

    async def list_members(
        self, caller: Caller, project: ProjectRef, *, page_size: int, page_token: str
    ) -> tuple[Sequence[Member], str]:
        """A page of members, and the token of the next one, empty when there is none.

        Raises:
            ProjectNotFound: There is no such project that the caller may see.
            BadPageToken: The token was not made for this question.
        """
        question = ("members", str(caller.user_id), str(project.id or project.slug))
        after = _place(self._pages.read(question, page_token)) if page_token else _FIRST
        size = size_of_page(page_size)
        found, my_role = await store.list_members(self._db, caller, project, after=after, limit=size + 1)
        access.require(my_role)
        page = found[:size]
        more = len(found) > size
        cursor = [page[-1].create_time.isoformat(), str(page[-1].user_id)] if more else []
        return page, self._pages.issue(question, cursor) if more else ""


def _place(cursor: Sequence[str | int]) -> tuple[datetime, UUID]:
    match cursor:
        case [str(joined_at), str(user)] if (user_id := parse_id(user)) is not None:
            return datetime.fromisoformat(joined_at), user_id
        case _:
            raise BadPageToken
