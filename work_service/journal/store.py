"""The journal in the database."""

from dataclasses import asdict

from sqlalchemy import bindparam, insert

from chassis.database import Transaction
from chassis.ids import new_id
from work_service.journal.domain import Activity
from work_service.tables import activities, outbox

_ACTIVITY = insert(activities).values(
    id=bindparam("activity_id"),
    project_id=bindparam("project_id"),
    task_id=bindparam("task_id"),
    actor_id=bindparam("actor_id"),
    verb=bindparam("verb"),
    changes=bindparam("changes"),
    request_id=bindparam("request_id"),
    create_time=bindparam("at"),
)
_RECORD = (
    insert(outbox)
    .values(activity_id=bindparam("activity_id"), project_id=bindparam("project_id"), create_time=bindparam("at"))
    .add_cte(_ACTIVITY.cte("activity"))
)


async def record(tx: Transaction, activity: Activity) -> None:
    """Keep one activity, and one outbox row that announces it. One round trip."""
    await tx.execute(
        _RECORD,
        activity_id=new_id(),
        project_id=activity.project_id,
        task_id=activity.task_id,
        actor_id=activity.actor.user_id,
        verb=activity.verb.value,
        changes=[asdict(change) for change in activity.changes],
        request_id=activity.actor.request_id,
        at=activity.at,
    )
