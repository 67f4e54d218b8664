"""Projects, and how they are named."""

import re
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NewType, TypedDict
from uuid import UUID

from chassis.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    UnmetPrecondition,
)
from chassis.etags import expect_etag
from chassis.ids import parse_id
from work_service.access import ProjectArchived, Role, UserId
from work_service.profiles.domain import People, Person

ProjectId = NewType("ProjectId", UUID)

_LONGEST_MADE_SLUG = 48  # leaves room for a suffix below the 63 that a slug may have
_SUFFIX_BYTES = 3


class State(StrEnum):
    """Whether a project is being worked on."""

    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


class ProjectNotFound(NotFound):
    """There is no such project."""

    reason = "PROJECT_NOT_FOUND"


class ProjectNotDeleted(AlreadyExists):
    """This project has not been deleted."""

    reason = "PROJECT_NOT_DELETED"


class ProjectNotArchived(FailedPrecondition):
    """This project is not archived."""

    reason = "PROJECT_NOT_ARCHIVED"
    preconditions = (UnmetPrecondition("STATE", "project", "the project is a draft; it can be activated"),)


class ProjectLocked(Aborted):
    """Somebody else is changing this project."""

    reason = "PROJECT_LOCKED"


class PersonalProjectExists(AlreadyExists):
    """There is another personal project by now."""

    reason = "PERSONAL_PROJECT_EXISTS"


class SlugTaken(AlreadyExists):
    """Another project has this slug."""

    reason = "SLUG_TAKEN"


@dataclass(frozen=True, slots=True)
class ProjectRef:
    """How a caller names a project: by id, by slug, or not at all."""

    id: ProjectId | None
    slug: str | None

    @classmethod
    def read(cls, text: str) -> "ProjectRef":
        """What looks like an id is one: slugs must not. What is empty names none."""
        if not text:
            return cls(None, None)
        found = parse_id(text)
        return cls(ProjectId(found), None) if found is not None else cls(None, text)


NO_PROJECT = ProjectRef(None, None)
"""What nobody has named. No project is meant by it, but for tasks, which can be found by their ids alone."""

PERSONAL_TITLE = "Personal"


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
    state: State = State.ACTIVE
    personal_user_id: UserId | None = None
    """Whose personal project it is, if it is anybody's."""
    people: People = field(default_factory=dict, compare=False)
    """What those are called who are named here. It is no part of the project: no version changes with it."""

    @property
    def etag(self) -> str:
        """Changes with whatever the caller sees but names of people, their own role included."""
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

    def activated(self, *, now: datetime) -> "Project":
        """The project, begun; the project itself when it is.

        Raises:
            ProjectArchived: It has ended already.
        """
        if self.state is State.ARCHIVED:
            raise ProjectArchived
        return self._in_state(State.ACTIVE, now)

    def archived(self, *, now: datetime) -> "Project":
        """The project, closed; the project itself when it is."""
        return self._in_state(State.ARCHIVED, now)

    def unarchived(self, *, now: datetime) -> "Project":
        """The project, open again; the project itself when it is active.

        Raises:
            ProjectNotArchived: It is a draft.
        """
        if self.state is State.DRAFT:
            raise ProjectNotArchived
        return self._in_state(State.ACTIVE, now)

    def given_to(self, owner: Person, *, my_role: Role, now: datetime) -> "Project":
        """The project, somebody else's now, and nobody's personal one: this is what the giver sees of it."""
        people = {owner.id: owner}
        return self._next(now, owner_id=owner.id, personal_user_id=None, my_role=my_role, people=people)

    def deleted(self, *, now: datetime) -> "Project":
        """The project, gone."""
        return self._next(now, delete_time=now)

    def undeleted(self, *, now: datetime, kept_for: timedelta) -> "Project":
        """The project, back again.

        Raises:
            ProjectNotDeleted: It was never gone.
            ProjectNotFound: It was gone for so long that some of what was in it may be gone for good.
        """
        if self.delete_time is None:
            raise ProjectNotDeleted
        if self.delete_time < now - kept_for:
            raise ProjectNotFound
        return self._next(now, delete_time=None)

    def _in_state(self, state: State, now: datetime) -> "Project":
        return self if state is self.state else self._next(now, state=state)

    def _next(self, now: datetime, **values: Any) -> "Project":
        return replace(self, **values, update_time=now, version=self.version + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProject:
    """A project that somebody wants."""

    title: str
    slug: str
    """Empty when it shall be made from the title."""
    description: str
    state: State = State.ACTIVE

    def slugs(self) -> Iterator[str]:
        """The slugs to try, best first. A slug that was asked for is the only one.

        Raises:
            InvalidArgument: It could be mistaken for an id.
        """
        if self.slug:
            check_slug(self.slug)
            yield self.slug
            return
        yield from made_slugs(self.title)


def check_slug(slug: str) -> None:
    """Refuse a slug that could be mistaken for an id."""
    if parse_id(slug) is not None:
        raise InvalidArgument(FieldViolation("project.slug", "must not look like an id"))


def made_slugs(title: str, *, otherwise: str = "project") -> Iterator[str]:
    """Slugs that read like the title, best first, until one is free."""
    made = slug_of(title, otherwise=otherwise)
    if parse_id(made) is None:
        yield made
    while True:
        yield f"{made}-{secrets.token_hex(_SUFFIX_BYTES)}"


def slug_of(title: str, *, otherwise: str = "project") -> str:
    """A slug that reads like the title: `Über uns!` becomes `uber-uns`, and what has no Latin letter the other word."""
    ascii_only = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")
    if words and not words[0].isalpha():
        words = f"{otherwise}-{words}"
    return words[:_LONGEST_MADE_SLUG].strip("-") or otherwise
