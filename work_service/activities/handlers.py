"""ActivityService."""

from tandem.work.v1 import activity_pb2

from chassis.call import Context
from work_service.access import caller
from work_service.activities import translate
from work_service.activities.queries import ActivityQueries
from work_service.projects.domain import ProjectRef
from work_service.tasks.domain import TaskRef


class ActivityHandlers:
    """Check, call, translate."""

    def __init__(self, queries: ActivityQueries) -> None:
        """Who does the work."""
        self._queries = queries

    async def ListActivities(
        self, request: activity_pb2.ListActivitiesRequest, _context: Context
    ) -> activity_pb2.ListActivitiesResponse:
        """Lists what has happened."""
        activities, next_page_token = await self._queries.list_activities(
            caller(),
            ProjectRef.read(request.project),
            TaskRef.read(request.task) if request.task else None,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return activity_pb2.ListActivitiesResponse(
            activities=map(translate.activity, activities), next_page_token=next_page_token
        )
