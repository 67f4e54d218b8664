"""Tasks in the database, always as a caller sees them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    insert,
    select,
    true,
    update,
)

from chassis import locks
from chassis.database import Database, LockTimeout, Transaction
from work_service.access import Caller, Role, UserId
from work_service.projects import store as projects_store
from work_service.projects.domain import ProjectId, ProjectNotFound, ProjectRef
from work_service.projects.store import BY_REF, IS_SEEN, SEEN_PROJECTS
from work_service.tables import members, projects, task_counters, tasks
from work_service.tasks.domain import Priority, Status, Task, TaskId, TaskLocked, TaskNotFound, TaskRef

LOCK = "work/v1/task"
"""The namespace of the locks that keep changes of one task in order."""

_COLUMNS = (
    tasks.c.id,
    tasks.c.project_id,
    tasks.c.number,
    tasks.c.title,
    tasks.c.description,
    tasks.c.status,
    tasks.c.priority,
    tasks.c.creator_id,
    tasks.c.assignee_id,
    tasks.c.due_time,
    tasks.c.complete_time,
    tasks.c.create_time,
    tasks.c.update_time,
    tasks.c.delete_time,
    tasks.c.version,
)
_LIVE: ColumnElement[bool] = tasks.c.delete_time.is_(None)
_EXISTS: Mapping[bool, ColumnElement[bool]] = {False: _LIVE, True: true()}
"""Whether a task is there, by whether deleted ones are looked for too."""
_SEEN = SEEN_PROJECTS.join(tasks, tasks.c.project_id == projects.c.id)
_BY_REF: Mapping[bool, ColumnElement[bool]] = {
    True: tasks.c.id == bindparam("task"),
    False: tasks.c.number == bindparam("task"),
}

How = tuple[bool, bool, bool]
"""Whether the project is named by id, whether the task is, and whether deleted tasks are looked for too."""

_GET: Mapping[How, Select[Any]] = {
    (project_by_id, task_by_id, deleted_too): select(*_COLUMNS, members.c.role)
    .select_from(_SEEN)
    .where(project_is_meant, IS_SEEN, task_is_meant, exists)
    for project_by_id, project_is_meant in BY_REF.items()
    for task_by_id, task_is_meant in _BY_REF.items()
    for deleted_too, exists in _EXISTS.items()
}


def _locking(get: Select[Any]) -> Select[Any]:
    seen = get.with_only_columns(tasks.c.id).cte("seen")
    return select(
        locks.bounded(bindparam("lock_timeout")),  # first: the lock below is the one that it bounds
        locks.taken(LOCK, seen.c.id),
        seen.c.id,
    )


_LOCK: Mapping[How, Select[Any]] = {how: _locking(get) for how, get in _GET.items()}
_GET_AGAIN: Mapping[bool, Select[Any]] = {
    deleted_too: select(*_COLUMNS, members.c.role)
    .select_from(_SEEN)
    .where(tasks.c.id == bindparam("task"), IS_SEEN, exists)
    for deleted_too, exists in _EXISTS.items()
}


def _listing(project_is_meant: ColumnElement[bool], exists: ColumnElement[bool]) -> Select[Any]:
    """The caller's role in one row at least, so that an empty project is not mistaken for one that is not there."""
    seen = select(projects.c.id, members.c.role).select_from(SEEN_PROJECTS).where(project_is_meant, IS_SEEN).subquery()
    page = (
        select(*_COLUMNS)
        .where(tasks.c.project_id == seen.c.id, tasks.c.number > bindparam("after"), exists)
        .order_by(tasks.c.number)
        .limit(bindparam("limit"))
        .lateral("page")
    )
    return select(seen.c.role, *page.c).select_from(seen.outerjoin(page, true())).order_by(page.c.number)


_LIST: Mapping[tuple[bool, bool], Select[Any]] = {
    (by_id, deleted_too): _listing(is_meant, exists)
    for by_id, is_meant in BY_REF.items()
    for deleted_too, exists in _EXISTS.items()
}
_NEXT_NUMBER = (
    update(task_counters)
    .values(last_number=task_counters.c.last_number + 1)
    .where(task_counters.c.project_id == bindparam("project"))
    .returning(task_counters.c.last_number)
)
_IS_MEMBER = select(members.c.user_id).where(
    members.c.project_id == bindparam("project"), members.c.user_id == bindparam("user")
)
_ADD = insert(tasks).values({column.name: bindparam(column.name) for column in _COLUMNS})
_SAVE = (
    update(tasks)
    .values(
        {
            column.name: bindparam(f"new_{column.name}")
            for column in _COLUMNS
            if column.name not in {"id", "project_id", "number", "creator_id", "create_time"}
        }
    )
    .where(tasks.c.id == bindparam("task"), tasks.c.version == bindparam("replaced"))
)


