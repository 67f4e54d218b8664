"""Changes of a task, one at a time."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from chassis import locks
from chassis.database import Transaction, waiting
from work_service.access import Caller, Role
from work_service.projects import store as projects_store
from work_service.projects.domain import ProjectId, ProjectRef
from work_service.projects.store import IS_SEEN
from work_service.tables import members, tasks
from work_service.tasks.domain import Task, TaskId, TaskLocked, TaskNotFound, TaskRef
from work_service.tasks.store.rows import (
    COLUMNS,
    EXISTS,
    FIND,
    FIND_MANY,
    SEEN_TASKS,
    TASK_IS_LIVE,
    How,
    any_of_these,
    how,
    ids_by_ref,
    meant,
    seen,
    task_of,
    with_names,
)

LOCK = "work/v1/task"
"""The namespace of the locks that keep changes of one task in order."""


def _locking(find: Select[Any]) -> Select[Any]:
    seen = find.with_only_columns(tasks.c.id, tasks.c.project_id).cte("seen")
    return select(
        locks.bounded(bindparam("lock_timeout")),  # first: the lock below is the one that it bounds
        locks.taken(LOCK, seen.c.id),
        seen.c.id,
        seen.c.project_id,
    )


_LOCK: Mapping[How, Select[Any]] = {how: _locking(find) for how, find in FIND.items()}
_GET_AGAIN: Mapping[bool, Select[Any]] = {
    deleted_too: with_names(select(*COLUMNS, members.c.role).select_from(SEEN_TASKS)).where(
        tasks.c.id == bindparam("task"), tasks.c.project_id == bindparam("project"), IS_SEEN, exists
    )
    for deleted_too, exists in EXISTS.items()
}


def _locking_many(find: Select[Any]) -> Select[Any]:
    seen = (
        find.with_only_columns(tasks.c.id, tasks.c.number, tasks.c.project_id)
        .order_by(tasks.c.id)
        .cte("seen")
        .prefix_with("MATERIALIZED")
    )
    return select(locks.bounded(bindparam("lock_timeout")), locks.taken(LOCK, seen.c.id), *seen.c)


_LOCK_MANY: Mapping[bool, Select[Any]] = {by_id: _locking_many(find) for by_id, find in FIND_MANY.items()}
_GET_THESE = with_names(select(*COLUMNS, members.c.role).select_from(SEEN_TASKS)).where(
    tasks.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    tasks.c.project_id == bindparam("project"),
    IS_SEEN,
    TASK_IS_LIVE,
)


async def locked_for(
    tx: Transaction,
    caller: Caller,
    project: ProjectRef,
    ref: TaskRef,
    *,
    lock_timeout: timedelta,
    deleted_too: bool = False,
) -> tuple[ProjectId, TaskId]:
    """Let one transaction at a time change this task; the others queue, fairly, for up to `lock_timeout`.

    One statement resolves the task as the caller sees it and takes the lock, so a stranger learns nothing by waiting:
    no row, no lock. Read the task after it: under READ COMMITTED the next statement sees what the last holder
    committed. The lock is held to the end of the transaction: released earlier, the next one would read the past.

    Raises:
        TaskNotFound: There is no such task that the caller may see.
        TaskLocked: Others had the lock for all that time.
    """
    statement = _LOCK[how(project, ref, deleted_too=deleted_too)]
    with waiting(TaskLocked):
        row = await tx.find_one(statement, lock_timeout=locks.written(lock_timeout), **meant(caller, project, ref))
    if row is None:
        raise TaskNotFound
    return ProjectId(row.project_id), TaskId(row.id)


async def task_with_role(
    tx: Transaction, caller: Caller, project_id: ProjectId, task_id: TaskId, *, deleted_too: bool = False
) -> tuple[Task, Role]:
    """The task as it is now, with the caller's role of now.

    Raises:
        TaskNotFound: It is not in this project any more, or the caller may not see it any more.
    """
    statement = _GET_AGAIN[deleted_too]
    row = await tx.find_one(statement, project=project_id, task=task_id, **projects_store.seen_by(caller))
    return seen(row, caller)


async def locked_many(
    tx: Transaction, caller: Caller, project: ProjectRef, refs: Sequence[TaskRef], *, lock_timeout: timedelta
) -> tuple[ProjectId, Mapping[TaskRef, TaskId]]:
    """Let one transaction at a time change these tasks, those of them that are there.

    As with one task; the locks are taken in the order of ids, so that two who want the same ones do not wait for each
    other.

    Raises:
        TaskNotFound: None of them is there.
        TaskLocked: Others had one of the locks for all that time.
    """
    with waiting(TaskLocked):
        rows = await tx.fetch_all(
            _LOCK_MANY[project.id is not None],
            lock_timeout=locks.written(lock_timeout),
            **projects_store.meant(project, caller),
            **any_of_these(refs),
        )
    if not rows:
        raise TaskNotFound
    return ProjectId(rows[0].project_id), ids_by_ref(rows)


async def tasks_with_role(
    tx: Transaction, caller: Caller, project_id: ProjectId, ids: Collection[TaskId]
) -> tuple[Mapping[TaskId, Task], Role]:
    """Those of the tasks that are in the project now, with the caller's role of now.

    Raises:
        TaskNotFound: None of them is, or the caller may not see them any more.
    """
    rows = await tx.fetch_all(_GET_THESE, project=project_id, ids=list(ids), **projects_store.seen_by(caller))
    if not rows:
        raise TaskNotFound
    return {TaskId(row.id): task_of(row) for row in rows}, caller.role(rows[0].role)
