"""GetTask."""

from tandem.work.v1 import task_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.details import translate
from work_service.details.queries import DetailQueries
from work_service.tasks.handlers import meant


class DetailHandlers:
    """Check, call, translate."""

    def __init__(self, queries: DetailQueries) -> None:
        """Who does the work."""
        self._queries = queries

    async def GetTask(self, request: task_pb2.GetTaskRequest, _context: Context) -> task_pb2.GetTaskResponse:
        """Gets a task."""
        project, ref = meant(request.project, request.task)
        if request.view != task_pb2.Task.FULL:
            task = await self._queries.get_task(caller(), project, ref, deleted_too=request.show_deleted)
            return translate.basic(task)
        return translate.full(
            *await self._queries.get_in_full(caller(), project, ref, deleted_too=request.show_deleted)
        )
