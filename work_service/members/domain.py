"""Who is in a project."""

from dataclasses import dataclass, replace
from datetime import datetime

from chassis.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, UnmetPrecondition
from chassis.etags import expect_etag
from work_service.access import Role, UserId
from work_service.projects.domain import ProjectId


class MemberNotFound(NotFound):
    """There is no such member in this project."""

    reason = "MEMBER_NOT_FOUND"


class NoSuchPermission(InvalidArgument):
    """There is no such permission."""

    reason = "PERMISSION_UNKNOWN"


class AlreadyMember(AlreadyExists):
    """This person is in the project already, in another role."""

    reason = "MEMBER_EXISTS"


class LastOwner(FailedPrecondition):
    """A project keeps its last owner: make somebody else an owner first."""

    reason = "LAST_OWNER"
    preconditions = (UnmetPrecondition("OWNER", "project", "the project has one owner only"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person in a project."""

    project_id: ProjectId
    user_id: UserId
    role: Role
    create_time: datetime
    update_time: datetime
    version: int

    @property
    def etag(self) -> str:
        """Changes with the role."""
        return str(self.version)

    def expect(self, etag: str) -> None:
        """Go on only if `etag` is the one of today, or empty; else EtagMismatch."""
        expect_etag(etag, self.etag)

    def in_role(self, role: Role, *, owners: int, now: datetime) -> "Member":
        """The member in another role; the member itself when it is the same one.

        Raises:
            LastOwner: They are the only one of the project's `owners`.
        """
        if role is self.role:
            return self
        self.check_may_go(owners)
        return replace(self, role=role, update_time=now, version=self.version + 1)

    def check_may_go(self, owners: int) -> None:
        """Refuse to lose the only one of the project's `owners`.

        Raises:
            LastOwner: This member is.
        """
        if self.role is Role.OWNER and owners == 1:
            raise LastOwner
