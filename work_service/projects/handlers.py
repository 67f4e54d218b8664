"""ProjectService."""

from tandem.work.v1 import project_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.projects import translate
from work_service.projects.commands import ProjectCommands
from work_service.projects.domain import ProjectRef
from work_service.projects.queries import ProjectQueries


class ProjectHandlers:
    """Check, call, translate."""

    def __init__(self, commands: ProjectCommands, queries: ProjectQueries) -> None:
        """Who does the work."""
        self._commands = commands
        self._queries = queries

    async def CreateProject(
        self, request: project_pb2.CreateProjectRequest, _context: Context
    ) -> project_pb2.CreateProjectResponse:
        """Creates a project."""
        who = caller(attempt=request.idempotency_key)
        project = await self._commands.create_project(who, translate.new_project(request))
        return project_pb2.CreateProjectResponse(project=translate.project(project))

    async def GetProject(
        self, request: project_pb2.GetProjectRequest, _context: Context
    ) -> project_pb2.GetProjectResponse:
        """Gets a project."""
        ref = ProjectRef.read(request.project)
        project = await self._queries.get_project(caller(), ref, deleted_too=request.show_deleted)
        return project_pb2.GetProjectResponse(project=translate.project(project))

    async def ListProjects(
        self, request: project_pb2.ListProjectsRequest, _context: Context
    ) -> project_pb2.ListProjectsResponse:
        """Lists the caller's projects."""
        projects, next_page_token = await self._queries.list_projects(
            caller(),
            page_size=request.page_size,
            page_token=request.page_token,
            deleted_too=request.show_deleted,
        )
        return project_pb2.ListProjectsResponse(
            projects=map(translate.project, projects), next_page_token=next_page_token
        )

    async def UpdateProject(
        self, request: project_pb2.UpdateProjectRequest, _context: Context
    ) -> project_pb2.UpdateProjectResponse:
        """Changes a project."""
        who, ref = caller(attempt=request.idempotency_key), ProjectRef.read(request.project_ref)
        project = await self._commands.update_project(who, ref, translate.project_edit(request), etag=request.etag)
        return project_pb2.UpdateProjectResponse(project=translate.project(project))

    async def DeleteProject(
        self, request: project_pb2.DeleteProjectRequest, _context: Context
    ) -> project_pb2.DeleteProjectResponse:
        """Deletes a project."""
        who, ref = caller(attempt=request.idempotency_key), ProjectRef.read(request.project)
        project = await self._commands.delete_project(who, ref, etag=request.etag)
        return project_pb2.DeleteProjectResponse(project=translate.project(project))

    async def UndeleteProject(
        self, request: project_pb2.UndeleteProjectRequest, _context: Context
    ) -> project_pb2.UndeleteProjectResponse:
        """Restores a project."""
        who, ref = caller(attempt=request.idempotency_key), ProjectRef.read(request.project)
        project = await self._commands.undelete_project(who, ref)
        return project_pb2.UndeleteProjectResponse(project=translate.project(project))
