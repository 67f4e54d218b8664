"""What may come of many at once."""

from dataclasses import dataclass, field

from chassis.errors import FieldViolation, InvalidArgument
from work_service.tasks.domain import NamedLinks, TaskEdit, TaskRef


class NamedTwice(InvalidArgument):
    """A task can be changed once in a batch."""

    reason = "NAMED_TWICE"

    def __init__(self, place: int, first: int) -> None:
        """Tells which request names the task of which other one."""
        super().__init__(FieldViolation(f"requests[{place}]", f"names the same task as requests[{first}]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Which of many tasks, and what shall change about it."""

    ref: TaskRef
    etag: str
    edit: TaskEdit = field(default_factory=TaskEdit)
    links: NamedLinks = field(default_factory=NamedLinks)
