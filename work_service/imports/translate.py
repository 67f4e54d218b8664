"""Messages of the contract, to and from values of the domain."""

from collections.abc import Sequence

from tandem.work.v1 import task_pb2

from chassis.errors import FieldViolation
from chassis.masks import named_fields
from work_service.imports.domain import Line, Outcome
from work_service.tasks import translate as tasks


def line(place: int, task: task_pb2.Task, paths: Sequence[str]) -> Line:
    """A task that was sent, and whose fields are as the contract wants them.

    Raises:
        InvalidArgument: A field cannot be read, or not be cleared.
    """
    bare = named(place, task)
    new = tasks.new_task(task)
    edit = tasks.task_edit(task, paths)
    edit.pop("external_id", None)
    says_parent = "parent" in named_fields(task, paths, tasks.CHANGEABLE)
    return Line(
        place=place,
        key=bare.key,
        key_field=bare.key_field,
        sent_id=bare.sent_id,
        left_out=bare.left_out,
        new=new,
        edit=edit,
        tags=tasks.tags(task, paths),
        parent=task.parent if says_parent else None,
    )


def named(place: int, task: task_pb2.Task) -> Line:
    """As much of a task that was sent as its name, whatever else it says."""
    return Line(
        place=place,
        key=task.external_id or task.id,
        key_field="external_id" if task.external_id else "id",
        sent_id=task.id,
        left_out=task.HasField("delete_time"),
    )


def outcome(outcome: Outcome) -> task_pb2.ImportTasksResponse:
    """What has come of an import."""
    return task_pb2.ImportTasksResponse(
        created=outcome.created,
        updated=outcome.updated,
        unchanged=outcome.unchanged,
        skipped=outcome.skipped,
        violations=map(_violation, outcome.violations),
        violation_count=outcome.violation_count,
    )


def _violation(violation: FieldViolation) -> task_pb2.ImportTasksResponse.Violation:
    return task_pb2.ImportTasksResponse.Violation(
        field=violation.field, description=violation.description, reason=violation.reason
    )
