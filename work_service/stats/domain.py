"""How many tasks there are of which kind."""

from collections.abc import Mapping
from dataclasses import dataclass

from work_service.access import UserId
from work_service.profiles.domain import People
from work_service.tasks.domain import Priority, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The tasks of a project, counted. What is not there is not counted either: look it up with `get`."""

    overdue: int
    by_status: Mapping[Status, int]
    by_priority: Mapping[Priority, int]
    by_assignee: Mapping[UserId | None, int]
    """None has what is nobody's."""
    people: People
