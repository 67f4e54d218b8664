"""What is asked about relations."""

from collections.abc import Sequence

from chassis.database import Database
from work_service import access
from work_service.access import Caller
from work_service.projects.domain import ProjectRef
from work_service.relations import store
from work_service.relations.domain import Relation
from work_service.tasks.domain import TaskRef


class RelationQueries:
    """One method per question."""

    def __init__(self, db: Database) -> None:
        """Ask `db`."""
        self._db = db

    async def list_relations(self, caller: Caller, project: ProjectRef, task: TaskRef) -> Sequence[Relation]:
        """What a task is related to, the oldest relation first.

        Raises:
            TaskNotFound: There is no such task that the caller may see.
        """
        found, role = await store.list_relations(self._db, caller, project, task)
        access.require(role)
        return found
