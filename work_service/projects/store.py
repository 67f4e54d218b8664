"""Projects in the database, always as a caller sees them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis import locks
from chassis.database import Database, Transaction, refusals, waiting
from work_service.access import Caller, Role, UserId
from work_service.profiles.store import Named
from work_service.projects.domain import (
    PERSONAL_TITLE,
    NewProject,
    PersonalProjectExists,
    Project,
    ProjectId,
    ProjectLocked,
    ProjectNotFound,
    ProjectRef,
    SlugTaken,
    State,
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
    projects.c.state,
    projects.c.personal_user_id,
)
_OWNER = Named(projects.c.owner_id)


def _finding(is_meant: ColumnElement[bool], *, deleted_too: bool) -> Select[Any]:
    """A slug may have been used again: then the project that lives is meant, or the one that was deleted last."""
    find = select(*_COLUMNS, members.c.role).select_from(SEEN_PROJECTS)
    if not deleted_too:
        return find.where(is_meant, IS_SEEN)
    return find.where(is_meant, _IS_OPEN).order_by(projects.c.delete_time.desc().nulls_first()).limit(1)


# By whether the project is named by id, and whether deleted ones are looked for too.
_FIND: Mapping[tuple[bool, bool], Select[Any]] = {
    (by_id, deleted_too): _finding(is_meant, deleted_too=deleted_too)
    for by_id, is_meant in BY_REF.items()
    for deleted_too in (False, True)
}
GET: Mapping[tuple[bool, bool], Select[Any]] = {how: _OWNER.beside(find) for how, find in _FIND.items()}
_HOLD: Mapping[tuple[bool, bool], Select[Any]] = {how: get.with_for_update(of=projects) for how, get in GET.items()}


def _locking(find: Select[Any]) -> Select[Any]:
    seen = find.with_only_columns(projects.c.id).cte("seen")
    return select(
        locks.bounded(bindparam("lock_timeout")),  # first: the lock below is the one that it bounds
        locks.taken(LOCK, seen.c.id),
        seen.c.id,
    )


_LOCK: Mapping[tuple[bool, bool], Select[Any]] = {how: _locking(find) for how, find in _FIND.items()}
LIST: Mapping[bool, Select[Any]] = {
    deleted_too: _OWNER.beside(select(*_COLUMNS, members.c.role).select_from(SEEN_PROJECTS))
    .where(
        _IS_OPEN,
        true() if deleted_too else _IS_LIVE,
        or_(bindparam("state", type_=Text()).is_(None), projects.c.state == bindparam("state", type_=Text())),
        projects.c.id < bindparam("before"),
    )
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
        state=bindparam("state"),
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
_SAVED = (
    "slug",
    "title",
    "description",
    "owner_id",
    "personal_user_id",
    "state",
    "update_time",
    "delete_time",
    "version",
)
_SAVE = (
    update(projects)
    .values({name: bindparam(f"new_{name}") for name in _SAVED})
    .where(projects.c.id == bindparam("project"), projects.c.version == bindparam("replaced"))
)

_FIND_PERSONAL = select(projects.c.id).where(projects.c.personal_user_id == bindparam("user"), _IS_LIVE)
_personal = (
    upsert(projects)
    .values(
        id=bindparam("id"),
        slug=bindparam("slug"),
        title=PERSONAL_TITLE,
        description="",
        owner_id=bindparam("user"),
        personal_user_id=bindparam("user"),
        create_time=bindparam("now"),
        update_time=bindparam("now"),
    )
    .on_conflict_do_nothing(index_elements=[projects.c.personal_user_id], index_where=_IS_LIVE)
    .returning(projects.c.id, projects.c.owner_id, projects.c.create_time)
    .cte("personal")
)
_personal_counter = insert(task_counters).from_select(["project_id", "last_number"], select(_personal.c.id, literal(0)))
_ADD_PERSONAL = (
    insert(members)
    .from_select(
        ["project_id", "user_id", "role", "create_time", "update_time"],
        select(
            _personal.c.id,
            _personal.c.owner_id,
            literal(Role.OWNER.value),
            _personal.c.create_time,
            _personal.c.create_time,
        ),
    )
    .add_cte(_personal_counter.cte("counter"))
)
_owner = (
    select(members.c.user_id)
    .where(members.c.project_id == projects.c.id, members.c.role == Role.OWNER.value)
    .order_by(members.c.create_time, members.c.user_id)
    .limit(1)
    .scalar_subquery()
)
_REPLACE_OWNER = (
    update(projects)
    .where(projects.c.id == bindparam("project"), projects.c.owner_id == bindparam("gone"))
    .values(owner_id=_owner, personal_user_id=None, update_time=bindparam("now"), version=projects.c.version + 1)
    .returning(projects.c.owner_id)
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
    row = await db.find_one(GET[ref.id is not None, deleted_too], **meant(ref, caller))
    if row is None:
        raise ProjectNotFound
    return project_of(row, caller)


async def get_held(tx: Transaction, caller: Caller, ref: ProjectRef, *, deleted_too: bool = False) -> Project:
    """The same, and nothing in it changes any more before the transaction ends: changes under way are waited for.

    Raises:
        ProjectLocked: They took too long.
    """
    with waiting(ProjectLocked):
        row = await tx.find_one(_HOLD[ref.id is not None, deleted_too], **meant(ref, caller))
    if row is None:
        raise ProjectNotFound
    return project_of(row, caller)


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
    with waiting(ProjectLocked):
        row = await tx.find_one(statement, lock_timeout=locks.written(lock_timeout), **meant(ref, caller))
    if row is None:
        raise ProjectNotFound
    return ProjectRef(ProjectId(row.id), None)


async def add(
    tx: Transaction, project_id: ProjectId, new: NewProject, slug: str, owner: UserId, *, now: datetime
) -> bool:
    """Whether the slug was free; if it was, the project is there now, and `owner` is its owner."""
    added = await tx.execute(
        _ADD,
        id=project_id,
        slug=slug,
        title=new.title,
        description=new.description,
        owner_id=owner,
        state=new.state,
        now=now,
    )
    if added == 1:
        await tx.execute(_ADD_OWNER, id=project_id, owner_id=owner, now=now)
    return added == 1


async def find_personal(db: Database | Transaction, user_id: UserId) -> ProjectId | None:
    """Somebody's personal project, if they have one."""
    row = await db.find_one(_FIND_PERSONAL, user=user_id)
    return None if row is None else ProjectId(row.id)


