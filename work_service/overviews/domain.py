"""How much there is in a project."""

from dataclasses import dataclass

from work_service.projects.domain import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What is counted, and changes without the project. Deleted tasks do not count."""

    member_count: int
    task_count: int
    open_task_count: int


@dataclass(frozen=True, slots=True)
class Overview:
    """A project, and how much there is in it, if that was asked."""

    project: Project
    counts: Counts | None = None
