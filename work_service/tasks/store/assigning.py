"""Who tasks are given to, and taken from."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Uuid, and_, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import Transaction
from work_service.access import UserId
from work_service.profiles.domain import Person
from work_service.profiles.store import Named
from work_service.projects.domain import ProjectId
from work_service.tables import members, tasks
from work_service.tasks.domain import OPEN, TaskId
from work_service.together import changing

_MEMBER = Named(members.c.user_id)
_HOLD_MEMBER = _MEMBER.beside(
    select(members.c.user_id).where(
        members.c.project_id == bindparam("project"), members.c.user_id == bindparam("user")
    )
).with_for_update(read=True, key_share=True, of=members)
# Who is just being taken out is none any more: to wait for them would be to wait for somebody who waits for the task.
_HOLD_MEMBERS = (
    select(members.c.user_id)
    .where(
        members.c.project_id == bindparam("project"), members.c.user_id == any_(bindparam("users", type_=ARRAY(Uuid)))
    )
    .with_for_update(read=True, key_share=True, skip_locked=True)
)
_RELEASE = changing(
    and_(
        tasks.c.project_id == bindparam("project"),
        tasks.c.assignee_id == bindparam("user"),
        tasks.c.status.in_(sorted(OPEN)),
    ),
    assignee_id=None,
).returning(tasks.c.id)


async def find_member(tx: Transaction, project_id: ProjectId, user_id: UserId) -> Person | None:
    """Somebody, if they are a member of a project. They are, then, until the transaction ends."""
    row = await tx.find_one(_HOLD_MEMBER, project=project_id, user=user_id)
    return None if row is None else _MEMBER.people(row)[user_id]


async def find_members(tx: Transaction, project_id: ProjectId, user_ids: Collection[UserId]) -> Collection[UserId]:
    """Those of them who are members of a project, and stay so until the transaction ends. Nobody is waited for."""
    rows = await tx.fetch_all(_HOLD_MEMBERS, project=project_id, users=list(user_ids))
    return [UserId(row.user_id) for row in rows]


async def release(tx: Transaction, project_id: ProjectId, user_id: UserId, *, now: datetime) -> Sequence[TaskId]:
    """Take from somebody what they still have to do, deleted tasks included: which tasks are nobody's now."""
    rows = await tx.fetch_all(_RELEASE, project=project_id, user=user_id, now=now)
    return sorted(TaskId(row.id) for row in rows)
