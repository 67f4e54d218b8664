"""A page of an export: one statement, whatever its tasks are linked with."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, any_, func, select, true

from chassis.database import Database
from work_service.access import Caller, Role
from work_service.exports.domain import Exported
from work_service.finding.domain import Wanted, order
from work_service.finding.store import lists
from work_service.projects.domain import ProjectNotFound, ProjectRef
from work_service.tables import tags, tasks
from work_service.tasks.domain import TaskId
from work_service.tasks.store.rows import task_of

_STATEMENTS = 16
_BY_NUMBER = order("", of_one_project=True)


async def page(
    db: Database, caller: Caller, project: ProjectRef, wanted: Wanted, *, after: int | None, limit: int
) -> tuple[Sequence[Exported], Role]:
    """Up to `limit` tasks whose numbers are behind `after`, in their order, with the caller's role of now.

    Raises:
        ProjectNotFound: There is no such project that the caller may see, or no more.
    """
    cursor = None if after is None else [after]
    listing, given = lists.question(caller, project, wanted, _BY_NUMBER, after=cursor, limit=limit)
    rows = await db.fetch_all(_told(listing, deleted_too=wanted.deleted_too), **given)
    if not rows:
        raise ProjectNotFound
    found = [
        Exported(
            task_of(row),
            category=row.category_slug,
            labels=row.label_slugs,
            parent_id=None if row.told_parent_id is None else TaskId(row.told_parent_id),
        )
        for row in rows
        if row.id is not None
    ]
    return found, caller.role(rows[0].role)


@lru_cache(_STATEMENTS)
def _told(listing: Select[Any], *, deleted_too: bool) -> Select[Any]:
    """A list, with what its tasks are linked with as others know it."""
    listed, whole = listing.subquery("listed"), tasks.alias("whole")
    category = select(tags.c.slug).where(tags.c.id == listed.c.category_id)
    labels = (
        select(tags.c.slug)
        .where(tags.c.id == any_(listed.c.labels))
        .order_by(func.array_position(listed.c.labels, tags.c.id))
    )
    is_told = true() if deleted_too else whole.c.delete_time.is_(None)
    parent = select(whole.c.id).where(whole.c.id == listed.c.parent_id, is_told)
    told = select(
        listed,
        category.scalar_subquery().label("category_slug"),
        func.array(labels.scalar_subquery()).label("label_slugs"),
        parent.scalar_subquery().label("told_parent_id"),
    )
    return told.order_by(listed.c.number).execution_options(**listing.get_execution_options())
