"""What is asked about projects."""

from chassis.database import Database
from work_service import access
from work_service.access import Caller
from work_service.projects import store
from work_service.projects.domain import Project, ProjectRef


class ProjectQueries:
    """One method per question."""

    def __init__(self, db: Database) -> None:
        """Ask `db`."""
        self._db = db

    async def get_project(self, caller: Caller, ref: ProjectRef) -> Project:
        """The project as the caller sees it; ProjectNotFound to anyone outside of it."""
        project = await store.get_project(self._db, caller, ref)
        access.require(project.my_role)
        return project
