"""What is asked about one task."""

from chassis.database import Database
from work_service import access
from work_service.access import Caller
from work_service.details import store
from work_service.details.domain import Details
from work_service.projects.domain import ProjectRef
from work_service.tasks.domain import Task, TaskRef
from work_service.tasks.store import reading


class DetailQueries:
    """One method per question."""

    def __init__(self, db: Database) -> None:
        """Ask `db`."""
        self._db = db

    async def get_task(self, caller: Caller, project: ProjectRef, ref: TaskRef, *, deleted_too: bool) -> Task:
        """The task; TaskNotFound to anyone outside of its project."""
        task, role = await reading.get_task(self._db, caller, project, ref, deleted_too=deleted_too)
        access.require(role)
        return task

    async def get_in_full(
        self, caller: Caller, project: ProjectRef, ref: TaskRef, *, deleted_too: bool
    ) -> tuple[Task, Details]:
        """The task with what belongs to it; TaskNotFound to anyone outside of its project."""
        task, details, role = await store.get_in_full(self._db, caller, project, ref, deleted_too=deleted_too)
        access.require(role)
        return task, details
