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
        project = await self._commands.create_project(caller(), translate.new_project(request))
        return project_pb2.CreateProjectResponse(project=translate.project(project))

    async def GetProject(
        self, request: project_pb2.GetProjectRequest, _context: Context
    ) -> project_pb2.GetProjectResponse:
        """Gets a project."""
        project = await self._queries.get_project(caller(), ProjectRef.read(request.project))
        return project_pb2.GetProjectResponse(project=translate.project(project))
