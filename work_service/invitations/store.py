"""Invitations in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Database, Transaction
from chassis.tables import INSTANT
from work_service.access import Caller, Role, UserId
from work_service.invitations.domain import DueMail, Invitation, InvitationId, News
from work_service.profiles.store import Named
from work_service.projects import store as projects_store
from work_service.projects.domain import ProjectId, ProjectNotFound, ProjectRef
from work_service.projects.store import BY_REF, IS_SEEN, SEEN_PROJECTS
from work_service.tables import invitation_mails, invitations, members, profiles, projects

INVITED = "invitations"
"""The channel on which this process hears that somebody has been invited."""

_COLUMNS = tuple(invitations.c)
_INVITER = Named(invitations.c.inviter_id)
_FIND = _INVITER.beside(select(*_COLUMNS)).where(
    invitations.c.project_id == bindparam("project"), invitations.c.email == bindparam("address")
)
_adding = insert(invitations).values({column.name: bindparam(column.name) for column in _COLUMNS})
_ADD = _adding.on_conflict_do_update(
    index_elements=[invitations.c.email, invitations.c.project_id],
    set_={"role": _adding.excluded.role, "inviter_id": _adding.excluded.inviter_id},
    where=and_(
        invitations.c.role != _adding.excluded.role,
        or_(invitations.c.role != Role.OWNER.value, bindparam("by_owner")),
    ),
)
_REMOVE = (
    delete(invitations)
    .where(invitations.c.project_id == bindparam("project"), invitations.c.id == bindparam("invitation"))
    .returning(*_COLUMNS)
)
_REMOVE_THEIRS = (
    delete(invitations)
    .where(invitations.c.project_id == bindparam("project"), invitations.c.inviter_id == bindparam("inviter"))
    .returning(*_COLUMNS)
)


def _listing(project_is_meant: Any) -> Select[Any]:
    """The caller's role in one row at least, so that a lack of invitations is not mistaken for one of a project."""
    seen = select(projects.c.id, members.c.role).select_from(SEEN_PROJECTS).where(project_is_meant, IS_SEEN).subquery()
    page = (
        _INVITER.beside(select(*_COLUMNS))
        .where(invitations.c.project_id == seen.c.id, invitations.c.id > bindparam("after"))
        .order_by(invitations.c.id)
        .limit(bindparam("limit"))
        .lateral("page")
    )
    return select(seen.c.role.label("my_role"), *page.c).select_from(seen.outerjoin(page, true())).order_by(page.c.id)


_LIST: Mapping[bool, Select[Any]] = {by_id: _listing(is_meant) for by_id, is_meant in BY_REF.items()}

# Whose address it is, as they have shown, and who may come.
_IS_THEIRS = and_(
    func.lower(profiles.c.verified_email) == invitations.c.email,
    profiles.c.verified_email != "",
    profiles.c.disabled.is_(False),
    profiles.c.deleted.is_(False),
)
# By somebody who is there: who is gone lets nobody in, also where they were no member, and whenever that is heard.
_inviters = profiles.alias("inviters")
_IS_MEANT = ~exists().where(_inviters.c.user_id == invitations.c.inviter_id, _inviters.c.deleted)
_IS_OPEN = and_(projects.c.delete_time.is_(None), projects.c.state != "ARCHIVED")
_met: FromClause = invitations.join(profiles, _IS_THEIRS)
_MET = select(invitations.c.id, profiles.c.user_id)
_DUE = (
    _MET.select_from(_met.join(projects, projects.c.id == invitations.c.project_id))
    .where(_IS_OPEN, _IS_MEANT)
    .order_by(invitations.c.id)
    .limit(bindparam("limit"))
)
_HOLD = (
    select(*_COLUMNS)
    .select_from(_met)
    .where(invitations.c.id == bindparam("invitation"), profiles.c.user_id == bindparam("user"), _IS_MEANT)
    .with_for_update()
)

