"""What of TaskService is about many tasks at once."""

from tandem.work.v1 import task_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.batches import translate
from work_service.batches.commands import BatchCommands
from work_service.batches.queries import BatchQueries
from work_service.projects.domain import ProjectRef
from work_service.projects.translate import in_project
from work_service.tasks.translate import task as told


class BatchHandlers:
    """Check, call, translate."""

    def __init__(self, commands: BatchCommands, queries: BatchQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def BatchGetTasks(
        self, request: task_pb2.BatchGetTasksRequest, _context: Context
    ) -> task_pb2.BatchGetTasksResponse:
        """Gets tasks."""
        refs = translate.refs(request.tasks)
        found = await self._queries.get_tasks(caller(), ProjectRef.read(request.project), refs)
        return task_pb2.BatchGetTasksResponse(tasks=map(told, found))

    async def BatchCreateTasks(
        self, request: task_pb2.BatchCreateTasksRequest, _context: Context
    ) -> task_pb2.BatchCreateTasksResponse:
        """Creates tasks."""
        tasks = await self._commands.create_tasks(*in_project(request), translate.new_tasks(request))
        return task_pb2.BatchCreateTasksResponse(tasks=map(told, tasks))

    async def BatchUpdateTasks(
        self, request: task_pb2.BatchUpdateTasksRequest, _context: Context
    ) -> task_pb2.BatchUpdateTasksResponse:
        """Changes tasks."""
        tasks = await self._commands.update_tasks(*in_project(request), translate.updates(request))
        return task_pb2.BatchUpdateTasksResponse(tasks=map(told, tasks))

    async def BatchTransitionTasks(
        self, request: task_pb2.BatchTransitionTasksRequest, _context: Context
    ) -> task_pb2.BatchTransitionTasksResponse:
        """Moves tasks to other statuses."""
        tasks = await self._commands.update_tasks(*in_project(request), translate.transitions(request))
        return task_pb2.BatchTransitionTasksResponse(tasks=map(told, tasks))

    async def BatchDeleteTasks(
        self, request: task_pb2.BatchDeleteTasksRequest, _context: Context
    ) -> task_pb2.BatchDeleteTasksResponse:
        """Deletes tasks."""
        tasks = await self._commands.delete_tasks(*in_project(request), translate.deletions(request))
        return task_pb2.BatchDeleteTasksResponse(tasks=map(told, tasks))
