"""What is told of all tasks of a project."""

from collections.abc import AsyncGenerator

from chassis.database import Database
from work_service import access
from work_service.access import Caller
from work_service.exports import store
from work_service.exports.domain import Exported
from work_service.finding.domain import Wanted
from work_service.projects.domain import ProjectRef

PAGE = 200
"""Tasks that are held at a time. At their largest they take some 15 MB; as a rule, less than one."""


class ExportQueries:
    """One method per question."""

    def __init__(self, db: Database) -> None:
        """Ask `db`."""
        self._db = db

    async def export_tasks(self, caller: Caller, project: ProjectRef, wanted: Wanted) -> AsyncGenerator[Exported, None]:
        """The tasks of a project, in the order of their numbers. What changes meanwhile is told as it is then.

        No page keeps a connection while it is told. The caller's role is asked for anew with every page.

        Raises:
            ProjectNotFound: There is no such project that the caller may see, or no more.
        """
        after: int | None = None
        while True:
            found, role = await store.page(self._db, caller, project, wanted, after=after, limit=PAGE + 1)
            access.require(role)
            for told in found[:PAGE]:
                yield told
            if len(found) <= PAGE:
                return
            last = found[PAGE - 1].task
            after, project = last.number, ProjectRef(last.project_id, None)  # which keeps its id, whatever it is called
