"""Comments in the database, always as a caller sees them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, insert, select, true, update

from chassis.database import Database, Transaction
from work_service.access import Caller, Role, UserId
from work_service.comments.domain import Comment, CommentId, CommentNotFound
from work_service.profiles.store import Named
from work_service.projects.domain import ProjectId, ProjectRef
from work_service.projects.store import BY_REF, IS_SEEN
from work_service.tables import comments, members, tasks
from work_service.tasks.domain import TaskId, TaskNotFound, TaskRef
from work_service.tasks.store.rows import SEEN_TASKS, TASK_BY_REF, TASK_IS_LIVE, meant

_COLUMNS = tuple(column for column in comments.c if column is not comments.c.document)
_AUTHOR = Named(comments.c.author_id)
_SEEN = SEEN_TASKS.join(comments, comments.c.task_id == tasks.c.id)

How = tuple[bool, bool]
"""Whether the project is named by id, and whether the task is."""

_MEANT = {
    (project_by_id, task_by_id): (project_is_meant, IS_SEEN, task_is_meant, TASK_IS_LIVE)
    for project_by_id, project_is_meant in BY_REF.items()
    for task_by_id, task_is_meant in TASK_BY_REF.items()
}
_GET: Mapping[How, Select[Any]] = {
    how: _AUTHOR.beside(select(*_COLUMNS, tasks.c.project_id, members.c.role).select_from(_SEEN)).where(
        *is_meant, comments.c.id == bindparam("comment")
    )
    for how, is_meant in _MEANT.items()
}
# The task beside it: who is taking it away is waited for, and it is not taken away meanwhile.
_LOCK: Mapping[How, Select[Any]] = {
    how: get.with_for_update(key_share=True, of=(tasks, comments)) for how, get in _GET.items()
}


def _listing(is_meant: Any) -> Select[Any]:
    """The caller's role in one row at least, so that silence is not mistaken for a task that is not there."""
    seen = select(tasks.c.id, tasks.c.project_id, members.c.role).select_from(SEEN_TASKS).where(*is_meant).subquery()
    page = (
        _AUTHOR.beside(select(*_COLUMNS))
        .where(comments.c.task_id == seen.c.id, comments.c.id > bindparam("after"))
        .order_by(comments.c.id)
        .limit(bindparam("limit"))
        .lateral("page")
    )
    return select(seen.c.role, seen.c.project_id, *page.c).select_from(seen.outerjoin(page, true())).order_by(page.c.id)


_LIST: Mapping[How, Select[Any]] = {how: _listing(is_meant) for how, is_meant in _MEANT.items()}
_ADD = insert(comments).values({column.name: bindparam(column.name) for column in _COLUMNS})
_SAVE = (
    update(comments)
    .where(comments.c.id == bindparam("comment"))
    .values(text=bindparam("new_text"), update_time=bindparam("now"), version=bindparam("new_version"))
)
_REMOVE = delete(comments).where(comments.c.id == bindparam("comment"))


async def get_comment(
    db: Database, caller: Caller, project: ProjectRef, task: TaskRef, comment_id: CommentId
) -> tuple[Comment, Role]:
    """The comment with the caller's role in its project; CommentNotFound to anyone outside of it."""
    return _seen(await db.find_one(_GET[_how(project, task)], **_named(caller, project, task, comment_id)), caller)


async def get_locked(
    tx: Transaction, caller: Caller, project: ProjectRef, task: TaskRef, comment_id: CommentId
) -> tuple[Comment, Role]:
    """The same; whoever else wants to change it waits until the transaction ends."""
    return _seen(await tx.find_one(_LOCK[_how(project, task)], **_named(caller, project, task, comment_id)), caller)


async def list_comments(
    db: Database, caller: Caller, project: ProjectRef, task: TaskRef, *, after: CommentId, limit: int
) -> tuple[Sequence[Comment], Role]:
    """Up to `limit` comments on a task that come after one, the oldest first, with the caller's role.

    Raises:
        TaskNotFound: There is no such task that the caller may see.
    """
    rows = await db.fetch_all(_LIST[_how(project, task)], after=after, limit=limit, **meant(caller, project, task))
    if not rows:
        raise TaskNotFound
    return [_comment(row) for row in rows if row.id is not None], caller.role(rows[0].role)


async def add(tx: Transaction, comment: Comment) -> None:
    """Keep a new comment."""
    await tx.execute(_ADD, **{column.name: getattr(comment, column.name) for column in _COLUMNS})


async def save(tx: Transaction, comment: Comment) -> None:
    """Keep what a comment says now, under its lock."""
    await tx.execute(
        _SAVE, comment=comment.id, new_text=comment.text, now=comment.update_time, new_version=comment.version
    )


async def remove(tx: Transaction, comment: Comment) -> None:
    """Remove a comment, under its lock."""
    await tx.execute(_REMOVE, comment=comment.id)


def _how(project: ProjectRef, task: TaskRef) -> How:
    return project.id is not None, task.id is not None


def _named(caller: Caller, project: ProjectRef, task: TaskRef, comment_id: CommentId) -> dict[str, Any]:
    return meant(caller, project, task) | {"comment": comment_id}


def _seen(row: Row[Any] | None, caller: Caller) -> tuple[Comment, Role]:
    if row is None:
        raise CommentNotFound
    return _comment(row), caller.role(row.role)


def _comment(row: Row[Any]) -> Comment:
    return Comment(
        id=CommentId(row.id),
        project_id=ProjectId(row.project_id),
        task_id=TaskId(row.task_id),
        author_id=UserId(row.author_id),
        text=row.text,
        create_time=row.create_time,
        update_time=row.update_time,
        version=row.version,
        people=_AUTHOR.people(row),
    )
