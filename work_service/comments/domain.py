"""What somebody said about a task."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NewType
from uuid import UUID

from chassis.errors import NotFound, PermissionDenied
from chassis.etags import expect_etag
from work_service.access import UserId
from work_service.profiles.domain import People
from work_service.projects.domain import ProjectId
from work_service.tasks.domain import TaskId

CommentId = NewType("CommentId", UUID)


class CommentNotFound(NotFound):
    """There is no such comment."""

    reason = "COMMENT_NOT_FOUND"


class NotTheAuthor(PermissionDenied):
    """Somebody else said this."""

    reason = "NOT_THE_AUTHOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What somebody said about a task."""

    id: CommentId
    project_id: ProjectId
    task_id: TaskId
    author_id: UserId
    text: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    people: People = field(default_factory=dict, compare=False)

    @property
    def etag(self) -> str:
        """Changes with the text."""
        return str(self.version)

    def expect(self, etag: str) -> None:
        """Go on only if `etag` is the one of today, or empty; else EtagMismatch."""
        expect_etag(etag, self.etag)

    def saying(self, text: str, *, now: datetime) -> "Comment":
        """The comment with another text; the comment itself when it says that already."""
        return self if text == self.text else replace(self, text=text, update_time=now, version=self.version + 1)
