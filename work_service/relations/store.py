"""Relations in the database, always as a caller sees them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Uuid,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    true,
)

from chassis.database import Database, Transaction
from work_service.access import Caller, Role, UserId
from work_service.projects.domain import ProjectRef
from work_service.projects.store import BY_REF, IS_SEEN
from work_service.relations.domain import Kept, Kind, Relation
from work_service.tables import members, relations, tasks
from work_service.tasks.domain import Status, TaskId, TaskNotFound, TaskRef
from work_service.tasks.store.rows import SEEN_TASKS, TASK_BY_REF, TASK_IS_LIVE, meant

_other = tasks.alias("other")


def _listing(is_meant: Any) -> Select[Any]:
    """The caller's role in one row at least, so that having none is not mistaken for a task that is not there."""
    seen = select(tasks.c.id, members.c.role).select_from(SEEN_TASKS).where(*is_meant).subquery()
    from_here = relations.c.task_id == seen.c.id
    inverse = case({kind.value: kind.seen_from_there.value for kind in Kind}, value=relations.c.kind)
    beside = case((from_here, relations.c.other_id), else_=relations.c.task_id)
    page = (
        select(
            case((from_here, relations.c.kind), else_=inverse).label("kind"),
            relations.c.create_time,
            _other.c.id,
            _other.c.number,
            _other.c.title,
            _other.c.status,
        )
        .select_from(relations.join(_other, _other.c.id == beside))
        .where(or_(from_here, relations.c.other_id == seen.c.id), _other.c.delete_time.is_(None))
        .lateral("page")
    )
    return (
        select(seen.c.role, *page.c)
        .select_from(seen.outerjoin(page, true()))
        .order_by(page.c.create_time, page.c.number, page.c.kind)
    )


_LIST: Mapping[tuple[bool, bool], Select[Any]] = {
    (project_by_id, task_by_id): _listing((project_is_meant, IS_SEEN, task_is_meant, TASK_IS_LIVE))
    for project_by_id, project_is_meant in BY_REF.items()
    for task_by_id, task_is_meant in TASK_BY_REF.items()
}
_IS_MEANT = (
    relations.c.task_id == bindparam("from_id"),
    relations.c.kind == bindparam("the_kind"),
    relations.c.other_id == bindparam("to_id"),
)
_FIND = select(relations.c.create_time).where(*_IS_MEANT)


def _count(of: str) -> ColumnElement[int]:
    """Those that are seen: not those with tasks that are deleted."""
    task = bindparam(of, type_=Uuid())
    beside = case((relations.c.task_id == task, relations.c.other_id), else_=relations.c.task_id)
    seen = select(func.count()).select_from(relations.join(_other, _other.c.id == beside))
    is_its = or_(relations.c.task_id == task, relations.c.other_id == task)
    return seen.where(is_its, _other.c.delete_time.is_(None)).scalar_subquery()


_MOST = select(func.greatest(_count("from_id"), _count("to_id")).label("most"))
_way = select(bindparam("to_id", type_=Uuid()).label("id")).cte("way", recursive=True)
_way = _way.union(
    select(relations.c.other_id).where(relations.c.task_id == _way.c.id, relations.c.kind == bindparam("the_kind"))
)
_LEADS_BACK = select(_way.c.id).where(_way.c.id == bindparam("from_id", type_=Uuid())).limit(1)
_ADD = insert(relations).values(
    task_id=bindparam("from_id"),
    kind=bindparam("the_kind"),
    other_id=bindparam("to_id"),
    creator_id=bindparam("creator"),
    create_time=bindparam("now"),
)
_REMOVE = delete(relations).where(*_IS_MEANT)


async def list_relations(
    db: Database, caller: Caller, project: ProjectRef, task: TaskRef
) -> tuple[Sequence[Relation], Role]:
    """What a task is related to, the oldest relation first, with the caller's role in its project.

    Raises:
        TaskNotFound: There is no such task that the caller may see.
    """
    statement = _LIST[project.id is not None, task.id is not None]
    rows = await db.fetch_all(statement, **meant(caller, project, task))
    if not rows:
        raise TaskNotFound
    return [_relation(row) for row in rows if row.id is not None], caller.role(rows[0].role)


async def since(tx: Transaction, kept: Kept) -> datetime | None:
    """Since when two tasks are related like that, if they are."""
    row = await tx.find_one(_FIND, **_named(kept))
    return None if row is None else row.create_time


async def leads_back(tx: Transaction, kept: Kept) -> bool:
    """Whether there is a way from the other task to the first already. Ask under the lock of links."""
    return await tx.find_one(_LEADS_BACK, **_named(kept)) is not None


async def most(tx: Transaction, kept: Kept) -> int:
    """How many relations that one of the two tasks has which has more."""
    row = await tx.find_one(_MOST, from_id=kept.task_id, to_id=kept.other_id)
    return 0 if row is None else int(row.most)


async def add(tx: Transaction, kept: Kept, creator: UserId, *, now: datetime) -> None:
    """Keep that two tasks are related."""
    await tx.execute(_ADD, creator=creator, now=now, **_named(kept))


async def remove(tx: Transaction, kept: Kept) -> bool:
    """Whether two tasks were related like that. Now they are not."""
    return await tx.execute(_REMOVE, **_named(kept)) == 1


def _named(kept: Kept) -> dict[str, Any]:
    return {"from_id": kept.task_id, "the_kind": kept.kind.value, "to_id": kept.other_id}


def _relation(row: Row[Any]) -> Relation:
    return Relation(
        kind=Kind(row.kind),
        other_id=TaskId(row.id),
        number=row.number,
        title=row.title,
        status=Status(row.status),
        create_time=row.create_time,
    )
