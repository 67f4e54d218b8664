"""Who may do what in a project, as data.

The contract names the permission that a method needs; this page says which role grants it; `require` brings the two
together where the role is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from uuid import UUID

from chassis import call
from chassis.errors import FailedPrecondition, PermissionDenied, UnmetPrecondition

UserId = NewType("UserId", UUID)


class Role(StrEnum):
    """What a member may do in a project, from least to most."""

    VIEWER = "VIEWER"
    DEVELOPER = "DEVELOPER"
    MAINTAINER = "MAINTAINER"
    OWNER = "OWNER"


class Permission(StrEnum):
    """What a method of the contract may need."""

    PROJECT_READ = "project.read"
    PROJECT_UPDATE = "project.update"
    PROJECT_ACTIVATE = "project.activate"
    PROJECT_ARCHIVE = "project.archive"
    PROJECT_TRANSFER = "project.transfer"
    PROJECT_DELETE = "project.delete"
    PROJECT_UNDELETE = "project.undelete"
    MEMBER_READ = "member.read"
    MEMBER_ADD = "member.add"
    MEMBER_UPDATE = "member.update"
    MEMBER_REMOVE = "member.remove"
    MEMBER_LEAVE = "member.leave"
    MEMBER_INVITE = "member.invite"
    INVITATION_READ = "invitation.read"
    INVITATION_REVOKE = "invitation.revoke"
    TASK_READ = "task.read"
    TASK_CREATE = "task.create"
    TASK_UPDATE = "task.update"
    TASK_TRANSITION = "task.transition"
    TASK_ASSIGN = "task.assign"
    TASK_MOVE = "task.move"
    TASK_DELETE = "task.delete"
    TASK_IMPORT = "task.import"
    COMMENT_CREATE = "comment.create"
    COMMENT_UPDATE = "comment.update"
    COMMENT_DELETE = "comment.delete"
    ACTIVITY_READ = "activity.read"
    CATEGORY_READ = "category.read"
    CATEGORY_CREATE = "category.create"
    CATEGORY_UPDATE = "category.update"
    CATEGORY_DELETE = "category.delete"
    LABEL_READ = "label.read"
    LABEL_CREATE = "label.create"
    LABEL_UPDATE = "label.update"
    LABEL_DELETE = "label.delete"


_VIEWER = frozenset(
    {
        Permission.PROJECT_READ,
        Permission.MEMBER_READ,
        Permission.MEMBER_LEAVE,
        Permission.TASK_READ,
        Permission.ACTIVITY_READ,
        Permission.CATEGORY_READ,
        Permission.LABEL_READ,
    },
)
_DEVELOPER = _VIEWER | {
    Permission.TASK_CREATE,
    Permission.TASK_UPDATE,
    Permission.TASK_TRANSITION,
    Permission.TASK_ASSIGN,
    Permission.TASK_MOVE,
    Permission.TASK_DELETE,
    Permission.TASK_IMPORT,
    Permission.COMMENT_CREATE,
    Permission.COMMENT_UPDATE,
    Permission.COMMENT_DELETE,
}
_MAINTAINER = _DEVELOPER | {
    Permission.PROJECT_UPDATE,
    Permission.PROJECT_ACTIVATE,
    Permission.PROJECT_ARCHIVE,
    Permission.MEMBER_ADD,
    Permission.MEMBER_UPDATE,
    Permission.MEMBER_REMOVE,
    Permission.MEMBER_INVITE,
    Permission.INVITATION_READ,
    Permission.INVITATION_REVOKE,
    Permission.CATEGORY_CREATE,
    Permission.CATEGORY_UPDATE,
    Permission.CATEGORY_DELETE,
    Permission.LABEL_CREATE,
    Permission.LABEL_UPDATE,
    Permission.LABEL_DELETE,
}

GRANTS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.DEVELOPER: _DEVELOPER,
    Role.MAINTAINER: _MAINTAINER,
    Role.OWNER: frozenset(Permission),
}

EVERYWHERE: Mapping[str, Role] = {"MANAGER": Role.VIEWER, "ADMIN": Role.OWNER}
"""The role that a global role gives in every project, one's own or not."""


class RoleTooLow(PermissionDenied):
    """Your role in this project does not allow this."""

    reason = "ROLE_TOO_LOW"


class ProjectArchived(FailedPrecondition):
    """This project is archived: it can be read, and not be changed."""

    reason = "PROJECT_ARCHIVED"
    preconditions = (UnmetPrecondition("STATE", "project", "the project is archived; it can be unarchived"),)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a change that may be tried again under the same name."""

    method: str
    key: str
    digest: bytes
    """SHA-256 of the request: another request cannot use the name."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as work sees them."""

    user_id: UserId
    everywhere: Role | None
    """The role they have in every project."""
    request_id: str
    attempt: Attempt | None = None
    """What they call this attempt, if they gave it a name."""

    def role(self, as_member: str | None) -> Role:
        """The higher of what they are as a member, and what they are everywhere. They must be one of the two."""
        roles = [Role(as_member)] if as_member is not None else []
        if self.everywhere is not None:
            roles.append(self.everywhere)
        return max(roles, key=_RANK.__getitem__)


_RANK: Mapping[Role, int] = {role: rank for rank, role in enumerate(Role)}


def caller(*, attempt: str = "") -> Caller:
    """Who is calling, and what they call this attempt."""
    principal = call.caller()
    answering = call.current()
    everywhere = [EVERYWHERE[role] for role in principal.roles if role in EVERYWHERE]
    return Caller(
        user_id=UserId(principal.subject),
        everywhere=max(everywhere, key=_RANK.__getitem__) if everywhere else None,
        request_id=answering.request_id,
        attempt=Attempt(answering.method.name, attempt, answering.digest()) if attempt else None,
    )


def leads(role: Role) -> bool:
    """Whether `role` is a maintainer's or more, who may put in order what others have written."""
    return _RANK[role] >= _RANK[Role.MAINTAINER]


def require_owner(role: Role) -> None:
    """Go on only if `role` is an owner's, who alone deal with owners.

    Raises:
        RoleTooLow: It is not.
    """
    if role is not Role.OWNER:
        raise RoleTooLow(metadata={"role": role.value, "permission": call.current().method.permission})


def answered_before() -> None:
    """Go on without asking: the caller gets an answer that they have had before."""
    call.current().permitted = True


def require(role: Role) -> None:
    """Go on only if `role` grants what the contract declares for the method that is being answered.

    Raises:
        RoleTooLow: It does not.
    """
    answering = call.current()
    permission = Permission(answering.method.permission)
    if permission not in GRANTS[role]:
        raise RoleTooLow(metadata={"role": role.value, "permission": permission.value})
    answering.permitted = True
