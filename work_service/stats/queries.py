"""What is asked about projects as a whole."""

from chassis.clock import Clock
from chassis.database import Database
from work_service import access
from work_service.access import Caller
from work_service.projects.domain import ProjectRef
from work_service.stats import store
from work_service.stats.domain import Stats


class StatsQueries:
    """One method per question."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Ask `db`; `clock` says what is overdue."""
        self._db = db
        self._clock = clock

    async def get_stats(self, caller: Caller, project: ProjectRef) -> Stats:
        """The tasks of a project, counted; ProjectNotFound to anyone outside of it."""
        stats, role = await store.count_tasks(self._db, caller, project, now=self._clock.now())
        access.require(role)
        return stats
