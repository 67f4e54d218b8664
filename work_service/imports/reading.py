"""An import as it arrives. It is read before anything is locked: a slow client keeps nobody waiting."""

from collections.abc import Sequence
from typing import Any

from tandem.work.v1 import task_pb2

from chassis.call import Requests
from chassis.errors import FieldViolation, InvalidArgument
from chassis.masks import named_fields
from chassis.validation import InvalidRequest
from work_service.imports import translate
from work_service.imports.domain import Bounds, File, ImportTooLarge, Line, Violations, placed
from work_service.tasks.translate import CHANGEABLE


class Reading:
    """The requests of one import, within bounds, and everything that the contract has against their tasks."""

    def __init__(self, requests: Requests, bounds: Bounds) -> None:
        """Nothing is read yet."""
        self._requests = requests
        self._bounds = bounds
        self._violations = Violations()
        self._lines: list[Line] = []
        self._bytes = 0
        self._first = task_pb2.ImportTasksRequest()

    async def first(self) -> task_pb2.ImportTasksRequest:
        """The first request, which says what all of them are about.

        Raises:
            InvalidArgument: It says it badly, or not at all; or nothing will come of an import that begins like this.
        """
        read = await self._next()
        if read is None or not read[0].project:
            raise InvalidArgument(FieldViolation("project", "is needed in the first message"))
        self._first, violations = read
        named_fields(task_pb2.Task(), self._first.update_mask.paths, CHANGEABLE)
        if self._first.HasField("task"):
            self._take(self._first.task, violations)
        if not self._first.validate_only:
            self._violations.check()
        return self._first

    async def rest(self) -> File:
        """The whole import.

        Raises:
            InvalidArgument: A request is about something else than the first one, or has no task.
            ImportTooLarge: There is more of it than one import may hold.
        """
        while (read := await self._next()) is not None:
            request, violations = read
            for field, value in request.ListFields():
                if field.name != "task" and value != getattr(self._first, field.name):
                    raise InvalidArgument(FieldViolation(field.name, "is not what the first message says"))
            if not request.HasField("task"):
                raise InvalidArgument(FieldViolation(f"tasks[{len(self._lines)}]", "is missing"))
            self._take(request.task, violations)
        return File(self._lines, self._violations, self._first.validate_only)

    async def _next(self) -> tuple[task_pb2.ImportTasksRequest, Sequence[FieldViolation]] | None:
        """The next request, and what is wrong with its task."""
        violations: Sequence[FieldViolation] = ()
        try:
            request: Any = await anext(self._requests)
        except StopAsyncIteration:
            return None
        except InvalidRequest as invalid:
            request, violations = invalid.request, invalid.violations
        self._bytes += request.ByteSize()
        if self._bytes > self._bounds.bytes:
            raise ImportTooLarge(FieldViolation("tasks", f"are larger than {self._bounds.bytes} bytes together"))
        if len(self._lines) == self._bounds.tasks:
            raise ImportTooLarge(FieldViolation("tasks", f"are more than {self._bounds.tasks}"))
        others = [each for each in violations if not each.field.startswith("task")]
        if others:
            raise InvalidArgument(*others)
        return request, violations

    def _take(self, task: task_pb2.Task, violations: Sequence[FieldViolation]) -> None:
        place = len(self._lines)
        line = translate.named(place, task)
        wrong = [*(placed(each, place) for each in violations), *line.overlong()]
        if not wrong:
            try:
                line = translate.line(place, task, self._first.update_mask.paths)
            except InvalidArgument as refused:
                wrong = [placed(each, place) for each in refused.violations]
        self._violations.add(*wrong)
        self._lines.append(line)
