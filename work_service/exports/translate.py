"""Messages of the contract, to and from values of the domain."""

from tandem.work.v1 import task_pb2

from chassis.filters import read_filter
from work_service.access import UserId
from work_service.exports.domain import Exported
from work_service.finding.domain import Wanted, fields
from work_service.tasks import translate as tasks


def wanted(request: task_pb2.ExportTasksRequest, me: UserId) -> Wanted:
    """Which tasks somebody wants.

    Raises:
        InvalidArgument: The filter cannot be read.
    """
    return Wanted(filter=read_filter(request.filter, fields(me, of_one_project=True)), deleted_too=request.show_deleted)


def exported(told: Exported) -> task_pb2.ExportTasksResponse:
    """A task that is told."""
    message = tasks.task(told.task)
    message.category = told.category or ""
    message.labels[:] = told.labels
    message.parent = "" if told.parent_id is None else str(told.parent_id)
    return task_pb2.ExportTasksResponse(task=message)
