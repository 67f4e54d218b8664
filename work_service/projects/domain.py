"""Projects, and how they are named."""

import re
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NewType, TypedDict
from uuid import UUID

from chassis.errors import Aborted, AlreadyExists, FieldViolation, InvalidArgument, NotFound
from chassis.ids import parse_id
from work_service.access import Role, UserId
from work_service.journal.domain import expect_etag

ProjectId = NewType("ProjectId", UUID)

_LONGEST_MADE_SLUG = 48  # leaves room for a suffix below the 63 that a slug may have
_SUFFIX_BYTES = 3


class ProjectNotFound(NotFound):
    """There is no such project."""

    reason = "PROJECT_NOT_FOUND"


class ProjectNotDeleted(AlreadyExists):
    """This project has not been deleted."""

    reason = "PROJECT_NOT_DELETED"


class ProjectLocked(Aborted):
    """Somebody else is changing this project."""

    reason = "PROJECT_LOCKED"


class SlugTaken(AlreadyExists):
    """Another project has this slug."""

    reason = "SLUG_TAKEN"


@dataclass(frozen=True, slots=True)
class ProjectRef:
    """How a caller names a project: by id or by slug."""

    id: ProjectId | None
    slug: str | None

    @classmethod
    def read(cls, text: str) -> "ProjectRef":
        """What looks like an id is one: slugs must not."""
        found = parse_id(text)
        return cls(ProjectId(found), None) if found is not None else cls(None, text)


class ProjectEdit(TypedDict, total=False):
    """New values for the fields that shall change. An empty slug stands for none."""

    slug: str
    title: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project, as one of its members sees it."""

    id: ProjectId
    slug: str
    title: str
    description: str
    owner_id: UserId
    my_role: Role
    create_time: datetime
    update_time: datetime
    delete_time: datetime | None
    version: int

    @property
    def etag(self) -> str:
        """Changes with whatever the caller sees, their own role included."""
        return f"{self.version}-{self.my_role.lower()}"

    def expect(self, etag: str) -> None:
        """Go on only if `etag` is the one of today, or empty; else EtagMismatch."""
        expect_etag(etag, self.etag)

    def edited(self, edit: ProjectEdit, *, now: datetime) -> "Project":
        """The project with new values; the project itself when they are the old ones.

        Raises:
            InvalidArgument: The slug could be mistaken for an id.
        """
        if "slug" in edit:
            check_slug(edit["slug"])
        changed = replace(self, **edit)
        return self if changed == self else self._next(now, **edit)

    def deleted(self, *, now: datetime) -> "Project":
        """The project, gone."""
        return self._next(now, delete_time=now)

    def undeleted(self, *, now: datetime) -> "Project":
        """The project, back again.

        Raises:
            ProjectNotDeleted: It was never gone.
        """
        if self.delete_time is None:
            raise ProjectNotDeleted
        return self._next(now, delete_time=None)

    def _next(self, now: datetime, **values: Any) -> "Project":
        return replace(self, **values, update_time=now, version=self.version + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProject:
    """A project that somebody wants."""

    title: str
    slug: str
    """Empty when it shall be made from the title."""
    description: str

    def slugs(self) -> Iterator[str]:
        """The slugs to try, best first. A slug that was asked for is the only one.

        Raises:
            InvalidArgument: It could be mistaken for an id.
        """
        if self.slug:
            check_slug(self.slug)
            yield self.slug
            return
        made = slug_of(self.title)
        if parse_id(made) is None:
            yield made
        while True:
            yield f"{made}-{secrets.token_hex(_SUFFIX_BYTES)}"


def check_slug(slug: str) -> None:
    """Refuse a slug that could be mistaken for an id."""
    if parse_id(slug) is not None:
        raise InvalidArgument(FieldViolation("project.slug", "must not look like an id"))


def slug_of(title: str) -> str:
    """A slug that reads like the title: `Über uns!` becomes `uber-uns`, and what has no Latin letter `project`."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")
    if words and not words[0].isalpha():
        words = f"project-{words}"
    return words[:_LONGEST_MADE_SLUG].strip("-") or "project"
