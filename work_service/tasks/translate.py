"""Messages of the contract, to and from values of the domain."""

from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tandem.work.v1 import person_pb2, task_pb2

from chassis.errors import FieldViolation, InvalidArgument
from chassis.masks import named_fields
from work_service.tasks.domain import NewTask, Priority, Status, Task, TaskEdit

_CHANGEABLE = ("title", "description", "status", "priority", "due_time")


def new_task(request: task_pb2.CreateTaskRequest) -> NewTask:
    """The task that somebody wants."""
    wanted = request.task
    return NewTask(
        title=wanted.title,
        description=wanted.description,
        status=status(wanted.status) if wanted.status else Status.TODO,
        priority=priority(wanted.priority) if wanted.priority else Priority.MEDIUM,
        due_time=instant(wanted, "due_time", path="task.due_time"),
    )


def task_edit(request: task_pb2.UpdateTaskRequest) -> TaskEdit:
    """What shall change. A task always has a status and a priority: those that are not sent stay as they are.

    Raises:
        InvalidArgument: The mask asks for one of them to be cleared.
    """
    wanted, paths = request.task, request.update_mask.paths
    named = named_fields(wanted, paths, _CHANGEABLE)
    edit: TaskEdit = {}
    if "title" in named:
        edit["title"] = wanted.title
    if "description" in named:
        edit["description"] = wanted.description
    if "status" in named and _is_set(wanted.status, "status", paths):
        edit["status"] = status(wanted.status)
    if "priority" in named and _is_set(wanted.priority, "priority", paths):
        edit["priority"] = priority(wanted.priority)
    if "due_time" in named:
        edit["due_time"] = instant(wanted, "due_time", path="task.due_time")
    return edit


def _is_set(value: int, field: str, paths: Sequence[str]) -> bool:
    if not value and field in paths:
        raise InvalidArgument(FieldViolation(f"task.{field}", "cannot be cleared"))
    return bool(value)


def status(value: "task_pb2.Task.Status.ValueType") -> Status:
    """A status that is set."""
    return Status(task_pb2.Task.Status.Name(value))


def priority(value: "task_pb2.Task.Priority.ValueType") -> Priority:
    """A priority that is set."""
    return Priority(task_pb2.Task.Priority.Name(value))


def task(task: Task) -> task_pb2.Task:
    """A task."""
    message = task_pb2.Task(
        id=str(task.id),
        project=str(task.project_id),
        number=task.number,
        title=task.title,
        description=task.description,
        status=task_pb2.Task.Status.Value(task.status.value),
        priority=task_pb2.Task.Priority.Value(task.priority.value),
        creator=person_pb2.Person(id=str(task.creator_id)),
        etag=task.etag,
    )
    message.create_time.FromDatetime(task.create_time)
    message.update_time.FromDatetime(task.update_time)
    if task.assignee_id is not None:
        message.assignee.id = str(task.assignee_id)
    if task.delete_time is not None:
        message.delete_time.FromDatetime(task.delete_time)
    if task.due_time is not None:
        message.due_time.FromDatetime(task.due_time)
    if task.complete_time is not None:
        message.complete_time.FromDatetime(task.complete_time)
    return message


def instant(message: Message, field: str, *, path: str) -> datetime | None:
    """The instant in a field, in UTC, or None when it is not set.

    Raises:
        InvalidArgument: It is outside of the years 1 to 9999, naming the field as `path`.
    """
    if not message.HasField(field):
        return None
    value: Timestamp = getattr(message, field)
    try:
        return value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(FieldViolation(path, "must be between the years 1 and 9999")) from None
