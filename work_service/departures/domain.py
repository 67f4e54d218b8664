"""What somebody leaves behind."""

from dataclasses import dataclass

from work_service.access import Role
from work_service.members.domain import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Bequest:
    """What somebody who is gone was in a project, and who is still there."""

    member: Member
    other_owners: int
    heir: Member | None
    """The maintainer who has been there for longest."""

    @property
    def needs_an_owner(self) -> bool:
        """Whether the project would have none."""
        return self.member.role is Role.OWNER and self.other_owners == 0
