"""ProjectService, as far as it changes projects."""

from tandem.work.v1 import project_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.projects import translate
from work_service.projects.commands import ProjectCommands
from work_service.projects.domain import ProjectRef


class ProjectHandlers:
    """Check, call, translate."""

    def __init__(self, commands: ProjectCommands) -> None:
        """Who does the work."""
        self._commands = commands

    async def CreateProject(
        self, request: project_pb2.CreateProjectRequest, _context: Context
    ) -> project_pb2.CreateProjectResponse:
        """Creates a project."""
        who = caller(attempt=request.idempotency_key)
        project = await self._commands.create_project(who, translate.new_project(request))
        return project_pb2.CreateProjectResponse(project=translate.project(project))

    async def UpdateProject(
        self, request: project_pb2.UpdateProjectRequest, _context: Context
    ) -> project_pb2.UpdateProjectResponse:
        """Changes a project."""
        who, ref = caller(attempt=request.idempotency_key), ProjectRef.read(request.project_ref)
        project = await self._commands.update_project(who, ref, translate.project_edit(request), etag=request.etag)
        return project_pb2.UpdateProjectResponse(project=translate.project(project))

    async def ActivateProject(
        self, request: project_pb2.ActivateProjectRequest, _context: Context
    ) -> project_pb2.ActivateProjectResponse:
        """Begins a project."""
        who, ref = translate.in_project(request)
        project = await self._commands.activate_project(who, ref, etag=request.etag)
        return project_pb2.ActivateProjectResponse(project=translate.project(project))

    async def ArchiveProject(
        self, request: project_pb2.ArchiveProjectRequest, _context: Context
    ) -> project_pb2.ArchiveProjectResponse:
        """Closes a project."""
        who, ref = translate.in_project(request)
        project = await self._commands.archive_project(who, ref, etag=request.etag)
        return project_pb2.ArchiveProjectResponse(project=translate.project(project))

    async def UnarchiveProject(
        self, request: project_pb2.UnarchiveProjectRequest, _context: Context
    ) -> project_pb2.UnarchiveProjectResponse:
        """Opens a project again."""
        who, ref = translate.in_project(request)
        project = await self._commands.unarchive_project(who, ref, etag=request.etag)
        return project_pb2.UnarchiveProjectResponse(project=translate.project(project))

    async def DeleteProject(
        self, request: project_pb2.DeleteProjectRequest, _context: Context
    ) -> project_pb2.DeleteProjectResponse:
        """Deletes a project."""
        who, ref = translate.in_project(request)
        project = await self._commands.delete_project(who, ref, etag=request.etag)
        return project_pb2.DeleteProjectResponse(project=translate.project(project))

    async def UndeleteProject(
        self, request: project_pb2.UndeleteProjectRequest, _context: Context
    ) -> project_pb2.UndeleteProjectResponse:
        """Restores a project."""
        who, ref = translate.in_project(request)
        project = await self._commands.undelete_project(who, ref)
        return project_pb2.UndeleteProjectResponse(project=translate.project(project))