# Who is told: nobody twice within a day. If it is still to be done, it is to be done now: by this, who finds out at the
# same time that an earlier invitation is gone sees that there is another one.
_telling = insert(invitation_mails).values(
    id=bindparam("mail"),
    project_id=bindparam("project"),
    email=bindparam("address"),
    create_time=bindparam("now", type_=INSTANT),
    next_attempt_time=bindparam("now", type_=INSTANT),
)
_WAS_LONG_AGO = invitation_mails.c.create_time <= bindparam("told_before", type_=INSTANT)
_TELL = _telling.on_conflict_do_update(
    index_elements=[invitation_mails.c.email, invitation_mails.c.project_id],
    set_={
        "id": case((_WAS_LONG_AGO, _telling.excluded.id), else_=invitation_mails.c.id),
        "create_time": case((_WAS_LONG_AGO, _telling.excluded.create_time), else_=invitation_mails.c.create_time),
        "attempts": case((_WAS_LONG_AGO, 0), else_=invitation_mails.c.attempts),
        "next_attempt_time": _telling.excluded.next_attempt_time,
    },
    where=or_(_WAS_LONG_AGO, invitation_mails.c.next_attempt_time.is_not(None)),
)
_DUE_MAILS = (
    select(invitation_mails.c.id)
    .where(invitation_mails.c.next_attempt_time <= bindparam("now"))
    .order_by(invitation_mails.c.next_attempt_time)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_CLAIM = (
    update(invitation_mails)
    .where(invitation_mails.c.id.in_(_DUE_MAILS))
    .values(attempts=invitation_mails.c.attempts + 1, next_attempt_time=bindparam("again"))
    .returning(
        invitation_mails.c.id,
        invitation_mails.c.project_id,
        invitation_mails.c.email,
        invitation_mails.c.attempts,
        invitation_mails.c.create_time,
        invitation_mails.c.next_attempt_time,
    )
)
_NEWS = (
    select(invitations.c.inviter_id, projects.c.title)
    .select_from(invitations.join(projects, projects.c.id == invitations.c.project_id))
    .where(
        invitations.c.project_id == bindparam("project"),
        invitations.c.email == bindparam("address"),
        _IS_OPEN,
        ~select(profiles.c.user_id).where(_IS_THEIRS).correlate(invitations).exists(),
    )
)
_MAIL = invitation_mails.c.id == bindparam("mail")
_SETTLED = update(invitation_mails).where(_MAIL).values(next_attempt_time=null())
_POSTPONED = update(invitation_mails).where(_MAIL).values(next_attempt_time=bindparam("again"))
_FORGET = delete(invitation_mails).where(_MAIL, invitation_mails.c.next_attempt_time == bindparam("claimed_until"))
_TOLD_LONG_AGO = delete(invitation_mails).where(
    invitation_mails.c.create_time <= bindparam("before"), invitation_mails.c.next_attempt_time.is_(None)
)


async def add(tx: Transaction, invitation: Invitation, *, by_owner: bool) -> tuple[Invitation, bool]:
    """What there is to an address now, and whether that is new: another invitation, or another role.

    That of who is to be an owner stays as it is unless it is changed `by_owner`.
    """
    tx.notify(INVITED)
    new = {column.name: getattr(invitation, column.name) for column in _COLUMNS}
    changed = await tx.execute(_ADD, by_owner=by_owner, **new)
    row = await tx.find_one(_FIND, project=invitation.project_id, address=invitation.email)
    assert row is not None, "it has been added, or was there"
    return _invitation(row), changed == 1


async def remove(tx: Transaction, project_id: ProjectId, invitation_id: InvitationId) -> Invitation | None:
    """The invitation that was there."""
    row = await tx.find_one(_REMOVE, project=project_id, invitation=invitation_id)
    return None if row is None else _invitation(row, named=False)


async def remove_theirs(tx: Transaction, project_id: ProjectId, inviter_id: UserId) -> Sequence[Invitation]:
    """The invitations to a project that were somebody's."""
    rows = await tx.fetch_all(_REMOVE_THEIRS, project=project_id, inviter=inviter_id)
    return [_invitation(row, named=False) for row in rows]


async def list_invitations(
    db: Database, caller: Caller, project: ProjectRef, *, after: InvitationId, limit: int
) -> tuple[Sequence[Invitation], Role]:
    """Up to `limit` invitations to a project that come after one, with the caller's role in it.

    Raises:
        ProjectNotFound: There is no such project that the caller may see.
    """
    statement = _LIST[project.id is not None]
    rows = await db.fetch_all(statement, after=after, limit=limit, **projects_store.meant(project, caller))
    if not rows:
        raise ProjectNotFound
    return [_invitation(row) for row in rows if row.id is not None], caller.role(rows[0].my_role)


async def due(db: Database, *, limit: int) -> Sequence[tuple[InvitationId, UserId]]:
    """Invitations that have met who was meant, in projects that are open."""
    return [(InvitationId(row.id), UserId(row.user_id)) for row in await db.fetch_all(_DUE, limit=limit)]


async def find_held(tx: Transaction, invitation_id: InvitationId, user_id: UserId) -> Invitation | None:
    """An invitation that is still this person's to have. Neither it nor they change before the transaction ends."""
    row = await tx.find_one(_HOLD, invitation=invitation_id, user=user_id)
    return None if row is None else _invitation(row, named=False)


async def tell(
    tx: Transaction, invitation: Invitation, mail_id: UUID, *, now: datetime, unless_after: datetime
) -> None:
    """Have the address told once the transaction has committed, unless it was to be told after that time already."""
    await tx.execute(
        _TELL, mail=mail_id, project=invitation.project_id, address=invitation.email, now=now, told_before=unless_after
    )


async def claim_mails(tx: Transaction, *, now: datetime, again: datetime, most: int) -> Sequence[DueMail]:
    """Up to `most` that are due, and nobody else's until `again`: whoever claims them may be gone by then."""
    return [
        DueMail(
            id=row.id,
            project_id=ProjectId(row.project_id),
            email=row.email,
            attempts=row.attempts,
            create_time=row.create_time,
            claimed_until=row.next_attempt_time,
        )
        for row in await tx.fetch_all(_CLAIM, now=now, again=again, most=most)
    ]


async def find_news(db: Database, mail: DueMail) -> News | None:
    """What to tell, if anything: not of what was withdrawn or is closed, nor to somebody who comes anyway."""
    row = await db.find_one(_NEWS, project=mail.project_id, address=mail.email)
    return None if row is None else News(UserId(row.inviter_id), row.title)


async def mail_settled(tx: Transaction, mail_id: UUID) -> None:
    """The address was told, or it was given up."""
    await tx.execute(_SETTLED, mail=mail_id)


async def mail_postponed(tx: Transaction, mail_id: UUID, again: datetime) -> None:
    """It is tried again, not before `again`."""
    await tx.execute(_POSTPONED, mail=mail_id, again=again)


async def forget_mail(tx: Transaction, mail: DueMail) -> None:
    """It was for nothing: the next invitation is told of. Unless there is one by now."""
    await tx.execute(_FORGET, mail=mail.id, claimed_until=mail.claimed_until)


async def forget_told(tx: Transaction, *, before: datetime) -> None:
    """Who was told before may be told again: nothing needs to be known of it."""
    await tx.execute(_TOLD_LONG_AGO, before=before)


def _invitation(row: Row[Any], *, named: bool = True) -> Invitation:
    return Invitation(
        id=InvitationId(row.id),
        project_id=ProjectId(row.project_id),
        email=row.email,
        role=Role(row.role),
        inviter_id=UserId(row.inviter_id),
        create_time=row.create_time,
        people=_INVITER.people(row) if named else {},
    )
