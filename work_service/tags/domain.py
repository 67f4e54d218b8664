"""Categories and labels: the same thing, but that a task has one of these and many of those."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType, TypedDict
from uuid import UUID

from chassis.errors import AlreadyExists, NotFound
from chassis.etags import expect_etag
from chassis.ids import parse_id
from work_service.projects.domain import ProjectId

TagId = NewType("TagId", UUID)

GREY = "#808080"


class Kind(StrEnum):
    """Which of the two."""

    CATEGORY = "CATEGORY"
    LABEL = "LABEL"

    @property
    def not_found(self) -> type[NotFound]:
        """What is said of one that is not there."""
        return CategoryNotFound if self is Kind.CATEGORY else LabelNotFound

    @property
    def name_taken(self) -> type[AlreadyExists]:
        """What is said of a name that another one has."""
        return CategoryNameTaken if self is Kind.CATEGORY else LabelNameTaken

    @property
    def not_deleted(self) -> type[AlreadyExists]:
        """What is said of one that is there already."""
        return CategoryNotDeleted if self is Kind.CATEGORY else LabelNotDeleted


class CategoryNotFound(NotFound):
    """There is no such category."""

    reason = "CATEGORY_NOT_FOUND"


class CategoryNameTaken(AlreadyExists):
    """Another category of the project has this name."""

    reason = "CATEGORY_NAME_TAKEN"


class CategoryNotDeleted(AlreadyExists):
    """This category has not been deleted."""

    reason = "CATEGORY_NOT_DELETED"


class LabelNotFound(NotFound):
    """There is no such label."""

    reason = "LABEL_NOT_FOUND"


class LabelNameTaken(AlreadyExists):
    """Another label of the project has this name."""

    reason = "LABEL_NAME_TAKEN"


class LabelNotDeleted(AlreadyExists):
    """This label has not been deleted."""

    reason = "LABEL_NOT_DELETED"


@dataclass(frozen=True, slots=True)
class TagRef:
    """How a caller names a category or a label: by id or by slug."""

    id: TagId | None
    slug: str | None

    @classmethod
    def read(cls, text: str) -> "TagRef":
        """What looks like an id is one: slugs do not."""
        found = parse_id(text)
        return cls(TagId(found), None) if found is not None else cls(None, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTag:
    """One that somebody wants."""

    name: str
    color: str


class TagEdit(TypedDict, total=False):
    """New values for the fields that shall change."""

    name: str
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A category or a label."""

    id: TagId
    project_id: ProjectId
    kind: Kind
    name: str
    slug: str
    color: str
    create_time: datetime
    update_time: datetime
    delete_time: datetime | None = None
    version: int = 1

    @property
    def etag(self) -> str:
        """Changes with whatever a caller sees of it."""
        return str(self.version)

    def expect(self, etag: str) -> None:
        """Go on only if `etag` is the one of today, or empty; else EtagMismatch."""
        expect_etag(etag, self.etag)

    def edited(self, edit: TagEdit, *, now: datetime) -> "Tag":
        """It with new values; itself when they are the old ones."""
        changed = replace(self, **edit)
        return self if changed == self else self._next(now, **edit)

    def deleted(self, *, now: datetime) -> "Tag":
        """It, gone."""
        return self._next(now, delete_time=now)

    def undeleted(self, *, now: datetime) -> "Tag":
        """It, back again.

        Raises:
            CategoryNotDeleted: It was never gone. LabelNotDeleted, if it is a label.
        """
        if self.delete_time is None:
            raise self.kind.not_deleted
        return self._next(now, delete_time=None)

    def _next(self, now: datetime, **values: Any) -> "Tag":
        return replace(self, **values, update_time=now, version=self.version + 1)
