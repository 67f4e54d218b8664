"""TaskService."""

from typing import Protocol
from uuid import UUID

from tandem.work.v1 import task_pb2

from chassis.call import Context
from work_service.access import Caller, UserId, caller
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
        who, project = caller(attempt=request.idempotency_key), ProjectRef.read(request.project)
        task = await self._commands.create_task(who, project, translate.new_task(request))
        return task_pb2.CreateTaskResponse(task=translate.task(task))

    async def GetTask(self, request: task_pb2.GetTaskRequest, _context: Context) -> task_pb2.GetTaskResponse:
        """Gets a task."""
        project, ref = ProjectRef.read(request.project), TaskRef.read(request.task)
        task = await self._queries.get_task(caller(), project, ref, deleted_too=request.show_deleted)
        return task_pb2.GetTaskResponse(task=translate.task(task))

    async def ListTasks(self, request: task_pb2.ListTasksRequest, _context: Context) -> task_pb2.ListTasksResponse:
        """Lists the tasks of a project."""
        tasks, next_page_token = await self._queries.list_tasks(
            caller(),
            ProjectRef.read(request.project),
            page_size=request.page_size,
            page_token=request.page_token,
            deleted_too=request.show_deleted,
        )
        return task_pb2.ListTasksResponse(tasks=map(translate.task, tasks), next_page_token=next_page_token)

    async def TransitionTask(
        self, request: task_pb2.TransitionTaskRequest, _context: Context
    ) -> task_pb2.TransitionTaskResponse:
        """Moves a task to another status."""
        who, project, ref = named(request, request.task)
        status = translate.status(request.status)
        task = await self._commands.transition_task(who, project, ref, status, etag=request.etag)
        return task_pb2.TransitionTaskResponse(task=translate.task(task))

    async def UpdateTask(self, request: task_pb2.UpdateTaskRequest, _context: Context) -> task_pb2.UpdateTaskResponse:
        """Changes a task."""
        who, project, ref = named(request, request.task_ref)
        task = await self._commands.update_task(who, project, ref, translate.task_edit(request), etag=request.etag)
        return task_pb2.UpdateTaskResponse(task=translate.task(task))

    async def AssignTask(self, request: task_pb2.AssignTaskRequest, _context: Context) -> task_pb2.AssignTaskResponse:
        """Gives a task to a member."""
        who, project, ref = named(request, request.task)
        assignee = UserId(UUID(request.assignee))
        task = await self._commands.assign_task(who, project, ref, assignee, etag=request.etag)
        return task_pb2.AssignTaskResponse(task=translate.task(task))

    async def UnassignTask(
        self, request: task_pb2.UnassignTaskRequest, _context: Context
    ) -> task_pb2.UnassignTaskResponse:
        """Takes a task from whoever has it."""
        who, project, ref = named(request, request.task)
        task = await self._commands.assign_task(who, project, ref, None, etag=request.etag)
        return task_pb2.UnassignTaskResponse(task=translate.task(task))

    async def DeleteTask(self, request: task_pb2.DeleteTaskRequest, _context: Context) -> task_pb2.DeleteTaskResponse:
        """Deletes a task."""
        who, project, ref = named(request, request.task)
        task = await self._commands.delete_task(who, project, ref, etag=request.etag)
        return task_pb2.DeleteTaskResponse(task=translate.task(task))

    async def UndeleteTask(
        self, request: task_pb2.UndeleteTaskRequest, _context: Context
    ) -> task_pb2.UndeleteTaskResponse:
        """Restores a task."""
        who, project, ref = named(request, request.task)
        task = await self._commands.undelete_task(who, project, ref)
        return task_pb2.UndeleteTaskResponse(task=translate.task(task))


class Change(Protocol):
    """A request that changes something in a project."""

    @property
    def project(self) -> str:
        """The project's id or slug."""
        ...

    @property
    def idempotency_key(self) -> str:
        """What the caller calls this attempt."""
        ...


def named(request: Change, task: str) -> tuple[Caller, ProjectRef, TaskRef]:
    """Who wants to change which task."""
    return caller(attempt=request.idempotency_key), ProjectRef.read(request.project), TaskRef.read(task)
