"""Messages of the contract, out of values of the domain."""

from tandem.work.v1 import project_pb2, task_pb2

from work_service.profiles.translate import person
from work_service.stats.domain import Stats
from work_service.tasks.domain import Priority, Status


def stats(stats: Stats) -> project_pb2.ProjectStats:
    """Every status and priority, and everybody who has a task."""
    message = project_pb2.ProjectStats(
        total=sum(stats.by_status.values()), overdue=stats.overdue, unassigned=stats.by_assignee.get(None, 0)
    )
    for status in Status:
        message.by_status.add(status=task_pb2.Task.Status.Value(status.value), count=stats.by_status.get(status, 0))
    for priority in Priority:
        message.by_priority.add(
            priority=task_pb2.Task.Priority.Value(priority.value), count=stats.by_priority.get(priority, 0)
        )
    for user_id, count in stats.by_assignee.items():
        if user_id is not None:
            message.by_assignee.add(assignee=person(user_id, stats.people), count=count)
    return message
