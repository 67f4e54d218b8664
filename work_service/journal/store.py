"""The journal in the database, and the one place where what is closed stays closed.

Whoever changes anything in a project has to record it, so this is where a project that is archived or deleted refuses.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

from chassis.database import ConcurrentModification, Transaction
from chassis.ids import new_id
from work_service.access import ProjectArchived
from work_service.journal.domain import Activity
from work_service.tables import activities, outbox, projects

_SOON = timedelta(milliseconds=100)

# What is said of each activity, one array for each.
_SAID: dict[str, TypeEngine[Any]] = {
    "activity_id": Uuid(),
    "project_id": Uuid(),
    "task_id": Uuid(),
    "actor_id": Uuid(),
    "verb": Text(),
    "changes": Text(),
    "request_id": Text(),
    "at": DateTime(timezone=True),
}
_said = (
    func.unnest(*(bindparam(f"the_{name}", type_=ARRAY(kind)) for name, kind in _SAID.items()))
    .table_valued(*_SAID)
    .render_derived()  # with the names of its columns
)
_IS_OPEN: ColumnElement[bool] = and_(projects.c.delete_time.is_(None), projects.c.state != "ARCHIVED")
_IS_SPOKEN_OF: ColumnElement[bool] = projects.c.id == any_(bindparam("the_project_id", type_=ARRAY(Uuid())))

# Changes of the same project do not wait for each other: they have this lock in common, and each row that names the
# project takes it anyway. Who closes a project has its row for themselves, and waits for those who came before; who
# comes later waits here, and sees the row as it is then.
_doors = (
    select(projects.c.id)
    .where(_IS_SPOKEN_OF, or_(bindparam("closed_too"), _IS_OPEN))
    .order_by(projects.c.id)
    .with_for_update(read=True, key_share=True)
    .cte("doors")
)
_ACTIVITIES = insert(activities).from_select(
    ["id", "project_id", "task_id", "actor_id", "verb", "changes", "request_id", "create_time"],
    select(
        _said.c.activity_id,
        _doors.c.id,
        _said.c.task_id,
        _said.c.actor_id,
        _said.c.verb,
        cast(_said.c.changes, JSONB),
        _said.c.request_id,
        _said.c.at,
    ).join_from(_said, _doors, _doors.c.id == _said.c.project_id),
)
_RECORD = (
    insert(outbox)
    .from_select(
        ["activity_id", "project_id", "create_time"],
        select(_said.c.activity_id, _doors.c.id, _said.c.at).join_from(
            _said, _doors, _doors.c.id == _said.c.project_id
        ),
    )
    .add_cte(_ACTIVITIES.cte("activity"))
)
_DELETED = select(projects.c.id).where(_IS_SPOKEN_OF, projects.c.delete_time.is_not(None))


async def record(tx: Transaction, *told: Activity) -> None:
    """Keep activities, and for each an outbox row that announces it. One round trip, however many.

    The last thing that a change does: no project that is spoken of can be closed from here to the end of the
    transaction. They may be closed already if that is so for all of them.

    Raises:
        ProjectArchived: A project is archived.
        ConcurrentModification: It was deleted since it was looked at.
    """
    project_ids = [activity.project_id for activity in told]
    recorded = await tx.execute(
        _RECORD,
        closed_too=all(activity.closed_too for activity in told),
        the_activity_id=sorted(new_id() for _ in told),  # of the same millisecond, they come in any order
        the_project_id=project_ids,
        the_task_id=[activity.task_id for activity in told],
        the_actor_id=[activity.actor.user_id for activity in told],
        the_verb=[activity.verb.value for activity in told],
        the_changes=[json.dumps([asdict(change) for change in activity.changes]) for activity in told],
        the_request_id=[activity.actor.request_id for activity in told],
        the_at=[activity.at for activity in told],
    )
    if recorded != len(told):
        await _refuse(tx, project_ids)


async def _refuse(tx: Transaction, project_ids: Sequence[UUID]) -> NoReturn:
    if await tx.find_one(_DELETED, the_project_id=project_ids) is None:
        raise ProjectArchived
    raise ConcurrentModification(retry_after=_SOON)