async def add_personal(tx: Transaction, project_id: ProjectId, user_id: UserId, *, now: datetime) -> bool:
    """Whether somebody had no personal project: they have one now. Who comes at the same time waits, and finds it."""
    slug = f"personal-{project_id.hex[-12:]}"  # the part that is random
    return await tx.execute(_ADD_PERSONAL, id=project_id, slug=slug, user=user_id, now=now) == 1


async def replace_owner(tx: Transaction, project_id: ProjectId, gone: UserId, *, now: datetime) -> UserId | None:
    """Who of the owners stands for the project instead of `gone`, if it was them: the one who joined first."""
    row = await tx.find_one(_REPLACE_OWNER, project=project_id, gone=gone, now=now)
    return None if row is None else UserId(row.owner_id)


async def save(tx: Transaction, project: Project, *, replacing: int) -> None:
    """Keep a project that took the place of its version `replacing`.

    Raises:
        SlugTaken: Another project has its slug.
        PersonalProjectExists: It was somebody's personal project, who has another one by now.
    """
    new = {f"new_{name}": getattr(project, name) for name in _SAVED}
    with refusals({"projects_slug_key": SlugTaken, "projects_personal_user_id_key": PersonalProjectExists}):
        saved = await tx.execute(_SAVE, project=project.id, replaced=replacing, **new)
    if saved != 1:
        raise LookupError(f"version {replacing} of project {project.id} was replaced by somebody without its lock")


def project_of(row: Row[Any], caller: Caller) -> Project:
    """The project in a row of GET or LIST."""
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
        state=State(row.state),
        personal_user_id=row.personal_user_id,
        people=_OWNER.people(row),
    )
