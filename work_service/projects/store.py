"""Projects in the database, always as a caller sees them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Select, and_, bindparam, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis.database import Database, Transaction
from work_service.access import Caller, Role, UserId
from work_service.projects.domain import NewProject, Project, ProjectId, ProjectNotFound, ProjectRef
from work_service.tables import members, projects, task_counters

SEEN_PROJECTS: FromClause = projects.outerjoin(
    members, and_(members.c.project_id == projects.c.id, members.c.user_id == bindparam("caller"))
)
"""Projects beside what the caller is in them."""

IS_SEEN: ColumnElement[bool] = and_(
    projects.c.delete_time.is_(None), or_(members.c.user_id.is_not(None), bindparam("everywhere"))
)
"""What the caller may not see does not exist."""

BY_REF: Mapping[bool, ColumnElement[bool]] = {
    True: projects.c.id == bindparam("project"),
    False: projects.c.slug == bindparam("project"),
}
"""The project that was meant, by whether it was named by id."""

_COLUMNS = (
    projects.c.id,
    projects.c.slug,
    projects.c.title,
    projects.c.description,
    projects.c.owner_id,
    projects.c.create_time,
    projects.c.update_time,
    projects.c.version,
    members.c.role,
)
_GET: Mapping[bool, Select[Any]] = {
    by_id: select(*_COLUMNS).select_from(SEEN_PROJECTS).where(is_meant, IS_SEEN) for by_id, is_meant in BY_REF.items()
}
_ADD = (
    upsert(projects)
    .values(
        id=bindparam("id"),
        slug=bindparam("slug"),
        title=bindparam("title"),
        description=bindparam("description"),
        owner_id=bindparam("owner_id"),
        create_time=bindparam("now"),
        update_time=bindparam("now"),
    )
    .on_conflict_do_nothing(index_elements=[projects.c.slug], index_where=projects.c.delete_time.is_(None))
)
_ADD_OWNER = (
    insert(members)
    .values(
        project_id=bindparam("id"), user_id=bindparam("owner_id"), role=Role.OWNER.value, create_time=bindparam("now")
    )
    .add_cte(insert(task_counters).values(project_id=bindparam("id"), last_number=0).cte("counter"))
)


def meant(ref: ProjectRef, caller: Caller) -> dict[str, Any]:
    """The parameters of a statement over SEEN_PROJECTS, BY_REF and IS_SEEN."""
    return {
        "project": ref.slug if ref.id is None else ref.id,
        "caller": caller.user_id,
        "everywhere": caller.everywhere is not None,
    }


async def get_project(db: Database, caller: Caller, ref: ProjectRef) -> Project:
    """The project as the caller sees it; ProjectNotFound to anyone outside of it."""
    row = await db.find_one(_GET[ref.id is not None], **meant(ref, caller))
    if row is None:
        raise ProjectNotFound
    return _project(row, caller)


async def add(
    tx: Transaction, project_id: ProjectId, new: NewProject, slug: str, owner: UserId, *, now: datetime
) -> bool:
    """Whether the slug was free; if it was, the project is there now, and `owner` is its owner."""
    added = await tx.execute(
        _ADD, id=project_id, slug=slug, title=new.title, description=new.description, owner_id=owner, now=now
    )
    if added == 1:
        await tx.execute(_ADD_OWNER, id=project_id, owner_id=owner, now=now)
    return added == 1


def _project(row: Row[Any], caller: Caller) -> Project:
    return Project(
        id=ProjectId(row.id),
        slug=row.slug,
        title=row.title,
        description=row.description,
        owner_id=UserId(row.owner_id),
        my_role=caller.role(row.role),
        create_time=row.create_time,
        update_time=row.update_time,
        version=row.version,
    )
