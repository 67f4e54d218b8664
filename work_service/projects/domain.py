"""Projects, and how they are named."""

import re
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NewType
from uuid import UUID

from chassis.errors import AlreadyExists, FieldViolation, InvalidArgument, NotFound
from chassis.ids import parse_id
from work_service.access import Role, UserId

ProjectId = NewType("ProjectId", UUID)

_LONGEST_MADE_SLUG = 48  # leaves room for a suffix below the 63 that a slug may have
_SUFFIX_BYTES = 3


class ProjectNotFound(NotFound):
    """There is no such project."""

    reason = "PROJECT_NOT_FOUND"


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
    version: int

    @property
    def etag(self) -> str:
        """Changes with whatever the caller sees, their own role included."""
        return f"{self.version}-{self.my_role.lower()}"


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
            if parse_id(self.slug) is not None:
                raise InvalidArgument(FieldViolation("project.slug", "must not look like an id"))
            yield self.slug
            return
        made = slug_of(self.title)
        yield made
        while True:
            yield f"{made}-{secrets.token_hex(_SUFFIX_BYTES)}"


def slug_of(title: str) -> str:
    """A slug that reads like the title: `Über uns!` becomes `uber-uns`, and what has no Latin letter `project`."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")
    if words and not words[0].isalpha():
        words = f"project-{words}"
    return words[:_LONGEST_MADE_SLUG].strip("-") or "project"
