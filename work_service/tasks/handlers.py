"""TaskService."""

from tandem.work.v1 import task_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.projects.domain import ProjectRef
from work_service.tasks import translate
from work_service.tasks.commands import TaskCommands
from work_service.tasks.domain import TaskRef
from work_service.tasks.queries import TaskQueries


class TaskHandlers:
    """Check, call, translate."""

    def __init__(self, commands: TaskCommands, queries: TaskQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def CreateTask(self, request: task_pb2.CreateTaskRequest, _context: Context) -> task_pb2.CreateTaskResponse:
        """Creates a task."""
        project = ProjectRef.read(request.project)
        task = await self._commands.create_task(caller(), project, translate.new_task(request))
        return task_pb2.CreateTaskResponse(task=translate.task(task))

    async def GetTask(self, request: task_pb2.GetTaskRequest, _context: Context) -> task_pb2.GetTaskResponse:
        """Gets a task."""
        project, ref = ProjectRef.read(request.project), TaskRef.read(request.task)
        task = await self._queries.get_task(caller(), project, ref)
        return task_pb2.GetTaskResponse(task=translate.task(task))

    async def ListTasks(self, request: task_pb2.ListTasksRequest, _context: Context) -> task_pb2.ListTasksResponse:
        """Lists the tasks of a project."""
        tasks, next_page_token = await self._queries.list_tasks(
            caller(), ProjectRef.read(request.project), page_size=request.page_size, page_token=request.page_token
        )
        return task_pb2.ListTasksResponse(tasks=map(translate.task, tasks), next_page_token=next_page_token)

    async def TransitionTask(
        self, request: task_pb2.TransitionTaskRequest, _context: Context
    ) -> task_pb2.TransitionTaskResponse:
        """Moves a task to another status."""
        project, ref = ProjectRef.read(request.project), TaskRef.read(request.task)
        status = translate.status(request.status)
        task = await self._commands.transition_task(caller(), project, ref, status, etag=request.etag)
        return task_pb2.TransitionTaskResponse(task=translate.task(task))