async def get_task(
    db: Database, caller: Caller, project: ProjectRef, ref: TaskRef, *, deleted_too: bool = False
) -> tuple[Task, Role]:
    """The task with the caller's role in its project; TaskNotFound to anyone outside of it."""
    row = await db.find_one(_GET[_how(project, ref, deleted_too)], **_meant(caller, project, ref))
    return _seen(row, caller)


async def locked_for(
    tx: Transaction,
    caller: Caller,
    project: ProjectRef,
    ref: TaskRef,
    *,
    lock_timeout: timedelta,
    deleted_too: bool = False,
) -> TaskId:
    """Let one transaction at a time change this task; the others queue, fairly, for up to `lock_timeout`.

    One statement resolves the task as the caller sees it and takes the lock, so a stranger learns nothing by waiting:
    no row, no lock. Read the task after it: under READ COMMITTED the next statement sees what the last holder
    committed. The lock is held to the end of the transaction: released earlier, the next one would read the past.

    Raises:
        TaskNotFound: There is no such task that the caller may see.
        TaskLocked: Others had the lock for all that time.
    """
    statement = _LOCK[_how(project, ref, deleted_too)]
    try:
        row = await tx.find_one(statement, lock_timeout=locks.written(lock_timeout), **_meant(caller, project, ref))
    except LockTimeout as error:
        raise TaskLocked(retry_after=error.retry_after) from error
    if row is None:
        raise TaskNotFound
    return TaskId(row.id)


async def task_with_role(
    tx: Transaction, caller: Caller, task_id: TaskId, *, deleted_too: bool = False
) -> tuple[Task, Role]:
    """The task as it is now, with the caller's role of now."""
    row = await tx.find_one(_GET_AGAIN[deleted_too], task=task_id, **projects_store.seen_by(caller))
    return _seen(row, caller)


async def list_tasks(
    db: Database, caller: Caller, project: ProjectRef, *, after: int, limit: int, deleted_too: bool
) -> tuple[Sequence[Task], Role]:
    """Up to `limit` tasks whose number is above `after`, in order, with the caller's role in the project.

    Raises:
        ProjectNotFound: There is no such project that the caller may see.
    """
    rows = await db.fetch_all(
        _LIST[project.id is not None, deleted_too],
        after=after,
        limit=limit,
        **projects_store.meant(project, caller),
    )
    if not rows:
        raise ProjectNotFound
    return [_task(row) for row in rows if row.id is not None], caller.role(rows[0].role)


async def next_number(db: Database, project_id: ProjectId) -> int:
    """A number that no other task of the project gets. Committed at once, so that nobody waits for anybody's task.

    Raises:
        ProjectNotFound: The project is gone.
    """
    row = await db.find_one(_NEXT_NUMBER, project=project_id)
    if row is None:
        raise ProjectNotFound
    number: int = row.last_number
    return number


async def is_member(tx: Transaction, project_id: ProjectId, user_id: UserId) -> bool:
    """Whether somebody is a member of a project."""
    return await tx.find_one(_IS_MEMBER, project=project_id, user=user_id) is not None


async def add(tx: Transaction, task: Task) -> None:
    """Keep a new task."""
    await tx.execute(_ADD, **_row(task))


async def save(tx: Transaction, task: Task, *, replacing: int) -> None:
    """Keep a task that took the place of its version `replacing`.

    Under the task's lock nobody can have been first; if somebody was, it is a bug, and nothing is kept.
    """
    new = {f"new_{name}": value for name, value in _row(task).items()}
    if await tx.execute(_SAVE, task=task.id, replaced=replacing, **new) != 1:
        raise LookupError(f"version {replacing} of task {task.id} was replaced by somebody without its lock")


def _how(project: ProjectRef, ref: TaskRef, deleted_too: bool) -> How:  # noqa: FBT001 - the third part of the key
    return project.id is not None, ref.id is not None, deleted_too


def _meant(caller: Caller, project: ProjectRef, ref: TaskRef) -> dict[str, Any]:
    return projects_store.meant(project, caller) | {"task": ref.number if ref.id is None else ref.id}


def _seen(row: Row[Any] | None, caller: Caller) -> tuple[Task, Role]:
    if row is None:
        raise TaskNotFound
    return _task(row), caller.role(row.role)


def _task(row: Row[Any]) -> Task:
    return Task(
        id=TaskId(row.id),
        project_id=ProjectId(row.project_id),
        number=row.number,
        title=row.title,
        description=row.description,
        status=Status(row.status),
        priority=Priority(row.priority),
        creator_id=UserId(row.creator_id),
        assignee_id=None if row.assignee_id is None else UserId(row.assignee_id),
        due_time=row.due_time,
        complete_time=row.complete_time,
        create_time=row.create_time,
        update_time=row.update_time,
        delete_time=row.delete_time,
        version=row.version,
    )


def _row(task: Task) -> dict[str, Any]:
    return {column.name: getattr(task, column.name) for column in _COLUMNS}
