"""Messages of the contract, to and from values of the domain."""

from collections.abc import Sequence

from tandem.work.v1 import task_pb2

from chassis.errors import FieldViolation, InvalidArgument
from chassis.instants import instant
from chassis.masks import named_fields
from work_service.profiles.translate import person
from work_service.tags.domain import TagRef
from work_service.tasks.domain import (
    NamedLinks,
    NewTask,
    Priority,
    ReferenceNotFound,
    Status,
    Task,
    TaskEdit,
    TaskNotFound,
    TaskRef,
)

CHANGEABLE = (
    "title",
    "description",
    "status",
    "priority",
    "due_time",
    "category",
    "labels",
    "parent",
    "annotations",
    "external_id",
)


def new_task(wanted: task_pb2.Task) -> NewTask:
    """The task that somebody wants."""
    return NewTask(
        title=wanted.title,
        description=wanted.description,
        status=status(wanted.status) if wanted.status else Status.TODO,
        priority=priority(wanted.priority) if wanted.priority else Priority.MEDIUM,
        due_time=instant(wanted, "due_time", path="task.due_time"),
        annotations=dict(wanted.annotations),
        external_id=wanted.external_id or None,
    )


def task_edit(wanted: task_pb2.Task, paths: Sequence[str]) -> TaskEdit:
    """What shall change. A task always has a status and a priority: those that are not sent stay as they are.

    Raises:
        InvalidArgument: The mask asks for one of them to be cleared.
    """
    named = named_fields(wanted, paths, CHANGEABLE)
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
    if "annotations" in named:
        edit["annotations"] = dict(wanted.annotations)
    if "external_id" in named:
        edit["external_id"] = wanted.external_id or None
    return edit


def links(wanted: task_pb2.Task, paths: Sequence[str] = ()) -> NamedLinks:
    """What the task shall be linked with.

    Raises:
        ReferenceNotFound: The parent is named as no task can be.
    """
    links = tags(wanted, paths)
    if "parent" in named_fields(wanted, paths, CHANGEABLE):
        links["parent"] = _parent(wanted.parent) if wanted.parent else None
    return links


def tags(wanted: task_pb2.Task, paths: Sequence[str] = ()) -> NamedLinks:
    """The category and the labels that the task shall have, which is what it can be linked with but other tasks."""
    named = named_fields(wanted, paths, CHANGEABLE)
    tags: NamedLinks = {}
    if "category" in named:
        tags["category"] = TagRef.read(wanted.category) if wanted.category else None
    if "labels" in named:
        tags["labels"] = tuple(map(TagRef.read, wanted.labels))
    return tags


def _parent(text: str) -> TaskRef:
    try:
        return TaskRef.read(text)
    except TaskNotFound:
        raise ReferenceNotFound(FieldViolation("task.parent", "is no task of the project")) from None


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
        creator=person(task.creator_id, task.people),
        labels=map(str, task.labels),
        position=task.position,
        annotations=task.annotations,
        external_id=task.external_id or "",
        etag=task.etag,
    )
    if task.category_id is not None:
        message.category = str(task.category_id)
    if task.parent_id is not None:
        message.parent = str(task.parent_id)
    message.create_time.FromDatetime(task.create_time)
    message.update_time.FromDatetime(task.update_time)
    if task.assignee_id is not None:
        message.assignee.CopyFrom(person(task.assignee_id, task.people))
    if task.delete_time is not None:
        message.delete_time.FromDatetime(task.delete_time)
    if task.due_time is not None:
        message.due_time.FromDatetime(task.due_time)
    if task.complete_time is not None:
        message.complete_time.FromDatetime(task.complete_time)
    return message
