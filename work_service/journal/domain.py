"""What there is to record of a change."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from work_service.access import Caller


class Verb(StrEnum):
    """What somebody did."""

    PROJECT_CREATED = "project_created"
    PROJECT_UPDATED = "project_updated"
    PROJECT_ACTIVATED = "project_activated"
    PROJECT_ARCHIVED = "project_archived"
    PROJECT_UNARCHIVED = "project_unarchived"
    PROJECT_TRANSFERRED = "project_transferred"
    PROJECT_DELETED = "project_deleted"
    PROJECT_RESTORED = "project_restored"
    MEMBER_ADDED = "member_added"
    MEMBER_UPDATED = "member_updated"
    MEMBER_REMOVED = "member_removed"
    MEMBER_INVITED = "member_invited"
    INVITATION_REVOKED = "invitation_revoked"
    TASK_CREATED = "task_created"
    TASK_UPDATED = "task_updated"
    TASK_TRANSITIONED = "task_transitioned"
    TASK_COMPLETED = "task_completed"
    TASK_ASSIGNED = "task_assigned"
    TASK_UNASSIGNED = "task_unassigned"
    TASK_DELETED = "task_deleted"
    TASK_RESTORED = "task_restored"
    TASK_MOVED = "task_moved"
    RELATION_ADDED = "relation_added"
    RELATION_REMOVED = "relation_removed"
    COMMENT_CREATED = "comment_created"
    COMMENT_UPDATED = "comment_updated"
    COMMENT_DELETED = "comment_deleted"
    CATEGORY_CREATED = "category_created"
    CATEGORY_UPDATED = "category_updated"
    CATEGORY_DELETED = "category_deleted"
    CATEGORY_RESTORED = "category_restored"
    LABEL_CREATED = "label_created"
    LABEL_UPDATED = "label_updated"
    LABEL_DELETED = "label_deleted"
    LABEL_RESTORED = "label_restored"


@dataclass(frozen=True, slots=True)
class Change:
    """One field before and after, in the contract's spelling. None stands for unset."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Somebody did something."""

    project_id: UUID
    task_id: UUID | None = None
    actor: Caller
    verb: Verb
    changes: tuple[Change, ...] = ()
    at: datetime
    closed_too: bool = False
    """Whether it may happen to a project that is archived or deleted: because it closes the project, or opens it."""


_NO_REFERENCES = frozenset({"external_id"})
_BOOKKEEPING = frozenset({"update_time", "version", "people"})


def changes(before: Any, after: Any) -> tuple[Change, ...]:
    """What differs between two states of one thing, bookkeeping aside."""
    return tuple(_changes(before, after))


def _changes(before: Any, after: Any) -> Iterator[Change]:
    for field in fields(before):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new and field.name not in _BOOKKEEPING:
            name = field.name if field.name in _NO_REFERENCES else field.name.removesuffix("_id")
            yield Change(name, _written(old), _written(new))


def _written(value: object) -> str | None:
    match value:
        case None:
            return None
        case datetime():
            return value.isoformat()
        case tuple():
            return ", ".join(map(str, value))
        case dict():
            return json.dumps(value, ensure_ascii=False, sort_keys=True)
        case _:
            return str(value)
