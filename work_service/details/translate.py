"""Messages of the contract, out of values of the domain."""

from tandem.work.v1 import task_pb2

from work_service.comments.translate import comment
from work_service.details.domain import Details, Summary
from work_service.tags.translate import category, label
from work_service.tasks import translate as tasks
from work_service.tasks.domain import Task


def basic(task: Task) -> task_pb2.GetTaskResponse:
    """A task."""
    return task_pb2.GetTaskResponse(task=tasks.task(task), entity_tag=task.etag)


def full(task: Task, details: Details) -> task_pb2.GetTaskResponse:
    """A task with its details. REST has no ETag for it: they change without the task."""
    return task_pb2.GetTaskResponse(task=task_in_full(task, details))


def task_in_full(task: Task, details: Details) -> task_pb2.Task:
    """The task with its details."""
    message = tasks.task(task)
    message.details.CopyFrom(_details(details))
    return message


def _details(details: Details) -> task_pb2.Task.Details:
    return task_pb2.Task.Details(
        category=None if details.category is None else category(details.category),
        labels=map(label, details.labels),
        parent=None if details.parent is None else _summary(details.parent),
        part_count=details.part_count,
        open_part_count=details.open_part_count,
        comment_count=details.comment_count,
        latest_comments=map(comment, details.latest_comments),
    )


def _summary(task: Summary) -> task_pb2.Task.Summary:
    status = task_pb2.Task.Status.Value(task.status.value)
    return task_pb2.Task.Summary(id=str(task.id), number=task.number, title=task.title, status=status)
