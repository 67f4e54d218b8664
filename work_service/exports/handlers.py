"""ExportTasks."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from tandem.work.v1 import task_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.exports import translate
from work_service.exports.queries import ExportQueries
from work_service.projects.domain import ProjectRef


class ExportHandlers:
    """Check, call, translate."""

    def __init__(self, queries: ExportQueries) -> None:
        """Who does the work."""
        self._queries = queries

    async def ExportTasks(
        self, request: task_pb2.ExportTasksRequest, _context: Context
    ) -> AsyncIterator[task_pb2.ExportTasksResponse]:
        """Exports tasks."""
        who, project = caller(), ProjectRef.read(request.project)
        told = self._queries.export_tasks(who, project, translate.wanted(request, who.user_id))
        async with aclosing(told) as tasks:
            async for task in tasks:
                yield translate.exported(task)
