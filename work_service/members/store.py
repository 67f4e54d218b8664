"""Members in the database, always as a caller sees them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    func,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Database, Transaction
from work_service.access import Caller, Role, UserId
from work_service.members.domain import Member
from work_service.projects import store as projects_store
from work_service.projects.domain import ProjectId, ProjectNotFound, ProjectRef
from work_service.projects.store import BY_REF, IS_SEEN, SEEN_PROJECTS
from work_service.tables import members, projects

_target = members.alias("target")
_COLUMNS = (
    _target.c.project_id,
    _target.c.user_id,
    _target.c.role.label("target_role"),
    _target.c.create_time,
    _target.c.update_time,
    _target.c.version,
)
_WITH_TARGET: FromClause = SEEN_PROJECTS.outerjoin(
    _target, and_(_target.c.project_id == projects.c.id, _target.c.user_id == bindparam("target"))
)
_owners = members.alias("owners")
_OWNERS = (
    select(func.count())
    .select_from(_owners)
    .where(_owners.c.project_id == projects.c.id, _owners.c.role == Role.OWNER.value)
    .scalar_subquery()
    .label("owners")
)
_GET: Mapping[bool, Select[Any]] = {
    by_id: select(*_COLUMNS, members.c.role, _OWNERS).select_from(_WITH_TARGET).where(is_meant, IS_SEEN)
    for by_id, is_meant in BY_REF.items()
}


def _listing(project_is_meant: ColumnElement[bool]) -> Select[Any]:
    seen = select(projects.c.id, members.c.role).select_from(SEEN_PROJECTS).where(project_is_meant, IS_SEEN).subquery()
    order = (_target.c.create_time, _target.c.user_id)
    page = (
        select(*_COLUMNS)
        .where(
            _target.c.project_id == seen.c.id,
            tuple_(*order) > tuple_(bindparam("after_time"), bindparam("after_id")),
        )
        .order_by(*order)
        .limit(bindparam("limit"))
        .lateral("page")
    )
    return (
        select(seen.c.role, *page.c)
        .select_from(seen.outerjoin(page, true()))
        .order_by(page.c.create_time, page.c.user_id)
    )


_LIST: Mapping[bool, Select[Any]] = {by_id: _listing(is_meant) for by_id, is_meant in BY_REF.items()}
_ADD = (
    insert(members)
    .values({name: bindparam(name) for name in ("project_id", "user_id", "role", "create_time", "update_time")})
    .on_conflict_do_nothing()
)
_IS_MEANT = and_(
    members.c.project_id == bindparam("project"),
    members.c.user_id == bindparam("user"),
    members.c.version == bindparam("replaced"),
)
_SAVE = (
    update(members)
    .values(role=bindparam("new_role"), update_time=bindparam("now"), version=bindparam("new_version"))
    .where(_IS_MEANT)
)
_REMOVE = delete(members).where(_IS_MEANT)


async def get_member(
    db: Database | Transaction, caller: Caller, project: ProjectRef, user_id: UserId
) -> tuple[Member | None, Role, int]:
    """The member if there is one, the caller's role in the project, and how many owners the project has.

    Raises:
        ProjectNotFound: There is no such project that the caller may see.
    """
    row = await db.find_one(_GET[project.id is not None], target=user_id, **projects_store.meant(project, caller))
    if row is None:
        raise ProjectNotFound
    return None if row.user_id is None else _member(row), caller.role(row.role), row.owners


async def list_members(
    db: Database, caller: Caller, project: ProjectRef, *, after: tuple[datetime, UUID], limit: int
) -> tuple[Sequence[Member], Role]:
    """Up to `limit` members who joined after somebody, in order, with the caller's role in the project.

    Raises:
        ProjectNotFound: There is no such project that the caller may see.
    """
    after_time, after_id = after
    rows = await db.fetch_all(
        _LIST[project.id is not None],
        after_time=after_time,
        after_id=after_id,
        limit=limit,
        **projects_store.meant(project, caller),
    )
    if not rows:
        raise ProjectNotFound
    return [_member(row) for row in rows if row.user_id is not None], caller.role(rows[0].role)


async def add(tx: Transaction, member: Member) -> bool:
    """Whether they were not in the project before."""
    added = await tx.execute(
        _ADD,
        project_id=member.project_id,
        user_id=member.user_id,
        role=member.role.value,
        create_time=member.create_time,
        update_time=member.update_time,
    )
    return added == 1


async def save(tx: Transaction, member: Member, *, replacing: int) -> None:
    """Keep a member who took the place of their version `replacing`."""
    saved = await tx.execute(
        _SAVE,
        project=member.project_id,
        user=member.user_id,
        replaced=replacing,
        new_role=member.role.value,
        now=member.update_time,
        new_version=member.version,
    )
    _check_done(saved, member, replacing)


async def remove(tx: Transaction, member: Member) -> None:
    """Take a member out of a project."""
    removed = await tx.execute(_REMOVE, project=member.project_id, user=member.user_id, replaced=member.version)
    _check_done(removed, member, member.version)


def _check_done(count: int, member: Member, version: int) -> None:
    if count != 1:
        raise LookupError(f"version {version} of member {member.user_id} was replaced by somebody without the lock")


def _member(row: Row[Any]) -> Member:
    return Member(
        project_id=ProjectId(row.project_id),
        user_id=UserId(row.user_id),
        role=Role(row.target_role),
        create_time=row.create_time,
        update_time=row.update_time,
        version=row.version,
    )
