"""Projects in the database, always as a caller sees them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Select, and_, bindparam, insert, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis import locks
from chassis.database import Database, LockTimeout, Transaction, refusals
from work_service.access import Caller, Role, UserId
from work_service.projects.domain import (
    NewProject,
    Project,
    ProjectId,
    ProjectLocked,
    ProjectNotFound,
    ProjectRef,
    SlugTaken,
)
from work_service.tables import members, projects, task_counters

LOCK = "work/v1/project"
"""The namespace of the locks that keep changes of one project and its members in order."""

SEEN_PROJECTS: FromClause = projects.outerjoin(
    members, and_(members.c.project_id == projects.c.id, members.c.user_id == bindparam("caller"))
)
"""Projects beside what the caller is in them."""

_IS_OPEN: ColumnElement[bool] = or_(members.c.user_id.is_not(None), bindparam("everywhere"))
_IS_LIVE: ColumnElement[bool] = projects.c.delete_time.is_(None)

IS_SEEN: ColumnElement[bool] = and_(_IS_LIVE, _IS_OPEN)
"""What the caller may not see does not exist, nor does what was deleted."""

BY_REF: Mapping[bool, ColumnElement[bool]] = {
    True: projects.c.id == bindparam("project"),
    False: projects.c.slug == bindparam("project"),
}
"""The project that was meant, by whether it was named by id."""

_COLUMNS = (
    projects.c.id,
    projects.c.slug,
    projects.c.title,
    projects.c.description,
    projects.c.owner_id,
    projects.c.create_time,
    projects.c.update_time,
    projects.c.delete_time,
    projects.c.version,
)


def _getting(is_meant: ColumnElement[bool], *, deleted_too: bool) -> Select[Any]:
    """A slug may have been used again: then the project that lives is meant, or the one that was deleted last."""
    get = select(*_COLUMNS, members.c.role).select_from(SEEN_PROJECTS)
    if not deleted_too:
        return get.where(is_meant, IS_SEEN)
    return get.where(is_meant, _IS_OPEN).order_by(projects.c.delete_time.desc().nulls_first()).limit(1)


# By whether the project is named by id, and whether deleted ones are looked for too.
_GET: Mapping[tuple[bool, bool], Select[Any]] = {
    (by_id, deleted_too): _getting(is_meant, deleted_too=deleted_too)
    for by_id, is_meant in BY_REF.items()
    for deleted_too in (False, True)
}


def _locking(get: Select[Any]) -> Select[Any]:
    seen = get.with_only_columns(projects.c.id).cte("seen")
    return select(
        locks.bounded(bindparam("lock_timeout")),  # first: the lock below is the one that it bounds
        locks.taken(LOCK, seen.c.id),
        seen.c.id,
    )


_LOCK: Mapping[tuple[bool, bool], Select[Any]] = {how: _locking(get) for how, get in _GET.items()}
_LIST: Mapping[bool, Select[Any]] = {
    deleted_too: select(*_COLUMNS, members.c.role)
    .select_from(SEEN_PROJECTS)
    .where(_IS_OPEN, true() if deleted_too else _IS_LIVE, projects.c.id < bindparam("before"))
    .order_by(projects.c.id.desc())
    .limit(bindparam("limit"))
    for deleted_too in (False, True)
}
_ADD = (
    upsert(projects)
    .values(
        id=bindparam("id"),
        slug=bindparam("slug"),
        title=bindparam("title"),
        description=bindparam("description"),
        owner_id=bindparam("owner_id"),
        create_time=bindparam("now"),
        update_time=bindparam("now"),
    )
    .on_conflict_do_nothing(index_elements=[projects.c.slug], index_where=_IS_LIVE)
)
_ADD_OWNER = (
    insert(members)
    .values(
        project_id=bindparam("id"),
        user_id=bindparam("owner_id"),
        role=Role.OWNER.value,
        create_time=bindparam("now"),
        update_time=bindparam("now"),
    )
    .add_cte(insert(task_counters).values(project_id=bindparam("id"), last_number=0).cte("counter"))
)
_SAVED = ("slug", "title", "description", "update_time", "delete_time", "version")
_SAVE = (
    update(projects)
    .values({name: bindparam(f"new_{name}") for name in _SAVED})
    .where(projects.c.id == bindparam("project"), projects.c.version == bindparam("replaced"))
)


def meant(ref: ProjectRef, caller: Caller) -> dict[str, Any]:
    """The parameters of a statement over SEEN_PROJECTS, BY_REF and IS_SEEN."""
    return {"project": ref.slug if ref.id is None else ref.id, **seen_by(caller)}


def seen_by(caller: Caller) -> dict[str, Any]:
    """The parameters of a statement over SEEN_PROJECTS and IS_SEEN."""
    return {"caller": caller.user_id, "everywhere": caller.everywhere is not None}


async def get_project(
    db: Database | Transaction, caller: Caller, ref: ProjectRef, *, deleted_too: bool = False
) -> Project:
    """The project as the caller sees it; ProjectNotFound to anyone outside of it."""
    row = await db.find_one(_GET[ref.id is not None, deleted_too], **meant(ref, caller))
    if row is None:
        raise ProjectNotFound
    return _project(row, caller)


async def locked_for(
    tx: Transaction, caller: Caller, ref: ProjectRef, *, lock_timeout: timedelta, deleted_too: bool = False
) -> ProjectRef:
    """Let one transaction at a time change this project or its members; the others queue for up to `lock_timeout`.

    As with tasks, one statement resolves the project as the caller sees it and takes the lock. Read it again with what
    this gives.

    Raises:
        ProjectNotFound: There is no such project that the caller may see.
        ProjectLocked: Others had the lock for all that time.
    """
    statement = _LOCK[ref.id is not None, deleted_too]
    try:
        row = await tx.find_one(statement, lock_timeout=locks.written(lock_timeout), **meant(ref, caller))
    except LockTimeout as error:
        raise ProjectLocked(retry_after=error.retry_after) from error
    if row is None:
        raise ProjectNotFound
    return ProjectRef(ProjectId(row.id), None)


async def list_projects(
    db: Database, caller: Caller, *, before: ProjectId, limit: int, deleted_too: bool
) -> Sequence[Project]:
    """Up to `limit` projects that the caller may see and that are older than `before`, newest first."""
    rows = await db.fetch_all(_LIST[deleted_too], before=before, limit=limit, **seen_by(caller))
    return [_project(row, caller) for row in rows]


async def add(
    tx: Transaction, project_id: ProjectId, new: NewProject, slug: str, owner: UserId, *, now: datetime
) -> bool:
    """Whether the slug was free; if it was, the project is there now, and `owner` is its owner."""
    added = await tx.execute(
        _ADD, id=project_id, slug=slug, title=new.title, description=new.description, owner_id=owner, now=now
    )
    if added == 1:
        await tx.execute(_ADD_OWNER, id=project_id, owner_id=owner, now=now)
    return added == 1


async def save(tx: Transaction, project: Project, *, replacing: int) -> None:
    """Keep a project that took the place of its version `replacing`.

    Raises:
        SlugTaken: Another project has its slug.
    """
    new = {f"new_{name}": getattr(project, name) for name in _SAVED}
    with refusals({"projects_slug_key": SlugTaken}):
        saved = await tx.execute(_SAVE, project=project.id, replaced=replacing, **new)
    if saved != 1:
        raise LookupError(f"version {replacing} of project {project.id} was replaced by somebody without its lock")


def _project(row: Row[Any], caller: Caller) -> Project:
    return Project(
        id=ProjectId(row.id),
        slug=row.slug,
        title=row.title,
        description=row.description,
        owner_id=UserId(row.owner_id),
        my_role=caller.role(row.role),
        create_time=row.create_time,
        update_time=row.update_time,
        delete_time=row.delete_time,
        version=row.version,
    )
