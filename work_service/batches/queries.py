"""What is asked about many tasks."""

from collections.abc import Sequence

from chassis.database import Database
from chassis.errors import part
from work_service import access
from work_service.access import Caller
from work_service.projects.domain import ProjectRef
from work_service.tasks.domain import Task, TaskNotFound, TaskRef
from work_service.tasks.store import reading


class BatchQueries:
    """One method per question."""

    def __init__(self, db: Database) -> None:
        """Ask `db`."""
        self._db = db

    async def get_tasks(self, caller: Caller, project: ProjectRef, refs: Sequence[TaskRef]) -> Sequence[Task]:
        """The tasks, in the order in which they were named.

        Raises:
            TaskNotFound: One of them is not there, or the caller may not see it.
        """
        found, role = await reading.get_many(self._db, caller, project, refs)
        if role is not None:
            access.require(role)
        for place, ref in enumerate(refs):
            with part(f"tasks[{place}]"):
                if ref not in found:
                    raise TaskNotFound
        return [found[ref] for ref in refs]
