"""Activities in the database, always as a caller sees them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, bindparam, select, true

from chassis.database import Database
from work_service.access import Caller, Role, UserId
from work_service.activities.domain import PastActivity
from work_service.journal.domain import Change
from work_service.profiles.store import Named
from work_service.projects import store as projects_store
from work_service.projects.domain import ProjectNotFound, ProjectRef
from work_service.projects.store import BY_REF, IS_SEEN, SEEN_PROJECTS
from work_service.tables import activities, members, projects, tasks
from work_service.tasks.domain import TaskNotFound, TaskRef
from work_service.tasks.store.rows import SEEN_TASKS, TASK_BY_REF, TASK_IS_LIVE, meant

_ACTOR = Named(activities.c.actor_id)


def _listing(seen: Select[Any], column: ColumnElement[Any]) -> Select[Any]:
    """The caller's role in one row at least; beside it a page of what has happened to what they see."""
    found = seen.subquery()
    page = (
        _ACTOR.beside(select(*activities.c))
        .where(column == found.c.id, activities.c.id < bindparam("before"))
        .order_by(activities.c.id.desc())
        .limit(bindparam("limit"))
        .lateral("page")
    )
    return select(found.c.role, *page.c).select_from(found.outerjoin(page, true())).order_by(page.c.id.desc())


_OF_PROJECT: Mapping[bool, Select[Any]] = {
    by_id: _listing(
        select(projects.c.id, members.c.role).select_from(SEEN_PROJECTS).where(is_meant, IS_SEEN),
        activities.c.project_id,
    )
    for by_id, is_meant in BY_REF.items()
}
_OF_TASK: Mapping[tuple[bool, bool], Select[Any]] = {
    (project_by_id, task_by_id): _listing(
        select(tasks.c.id, members.c.role)
        .select_from(SEEN_TASKS)
        .where(project_is_meant, IS_SEEN, task_is_meant, TASK_IS_LIVE),
        activities.c.task_id,
    )
    for project_by_id, project_is_meant in BY_REF.items()
    for task_by_id, task_is_meant in TASK_BY_REF.items()
}


async def list_of_project(
    db: Database, caller: Caller, project: ProjectRef, *, before: UUID, limit: int
) -> tuple[Sequence[PastActivity], Role]:
    """Up to `limit` activities in a project that are older than one, the newest first, with the caller's role.

    Raises:
        ProjectNotFound: There is no such project that the caller may see.
    """
    statement = _OF_PROJECT[project.id is not None]
    rows = await db.fetch_all(statement, before=before, limit=limit, **projects_store.meant(project, caller))
    if not rows:
        raise ProjectNotFound
    return _activities(rows), caller.role(rows[0].role)


async def list_of_task(
    db: Database, caller: Caller, project: ProjectRef, task: TaskRef, *, before: UUID, limit: int
) -> tuple[Sequence[PastActivity], Role]:
    """The same for one task.

    Raises:
        TaskNotFound: There is no such task that the caller may see.
    """
    statement = _OF_TASK[project.id is not None, task.id is not None]
    rows = await db.fetch_all(statement, before=before, limit=limit, **meant(caller, project, task))
    if not rows:
        raise TaskNotFound
    return _activities(rows), caller.role(rows[0].role)


def _activities(rows: Sequence[Row[Any]]) -> Sequence[PastActivity]:
    return [
        PastActivity(
            id=row.id,
            project_id=row.project_id,
            task_id=row.task_id,
            actor_id=UserId(row.actor_id),
            verb=row.verb,
            changes=[Change(**change) for change in row.changes],
            request_id=row.request_id,
            create_time=row.create_time,
            people=_ACTOR.people(row),
        )
        for row in rows
        if row.id is not None
    ]
