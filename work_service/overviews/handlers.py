"""GetProject and ListProjects."""

from tandem.work.v1 import project_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.overviews import translate
from work_service.overviews.queries import OverviewQueries
from work_service.projects.domain import ProjectRef
from work_service.projects.translate import state


class OverviewHandlers:
    """Check, call, translate."""

    def __init__(self, queries: OverviewQueries) -> None:
        """Who does the work."""
        self._queries = queries

    async def GetProject(
        self, request: project_pb2.GetProjectRequest, _context: Context
    ) -> project_pb2.GetProjectResponse:
        """Gets a project."""
        overview = await self._queries.get_project(
            caller(),
            ProjectRef.read(request.project),
            deleted_too=request.show_deleted,
            counted=request.view == project_pb2.Project.FULL,
        )
        return translate.get_response(overview)

    async def ListProjects(
        self, request: project_pb2.ListProjectsRequest, _context: Context
    ) -> project_pb2.ListProjectsResponse:
        """Lists the caller's projects."""
        page, next_page_token = await self._queries.list_projects(
            caller(),
            page_size=request.page_size,
            page_token=request.page_token,
            deleted_too=request.show_deleted,
            state=state(request.state) if request.state else None,
            counted=request.view == project_pb2.Project.FULL,
        )
        return project_pb2.ListProjectsResponse(projects=map(translate.project, page), next_page_token=next_page_token)
