"""TaskService, as far as it is about many tasks."""

from tandem.work.v1 import task_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.finding import translate
from work_service.finding.domain import order
from work_service.finding.queries import FindingQueries


class FindingHandlers:
    """Check, call, translate."""

    def __init__(self, queries: FindingQueries) -> None:
        """Who does the work."""
        self._queries = queries

    async def ListTasks(self, request: task_pb2.ListTasksRequest, _context: Context) -> task_pb2.ListTasksResponse:
        """Lists tasks."""
        who, project = caller(), translate.project(request.project)
        page = await self._queries.list_tasks(
            who,
            project,
            translate.wanted(request, who.user_id),
            order(request.order_by, of_one_project=project is not None),
            page_size=request.page_size,
            page_token=request.page_token,
            skip=request.skip,
            counted=request.with_total_size,
        )
        return task_pb2.ListTasksResponse(
            tasks=map(translate.task, page.tasks), next_page_token=page.next_page_token, total_size=page.total
        )

    async def SearchTasks(
        self, request: task_pb2.SearchTasksRequest, _context: Context
    ) -> task_pb2.SearchTasksResponse:
        """Searches tasks."""
        who, project = caller(), translate.project(request.project)
        matches, next_page_token = await self._queries.search_tasks(
            who,
            project,
            translate.sought(request, who.user_id),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return task_pb2.SearchTasksResponse(results=map(translate.result, matches), next_page_token=next_page_token)
