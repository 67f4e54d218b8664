"""Messages of the contract, out of values of the domain."""

from tandem.work.v1 import activity_pb2

from work_service.activities.domain import PastActivity
from work_service.profiles.translate import person


def activity(activity: PastActivity) -> activity_pb2.Activity:
    """What somebody did."""
    message = activity_pb2.Activity(
        id=str(activity.id),
        actor=person(activity.actor_id, activity.people),
        verb=activity.verb,
        project=str(activity.project_id),
        task="" if activity.task_id is None else str(activity.task_id),
        changes=[
            activity_pb2.Activity.Change(field=change.field, old=change.old, new=change.new)
            for change in activity.changes
        ],
        request_id=activity.request_id,
    )
    message.create_time.FromDatetime(activity.create_time)
    return message
