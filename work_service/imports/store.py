"""Tasks that an import is about, in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, Uuid, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from chassis import locks
from chassis.database import ConcurrentModification, Database, Transaction, waiting
from work_service.imports.domain import ImportLocked, Known, Register
from work_service.projects.domain import ProjectId
from work_service.tables import tasks
from work_service.tasks.domain import Task, TaskId, TaskNotFound, TaskRef
from work_service.tasks.store.rows import COLUMNS, IS_ANY_OF, TASK_IS_LIVE, any_of_these, task_of, with_names

LOCK = "work/v1/import"
"""The namespace of the locks that let one import into a project run at a time."""

_PROJECT_ID: ColumnElement[Any] = bindparam("project", type_=Uuid())
_IDS: ColumnElement[Any] = any_(bindparam("ids", type_=ARRAY(Uuid)))
_LOCK = select(
    locks.bounded(bindparam("lock_timeout")),  # first: the locks below are those that it bounds, to the end
    locks.taken(LOCK, _PROJECT_ID),
)
_FIND = select(tasks.c.id, tasks.c.number, tasks.c.external_id, tasks.c.parent_id).where(
    tasks.c.project_id == _PROJECT_ID,
    or_(tasks.c.external_id == any_(bindparam("names", type_=ARRAY(Text))), IS_ANY_OF),
    TASK_IS_LIVE,
)
_ARE_MEANT = (tasks.c.id == _IDS, tasks.c.project_id == _PROJECT_ID, TASK_IS_LIVE)
_HOLD = select(tasks.c.id).where(*_ARE_MEANT).order_by(tasks.c.id).with_for_update(key_share=True)
_GET = with_names(select(*COLUMNS)).where(*_ARE_MEANT)
_wholes = select(tasks.c.id, tasks.c.parent_id).where(tasks.c.id == _IDS).cte("wholes", recursive=True)
_wholes = _wholes.union(select(tasks.c.id, tasks.c.parent_id).where(tasks.c.id == _wholes.c.parent_id))
_SOON = timedelta(milliseconds=100)
_WHOLES = select(_wholes.c.id, _wholes.c.parent_id)


async def lock(tx: Transaction, project_id: ProjectId, *, lock_timeout: timedelta) -> None:
    """One import into a project runs at a time: the next one finds what this one has made.

    No lock of this transaction is waited for longer than `lock_timeout`.

    Raises:
        ImportLocked: Another one ran for all that time.
    """
    with waiting(ImportLocked):
        await tx.find_one(_LOCK, project=project_id, lock_timeout=locks.written(lock_timeout))


async def register(db: Database | Transaction, project_id: ProjectId, names: Collection[str]) -> Register:
    """Those tasks of a project that are called so, by external id, id or number."""
    if not names:
        return Register()
    statement, given = question(project_id, names)
    rows = await db.fetch_all(statement, **given)
    return Register(
        Known(TaskId(row.id), row.number, row.external_id, None if row.parent_id is None else TaskId(row.parent_id))
        for row in rows
    )


def question(project_id: ProjectId, names: Collection[str]) -> tuple[Select[Any], dict[str, Any]]:
    """The statement that finds tasks by what they are called, and what is bound to it."""
    refs = [ref for name in names if (ref := _ref(name)) is not None]
    return _FIND, {"project": project_id, "names": list(names), **any_of_these(refs)}


async def hold(tx: Transaction, project_id: ProjectId, ids: Collection[TaskId]) -> None:
    """Nobody else changes these tasks before the transaction ends.

    Their rows are locked, in the order of ids: of advisory locks PostgreSQL has a fixed number. Who changes one of them
    under its own lock at the same time is told that it has changed.

    Raises:
        ConcurrentModification: One of them is gone.
    """
    if ids and len(await tx.fetch_all(_HOLD, project=project_id, ids=list(ids))) != len(ids):
        raise ConcurrentModification(retry_after=_SOON)


async def get_many(tx: Transaction, project_id: ProjectId, ids: Sequence[TaskId]) -> Sequence[Task]:
    """Tasks that are held."""
    return [task_of(row) for row in await tx.fetch_all(_GET, project=project_id, ids=list(ids))]


async def wholes(tx: Transaction, ids: Collection[TaskId]) -> Mapping[TaskId, TaskId | None]:
    """The parents of tasks, and theirs, up to the last. Under the lock of links."""
    rows = await tx.fetch_all(_WHOLES, ids=list(ids))
    return {TaskId(row.id): None if row.parent_id is None else TaskId(row.parent_id) for row in rows}


def _ref(name: str) -> TaskRef | None:
    try:
        return TaskRef.read(name)
    except TaskNotFound:
        return None
