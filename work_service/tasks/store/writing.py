"""Tasks that are new, or another than before."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from operator import attrgetter

from sqlalchemy import Integer, Text, Uuid, any_, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import ConcurrentModification, Database, Transaction, refusals
from work_service.projects.domain import ProjectId, ProjectNotFound
from work_service.tables import task_counters, tasks
from work_service.tasks.domain import ExternalIdTaken, Task, TaskId
from work_service.tasks.store.rows import COLUMNS, TASK_IS_LIVE, row_of

_NEXT_NUMBERS = (
    update(task_counters)
    .values(last_number=task_counters.c.last_number + bindparam("count", type_=Integer()))
    .where(task_counters.c.project_id == bindparam("project"))
    .returning(task_counters.c.last_number)
)
_ADD = insert(tasks).values({column.name: bindparam(column.name) for column in COLUMNS})
_SAVE = (
    update(tasks)
    .values(
        {
            column.name: bindparam(f"new_{column.name}")
            for column in COLUMNS
            if column.name not in {"id", "creator_id", "create_time"}
        }
    )
    .where(tasks.c.id == bindparam("task"), tasks.c.version == bindparam("replaced"))
)
_TAKE_EXTERNAL_IDS = (
    update(tasks).values(external_id=None).where(tasks.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
)
_EXTERNAL_IDS_TAKEN = select(tasks.c.external_id).where(
    tasks.c.project_id == bindparam("project"),
    tasks.c.external_id == any_(bindparam("wanted", type_=ARRAY(Text))),
    tasks.c.external_id.is_not(None),
    TASK_IS_LIVE,
)
_REFUSALS = {"tasks_external_id_key": ExternalIdTaken}
_SOON = timedelta(milliseconds=100)


async def next_numbers(db: Database, project_id: ProjectId, count: int) -> range:
    """Numbers that no other tasks of the project get. Committed at once, so that nobody waits for anybody's task.

    Raises:
        ProjectNotFound: The project is gone.
    """
    row = await db.find_one(_NEXT_NUMBERS, project=project_id, count=count)
    if row is None:
        raise ProjectNotFound
    return range(row.last_number - count + 1, row.last_number + 1)


async def add(tx: Transaction, *added: Task) -> None:
    """Keep new tasks. One round trip.

    Raises:
        ExternalIdTaken: Another one has the external id of one of them.
    """
    with refusals(_REFUSALS):
        await tx.execute_many(_ADD, [row_of(task) for task in added])


async def take_external_ids(tx: Transaction, ids: Sequence[TaskId]) -> None:
    """Let tasks have no external ids, until they are saved right after this."""
    await tx.execute(_TAKE_EXTERNAL_IDS, ids=ids)


async def external_ids_taken(tx: Transaction, project_id: ProjectId, wanted: Iterable[str]) -> set[str]:
    """Those of the external ids that tasks of the project have."""
    rows = await tx.fetch_all(_EXTERNAL_IDS_TAKEN, project=project_id, wanted=list(wanted))
    return {row.external_id for row in rows}


async def save(tx: Transaction, *saved: Task) -> None:
    """Keep tasks in the place of the version before, under their locks. One round trip.

    Raises:
        ExternalIdTaken: Another one has the external id of one of them.
        ConcurrentModification: Somebody changed many tasks at once, one of these among them.
    """
    rows = [
        {"task": task.id, "replaced": task.version - 1} | {f"new_{name}": value for name, value in row_of(task).items()}
        for task in sorted(saved, key=attrgetter("id"))
    ]
    with refusals(_REFUSALS):
        replaced = await tx.execute_many(_SAVE, rows)
    if replaced != len(rows):
        raise ConcurrentModification(retry_after=_SOON)
