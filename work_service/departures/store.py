"""Departures in the database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import FromClause, Row, and_, bindparam, false, func, select, true, update

from chassis.database import Database, Transaction
from work_service.access import Role, UserId
from work_service.departures.domain import Bequest
from work_service.members.domain import Member
from work_service.projects.domain import ProjectId
from work_service.tables import invitations, members, profiles

_LEAVING = select(profiles.c.user_id, profiles.c.place).where(profiles.c.leaving).order_by(profiles.c.user_id)
_PROJECTS = select(members.c.project_id).where(members.c.user_id == bindparam("user")).order_by(members.c.project_id)
_INVITED_TO = (
    select(invitations.c.project_id)
    .where(invitations.c.inviter_id == bindparam("user"))
    .distinct()
    .order_by(invitations.c.project_id)
)
_IS_LEAVING = select(profiles.c.user_id).where(profiles.c.user_id == bindparam("user"), profiles.c.leaving)
_SETTLED = (
    update(profiles)
    .values(leaving=False)
    .where(profiles.c.user_id == bindparam("user"), profiles.c.place == bindparam("told_at"))
)


def _others(role: Role, name: str) -> tuple[Any, FromClause, Any]:
    """Members in a role who are not gone, but for the one who leaves: their columns, where they are, and which."""
    other, profile = members.alias(name), profiles.alias(f"{name}_profile")
    return (
        other.c,
        other.outerjoin(profile, profile.c.user_id == other.c.user_id),
        and_(
            other.c.project_id == members.c.project_id,
            other.c.user_id != members.c.user_id,
            other.c.role == role.value,
            func.coalesce(profile.c.deleted, false()).is_(False),
        ),
    )


_owner, _owners, _is_owner = _others(Role.OWNER, "owners")
_maintainer, _maintainers, _is_maintainer = _others(Role.MAINTAINER, "maintainers")
_heir = (
    select(_maintainer)
    .select_from(_maintainers)
    .where(_is_maintainer)
    .order_by(_maintainer.create_time, _maintainer.user_id)
    .limit(1)
    .lateral("heir")
)
_IS_MEANT = and_(members.c.project_id == bindparam("project"), members.c.user_id == bindparam("user"))
_HOLD = (
    select(members.c.user_id)
    .join_from(members, profiles, profiles.c.user_id == members.c.user_id)
    .where(_IS_MEANT, profiles.c.leaving)
    .with_for_update(of=members)
)
_BEQUEST = (
    select(
        *members.c,
        select(func.count()).select_from(_owners).where(_is_owner).scalar_subquery().label("other_owners"),
        *(column.label(f"heir_{column.name}") for column in _heir.c),
    )
    .select_from(members.outerjoin(_heir, true()))
    .where(_IS_MEANT)
)


async def leaving(db: Database) -> Sequence[tuple[UserId, int]]:
    """Who is gone and has not been settled, and where in identity's feed it was told."""
    return [(UserId(row.user_id), row.place) for row in await db.fetch_all(_LEAVING)]


async def projects_of(db: Database, user_id: UserId) -> Sequence[ProjectId]:
    """Where somebody is a member, deleted projects included."""
    return [ProjectId(row.project_id) for row in await db.fetch_all(_PROJECTS, user=user_id)]


async def invited_to(db: Database, user_id: UserId) -> Sequence[ProjectId]:
    """Where somebody has invited others who have not come yet, deleted projects included."""
    return [ProjectId(row.project_id) for row in await db.fetch_all(_INVITED_TO, user=user_id)]


async def is_leaving(tx: Transaction, user_id: UserId) -> bool:
    """Whether somebody is gone still: who is back is not."""
    return await tx.find_one(_IS_LEAVING, user=user_id) is not None


async def hold(tx: Transaction, project_id: ProjectId, user_id: UserId) -> bool:
    """Whether somebody has a project to leave: who is back has not. If so, they are given nothing from here on."""
    return await tx.find_one(_HOLD, project=project_id, user=user_id) is not None


async def get_bequest(tx: Transaction, project_id: ProjectId, user_id: UserId) -> Bequest:
    """What somebody leaves behind in a project, who is held."""
    row = await tx.find_one(_BEQUEST, project=project_id, user=user_id)
    assert row is not None, "they are held"
    return Bequest(
        member=_member(row),
        other_owners=row.other_owners,
        heir=None if row.heir_user_id is None else _member(row, prefix="heir_"),
    )


async def settled(db: Database, user_id: UserId, place: int) -> None:
    """There is nothing left of somebody to be given to others, unless more has been told since."""
    async with db.transaction() as tx:
        await tx.execute(_SETTLED, user=user_id, told_at=place)


def _member(row: Row[Any], *, prefix: str = "") -> Member:
    fields = {column.name: getattr(row, prefix + column.name) for column in members.c}
    return Member(**fields | {"role": Role(fields["role"])})
