"""What can be asked of tasks, and what is found."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chassis import filters
from chassis.errors import FieldViolation, InvalidArgument
from chassis.filters import EVERYTHING, Field, Filter
from chassis.orders import Key, Order, read_order
from work_service.access import UserId
from work_service.details.domain import Details
from work_service.tags.domain import TagRef
from work_service.tasks.domain import Priority, Status, Task, TaskNotFound, TaskRef

MOST_KEYS = 3
OF_ONE_PROJECT = ("number", "position")
"""What is unique in a project, and says nothing of tasks of several."""
ORDERED_BY = (*OF_ONE_PROJECT, "status", "priority", "due_time", "create_time", "update_time")
_SLUG = re.compile(r"[a-z0-9-]{1,63}")
_BY_NUMBER = (Key("number"),)
_NEWEST_FIRST = (Key("create_time", descending=True),)

OPEN_MARK, CLOSE_MARK = "⟦", "⟧"
"""What stands around a word that was found. Nothing else in a snippet looks like them."""


def fields(me: UserId, *, of_one_project: bool) -> Mapping[str, Field]:
    """What a filter may say of a task: one of a project, or one of several, where numbers name nothing."""
    return {
        "number": filters.number(),
        "title": filters.words(),
        "description": filters.words(),
        "status": filters.choice(Status),
        "priority": filters.choice(Priority),
        "assignee": filters.person(me, optional=True),
        "creator": filters.person(me),
        "category": filters.named(_slug),
        "labels": filters.named(_slug),
        "parent": filters.named(_number if of_one_project else _no_number),
        "external_id": filters.text(optional=True),
        "due_time": filters.instant(optional=True),
        "complete_time": filters.instant(optional=True),
        "create_time": filters.instant(),
        "update_time": filters.instant(),
    }


def _slug(text: str) -> str:
    if not _SLUG.fullmatch(text):
        raise ValueError("a slug, such as space-suits, or an id")
    return text


def _number(text: str) -> int:
    with suppress(TaskNotFound):
        number = TaskRef.read(text).number
        if number is not None:
            return number
    raise ValueError("the number of a task, or its id")


def _no_number(_text: str) -> int:
    raise ValueError("the id of a task; a number is enough in one project only")


def order(text: str, *, of_one_project: bool) -> Order:
    """The order that `text` spells, or the one that nobody has to ask for.

    Raises:
        InvalidArgument: It spells none, or one by number where tasks of several projects have the same.
    """
    read = read_order(text, ORDERED_BY, at_most=MOST_KEYS)
    if not read:
        return _BY_NUMBER if of_one_project else _NEWEST_FIRST
    if not of_one_project and any(key.field in OF_ONE_PROJECT for key in read):
        raise InvalidArgument(FieldViolation("order_by", "goes by number or position in one project only"))
    return read


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is listed: tasks of which all of this holds, alone or in full."""

    statuses: tuple[Status, ...] = ()
    priorities: tuple[Priority, ...] = ()
    assignee: UserId | None = None
    unassigned: bool = False
    due_before: datetime | None = None
    due_after: datetime | None = None
    q: str = ""
    category: TagRef | None = None
    label: TagRef | None = None
    filter: Filter = EVERYTHING
    deleted_too: bool = False
    in_full: bool = False


@dataclass(frozen=True, slots=True)
class Sought:
    """What is searched for: tasks, alone or in full."""

    query: str
    filter: Filter = EVERYTHING
    in_full: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A task that was found, and what belongs to it, if that was asked."""

    task: Task
    details: Details | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the order of its matches a task stands."""

    rank: float
    task_id: UUID


class Source(StrEnum):
    """What a snippet is taken from."""

    TITLE = "TITLE"
    DESCRIPTION = "DESCRIPTION"
    COMMENT = "COMMENT"


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some words around those that were found, which stand between marks."""

    source: Source
    text: str
    comment_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A task that was searched for."""

    found: Found
    rank: float
    snippets: Sequence[Snippet]
