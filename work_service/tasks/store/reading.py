"""Tasks as they are, by id or number."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, select

from chassis.database import Database, Transaction
from work_service.access import Caller, Role
from work_service.projects import store as projects_store
from work_service.projects.domain import ProjectId, ProjectRef
from work_service.tables import tasks
from work_service.tasks.domain import Task, TaskId, TaskRef
from work_service.tasks.store.rows import (
    FIND,
    FIND_MANY,
    IS_ANY_OF,
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

GET: Mapping[How, Select[Any]] = {how: with_names(find) for how, find in FIND.items()}
_HOLD: Mapping[How, Select[Any]] = {how: get.with_for_update(read=True, of=tasks) for how, get in GET.items()}
_GET_MANY: Mapping[bool, Select[Any]] = {by_id: with_names(find) for by_id, find in FIND_MANY.items()}
_FIND_IDS = select(tasks.c.id, tasks.c.number).where(
    tasks.c.project_id == bindparam("project"), IS_ANY_OF, TASK_IS_LIVE
)


async def get_task(
    db: Database | Transaction, caller: Caller, project: ProjectRef, ref: TaskRef, *, deleted_too: bool = False
) -> tuple[Task, Role]:
    """The task with the caller's role in its project; TaskNotFound to anyone outside of it."""
    row = await db.find_one(GET[how(project, ref, deleted_too=deleted_too)], **meant(caller, project, ref))
    return seen(row, caller)


async def get_held(tx: Transaction, caller: Caller, project: ProjectRef, ref: TaskRef) -> tuple[Task, Role]:
    """The same, and it neither changes nor leaves before the transaction ends: who is changing it is waited for."""
    row = await tx.find_one(_HOLD[how(project, ref, deleted_too=False)], **meant(caller, project, ref))
    return seen(row, caller)


async def get_many(
    db: Database | Transaction, caller: Caller, project: ProjectRef, refs: Sequence[TaskRef]
) -> tuple[Mapping[TaskRef, Task], Role | None]:
    """Those of the tasks that are there, and the caller's role in their project, if any is."""
    rows = await db.fetch_all(
        _GET_MANY[project.id is not None], **projects_store.meant(project, caller), **any_of_these(refs)
    )
    found = [task_of(row) for row in rows]
    return _by_ref(found), caller.role(rows[0].role) if rows else None


async def find_ids(tx: Transaction, project_id: ProjectId, refs: Sequence[TaskRef]) -> Mapping[TaskRef, TaskId]:
    """Which tasks of a project were meant; those that are not there are left out."""
    rows = await tx.fetch_all(_FIND_IDS, project=project_id, **any_of_these(refs))
    return ids_by_ref(rows)


def _by_ref(found: Sequence[Task]) -> Mapping[TaskRef, Task]:
    by_number = {TaskRef(None, task.number): task for task in found}
    return by_number | {TaskRef(task.id, None): task for task in found}
