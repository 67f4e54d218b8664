"""What tasks of a project are to each other: parts, and neighbours."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Uuid, any_, bindparam, delete, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from chassis import locks
from chassis.database import Transaction
from work_service.projects.domain import ProjectId
from work_service.tables import relations, tasks
from work_service.tasks.domain import TaskId, TaskNotFound
from work_service.together import changing

_PROJECT_ID: ColumnElement[Any] = bindparam("project", type_=Uuid())
_LOCK_LINKS = select(locks.taken("work/v1/links", _PROJECT_ID))
_LOCK_ORDER = select(locks.taken("work/v1/order", _PROJECT_ID))
_wholes = (
    select(tasks.c.id.label("part"), tasks.c.parent_id)
    .where(tasks.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .cte("wholes", recursive=True)
)
_wholes = _wholes.union(
    select(_wholes.c.part, tasks.c.parent_id).where(tasks.c.id == _wholes.c.parent_id, tasks.c.id != _wholes.c.part)
)
_IN_A_CIRCLE = select(_wholes.c.part.label("id")).where(_wholes.c.part == _wholes.c.parent_id)
_RELEASE_PARTS = changing(tasks.c.parent_id == bindparam("whole"), parent_id=None)
_UNRELATE = delete(relations).where(
    or_(relations.c.task_id == bindparam("task"), relations.c.other_id == bindparam("task"))
)
_beside = (
    select(tasks.c.position)
    .where(tasks.c.project_id == _PROJECT_ID, tasks.c.id == bindparam("beside", type_=Uuid()))
    .subquery()
)
_others = tasks.alias()
_ANOTHER = (_others.c.project_id == _PROJECT_ID, _others.c.id != bindparam("task", type_=Uuid()))
_NEIGHBOURS = select(
    _beside.c.position,
    select(func.max(_others.c.position)).where(*_ANOTHER, _others.c.position < _beside.c.position).label("below"),
    select(func.min(_others.c.position)).where(*_ANOTHER, _others.c.position > _beside.c.position).label("above"),
)


async def lock_links(tx: Transaction, project_id: ProjectId) -> None:
    """Nobody else links tasks of this project with each other before the transaction ends, or takes one away."""
    await tx.find_one(_LOCK_LINKS, project=project_id)


async def in_a_circle(tx: Transaction, ids: Collection[TaskId]) -> Collection[TaskId]:
    """Those of the tasks that are a part of themselves now. Ask under the lock of links."""
    return [TaskId(row.id) for row in await tx.fetch_all(_IN_A_CIRCLE, ids=list(ids))]


async def unlink(tx: Transaction, task_id: TaskId, *, now: datetime) -> None:
    """A task has no parts any more, and nothing to do with any other. Under the lock of links."""
    await tx.execute(_RELEASE_PARTS, whole=task_id, now=now)
    await tx.execute(_UNRELATE, task=task_id)


async def neighbours(
    tx: Transaction, project_id: ProjectId, task_id: TaskId, beside: TaskId
) -> tuple[str | None, str, str | None]:
    """The place right before a task, its own, and the one right after it, as if `task_id` stood nowhere.

    Nobody else gives places in this project before the transaction ends, but to what is new.
    """
    await tx.find_one(_LOCK_ORDER, project=project_id)
    row = await tx.find_one(_NEIGHBOURS, project=project_id, task=task_id, beside=beside)
    if row is None:
        raise TaskNotFound
    return row.below, row.position, row.above
