"""Of ProjectService, what is counted."""

from tandem.work.v1 import project_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.projects.domain import ProjectRef
from work_service.stats import translate
from work_service.stats.queries import StatsQueries


class StatsHandlers:
    """Check, call, translate."""

    def __init__(self, queries: StatsQueries) -> None:
        """Who knows the answer."""
        self._queries = queries

    async def GetProjectStats(
        self, request: project_pb2.GetProjectStatsRequest, _context: Context
    ) -> project_pb2.GetProjectStatsResponse:
        """Counts the tasks of a project."""
        stats = await self._queries.get_stats(caller(), ProjectRef.read(request.project))
        return project_pb2.GetProjectStatsResponse(stats=translate.stats(stats))
