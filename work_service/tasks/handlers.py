"""TaskService, as far as it changes one task."""

from uuid import UUID

from tandem.work.v1 import task_pb2

from chassis.call import Context
from chassis.errors import FieldViolation, InvalidArgument
from work_service.access import Caller, UserId, caller
from work_service.projects.domain import NO_PROJECT, ProjectRef
from work_service.projects.translate import Change, in_project
from work_service.tags.domain import TagRef
from work_service.tasks import translate
from work_service.tasks.commands import TaskCommands
from work_service.tasks.domain import Place, TaskRef


class TaskHandlers:
    """Check, call, translate."""

    def __init__(self, commands: TaskCommands) -> None:
        """Who does the work."""
        self._commands = commands

    async def CreateTask(self, request: task_pb2.CreateTaskRequest, _context: Context) -> task_pb2.CreateTaskResponse:
        """Creates a task."""
        who, project = in_project(request)
        new, links = translate.new_task(request.task), translate.links(request.task)
        task = await self._commands.create_task(who, project, new, links)
        return task_pb2.CreateTaskResponse(task=translate.task(task))

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
        paths = request.update_mask.paths
        edit, links = translate.task_edit(request.task, paths), translate.links(request.task, paths)
        task = await self._commands.update_task(who, project, ref, edit, links, etag=request.etag)
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

    async def AttachLabel(
        self, request: task_pb2.AttachLabelRequest, _context: Context
    ) -> task_pb2.AttachLabelResponse:
        """Gives a task a label more."""
        who, project, ref = named(request, request.task)
        task = await self._commands.attach_label(who, project, ref, TagRef.read(request.label), etag=request.etag)
        return task_pb2.AttachLabelResponse(task=translate.task(task))

    async def DetachLabel(
        self, request: task_pb2.DetachLabelRequest, _context: Context
    ) -> task_pb2.DetachLabelResponse:
        """Takes a label from a task."""
        who, project, ref = named(request, request.task)
        task = await self._commands.detach_label(who, project, ref, TagRef.read(request.label), etag=request.etag)
        return task_pb2.DetachLabelResponse(task=translate.task(task))

    async def ReorderTask(
        self, request: task_pb2.ReorderTaskRequest, _context: Context
    ) -> task_pb2.ReorderTaskResponse:
        """Puts a task beside another one."""
        who, project, ref = named(request, request.task)
        place = Place(TaskRef.read(request.before or request.after), before=bool(request.before))
        task = await self._commands.reorder_task(who, project, ref, place, etag=request.etag)
        return task_pb2.ReorderTaskResponse(task=translate.task(task))

    async def MoveTask(self, request: task_pb2.MoveTaskRequest, _context: Context) -> task_pb2.MoveTaskResponse:
        """Moves a task to another project."""
        who, project, ref = named(request, request.task)
        destination = ProjectRef.read(request.destination)
        task = await self._commands.move_task(who, project, ref, destination, etag=request.etag)
        return task_pb2.MoveTaskResponse(task=translate.task(task))

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


def named(request: Change, task: str) -> tuple[Caller, ProjectRef, TaskRef]:
    """Who wants to change which task."""
    return caller(attempt=request.idempotency_key), *meant(request.project, task)


def meant(project: str, task: str) -> tuple[ProjectRef, TaskRef]:
    """Which task is meant: of a project, or wherever it is.

    Raises:
        InvalidArgument: The task is named by its number, and the project is not named.
    """
    where, ref = ProjectRef.read(project), TaskRef.read(task)
    if where == NO_PROJECT and ref.id is None:
        raise InvalidArgument(FieldViolation("project", "is needed to find a task by its number"))
    return where, ref
