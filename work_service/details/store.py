"""Tasks with what belongs to them: one statement, whatever there is."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, FromClause, Row, Select, Text, any_, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from chassis.database import Database
from work_service.access import Caller, Role
from work_service.details.domain import LATEST_COMMENTS, Details
from work_service.projects.domain import ProjectRef
from work_service.tables import comments, profiles, tags, tasks
from work_service.tasks.domain import OPEN, Task, TaskNotFound, TaskRef
from work_service.tasks.store import reading, rows
from work_service.tasks.store.rows import How

_DETAILS = TypeAdapter(Details)


def _object(columns: Iterable[ColumnElement[Any]] = (), **more: ColumnElement[Any]) -> ColumnElement[Any]:
    named = {**{getattr(column, "name", ""): column for column in columns}, **more}
    pairs = ((literal(name, Text()), column) for name, column in named.items())
    return func.jsonb_build_object(*chain.from_iterable(pairs), type_=JSONB)


def _listed(one: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(func.jsonb_agg(one), func.jsonb_build_array())


_SAID = (comments.c.id, comments.c.task_id, comments.c.author_id, comments.c.text, comments.c.create_time)
_NAMES = ("username", "full_name")


def in_full(of: FromClause) -> ColumnElement[Any]:
    """What belongs to a task, for each row of `of`, which has the columns of tasks. `details_of` reads it."""
    category, label, parent, part = tags.alias(), tags.alias(), tasks.alias(), tasks.alias()
    is_part = (part.c.parent_id == of.c.id, part.c.delete_time.is_(None))
    latest = (
        select(*_SAID, comments.c.update_time, comments.c.version, profiles.c.username, profiles.c.full_name)
        .outerjoin_from(comments, profiles, profiles.c.user_id == comments.c.author_id)
        .where(comments.c.task_id == of.c.id)
        .order_by(comments.c.id.desc())
        .limit(LATEST_COMMENTS)
        .correlate(of)
        .subquery()
    )
    author = _object(id=latest.c.author_id, **{name: func.coalesce(latest.c[name], "") for name in _NAMES})
    comment = _object(
        (column for column in latest.c if column.name not in _NAMES),
        project_id=of.c.project_id,
        people=func.jsonb_build_object(latest.c.author_id, author, type_=JSONB),
    )
    parts: Mapping[str, Select[Any]] = {
        "category": select(_object(category.c)).where(category.c.id == of.c.category_id),
        "labels": select(
            _listed(aggregate_order_by(_object(label.c), func.array_position(of.c.labels, label.c.id)))
        ).where(label.c.id == any_(of.c.labels)),
        "parent": select(_object((parent.c.id, parent.c.number, parent.c.title, parent.c.status))).where(
            parent.c.id == of.c.parent_id, parent.c.delete_time.is_(None)
        ),
        "part_count": select(func.count()).where(*is_part),
        "open_part_count": select(func.count()).where(*is_part, part.c.status.in_(sorted(OPEN))),
        "comment_count": select(func.count()).where(comments.c.task_id == of.c.id),
        "latest_comments": select(_listed(aggregate_order_by(comment, latest.c.id.desc()))),
    }
    return _object(**{name: part.correlate(of).scalar_subquery() for name, part in parts.items()}).label("details")


def details_of(row: Row[Any]) -> Details:
    """What belongs to the task in a row."""
    return _DETAILS.validate_python(row.details)


_GET: Mapping[How, Select[Any]] = {how: get.add_columns(in_full(tasks)) for how, get in reading.GET.items()}


async def get_in_full(
    db: Database, caller: Caller, project: ProjectRef, ref: TaskRef, *, deleted_too: bool
) -> tuple[Task, Details, Role]:
    """The task with what belongs to it, and the caller's role in its project.

    Raises:
        TaskNotFound: There is no such task that the caller may see.
    """
    how = rows.how(project, ref, deleted_too=deleted_too)
    row = await db.find_one(_GET[how], **rows.meant(caller, project, ref))
    if row is None:
        raise TaskNotFound
    task, role = rows.seen(row, caller)
    return task, details_of(row), role
