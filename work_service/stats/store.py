"""Tasks counted by the database, as a caller sees them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select, true, tuple_

from chassis.database import Database
from work_service.access import Caller, Role
from work_service.profiles.store import Named
from work_service.projects import store as projects_store
from work_service.projects.domain import ProjectNotFound, ProjectRef
from work_service.projects.store import BY_REF, IS_SEEN, SEEN_PROJECTS
from work_service.stats.domain import Stats
from work_service.tables import members, projects, tasks
from work_service.tasks.domain import OPEN, Priority, Status
from work_service.tasks.store.rows import TASK_IS_LIVE

_ASSIGNEE = Named(tasks.c.assignee_id)
_IS_OVERDUE = and_(tasks.c.due_time < bindparam("now"), tasks.c.status.in_(sorted(OPEN)))
_KINDS = (tasks.c.status, tasks.c.priority, tasks.c.assignee_id)

# What `grouping` says of a row that counts by one of them: a bit for each of the others.
_BY_STATUS, _BY_PRIORITY, _BY_ASSIGNEE = 0b011, 0b101, 0b110


def _counting(project_is_meant: Any) -> Select[Any]:
    """The caller's role in one row at least, so that an empty project is not mistaken for one that is not there."""
    seen = select(projects.c.id, members.c.role).select_from(SEEN_PROJECTS).where(project_is_meant, IS_SEEN).subquery()
    counted = (
        select(
            *_KINDS,
            func.grouping(*_KINDS).label("kind"),
            func.count().label("number"),
            func.count().filter(_IS_OVERDUE).label("overdue"),
        )
        .where(tasks.c.project_id == seen.c.id, TASK_IS_LIVE)
        .group_by(func.grouping_sets(*(tuple_(kind) for kind in _KINDS)))
        .lateral("counted")
    )
    counting = select(seen.c.role, *counted.c).select_from(seen.outerjoin(counted, true()))
    assignee: Any = counted.c.assignee_id
    return Named(assignee).beside(counting).order_by(counted.c.number.desc(), assignee)


_COUNT: Mapping[bool, Select[Any]] = {by_id: _counting(is_meant) for by_id, is_meant in BY_REF.items()}


async def count_tasks(db: Database, caller: Caller, project: ProjectRef, *, now: datetime) -> tuple[Stats, Role]:
    """The tasks of a project, with the caller's role in it. Whoever has most of them comes first.

    Raises:
        ProjectNotFound: There is no such project that the caller may see.
    """
    rows = await db.fetch_all(_COUNT[project.id is not None], now=now, **projects_store.meant(project, caller))
    if not rows:
        raise ProjectNotFound
    of_people = [row for row in rows if row.kind == _BY_ASSIGNEE]
    stats = Stats(
        overdue=sum(row.overdue for row in rows if row.kind == _BY_STATUS),
        by_status={Status(row.status): row.number for row in rows if row.kind == _BY_STATUS},
        by_priority={Priority(row.priority): row.number for row in rows if row.kind == _BY_PRIORITY},
        by_assignee={row.assignee_id: row.number for row in of_people},
        people={user_id: person for row in of_people for user_id, person in _ASSIGNEE.people(row).items()},
    )
    return stats, caller.role(rows[0].role)
