"""ImportTasks."""

from tandem.work.v1 import task_pb2

from chassis.call import Context, Requests
from work_service.access import caller
from work_service.imports import translate
from work_service.imports.commands import ImportCommands
from work_service.imports.domain import Bounds
from work_service.imports.reading import Reading
from work_service.projects.domain import ProjectRef


class ImportHandlers:
    """Check, call, translate."""

    def __init__(self, commands: ImportCommands, bounds: Bounds) -> None:
        """Who does the work, and how much of it at a time."""
        self._commands = commands
        self._bounds = bounds

    async def ImportTasks(self, requests: Requests, _context: Context) -> task_pb2.ImportTasksResponse:
        """Imports tasks."""
        reading = Reading(requests, self._bounds)
        first = await reading.first()
        project_id = await self._commands.admit(caller(), ProjectRef.read(first.project))
        file = await reading.rest()
        who = caller(attempt="" if first.validate_only else first.idempotency_key)
        return translate.outcome(await self._commands.import_tasks(who, project_id, file))
