"""What is told of a task that shall be understood elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from work_service.tasks.domain import Task, TaskId


@dataclass(frozen=True, slots=True)
class Exported:
    """A task, with what it is linked with as others know it."""

    task: Task
    category: str | None
    """Its slug."""
    labels: Sequence[str]
    """Their slugs."""
    parent_id: TaskId | None
    """The task that this one is a part of, if that is told, too."""
