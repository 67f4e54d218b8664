"""What was deleted, in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Select,
    Table,
    Uuid,
    all_,
    and_,
    any_,
    bindparam,
    delete,
    exists,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import Transaction
from work_service.tables import activities, projects, tags, tasks
from work_service.together import changing

_BEFORE: ColumnElement[Any] = bindparam("before")
_IDS: ColumnElement[Any] = bindparam("ids", type_=ARRAY(Uuid))


def _some(table: Table, *are_old: ColumnElement[bool]) -> tuple[Table, Select[Any]]:
    """Whoever holds one of the rows has something in mind with it: it stays for the next time."""
    return table, select(table.c.id).where(*are_old).limit(bindparam("most")).with_for_update(skip_locked=True)


SWEPT: Sequence[tuple[Table, Select[Any]]] = (
    _some(tasks, tasks.c.delete_time < _BEFORE),
    # Before projects, so that none takes all of its tasks with it at once. It is held with them: nobody brings it back
    # meanwhile.
    _some(tasks, tasks.c.project_id == projects.c.id, projects.c.delete_time < _BEFORE),
    _some(tags, tags.c.delete_time < _BEFORE),
    _some(projects, projects.c.delete_time < _BEFORE, ~exists().where(tasks.c.project_id == projects.c.id)),
)
"""What goes, in this order: nothing is left that hangs on something else."""

# Those that stay are another version then. PostgreSQL would change them, too, and nobody would know.
_RELEASE_PARTS = changing(and_(tasks.c.parent_id == any_(_IDS), tasks.c.id != all_(_IDS)), parent_id=None)
# What is told of a task goes with it, wherever that was when it happened.
_MOVE_ALONG = (
    update(activities)
    .values(project_id=tasks.c.project_id)
    .where(activities.c.project_id == any_(_IDS), tasks.c.id == activities.c.task_id, tasks.c.project_id != all_(_IDS))
)
_REMOVE: Mapping[Table, Delete] = {table: delete(table).where(table.c.id == any_(_IDS)) for table, _ in SWEPT}


async def sweep(tx: Transaction, table: Table, old: Select[Any], *, before: datetime, most: int, now: datetime) -> int:
    """Remove up to `most` of what was deleted before; how many there were."""
    ids = [row.id for row in await tx.fetch_all(old, before=before, most=most)]
    if not ids:
        return 0
    if table is tasks:
        await tx.execute(_RELEASE_PARTS, ids=ids, now=now)
    elif table is projects:
        await tx.execute(_MOVE_ALONG, ids=ids)
    return await tx.execute(_REMOVE[table], ids=ids)
