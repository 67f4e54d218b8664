"""What belongs to a task."""

from collections.abc import Sequence
from dataclasses import dataclass

from work_service.comments.domain import Comment
from work_service.tags.domain import Tag
from work_service.tasks.domain import Status, TaskId

LATEST_COMMENTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """As much of a task as others say of it."""

    id: TaskId
    number: int
    title: str
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What belongs to a task, and changes without it."""

    category: Tag | None
    labels: Sequence[Tag]
    parent: Summary | None
    part_count: int
    open_part_count: int
    comment_count: int
    latest_comments: Sequence[Comment]
    """The newest first."""
