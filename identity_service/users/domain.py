"""What administrators do with people, and what they cannot do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from chassis import filters
from chassis.errors import AlreadyExists, FailedPrecondition
from chassis.filters import EVERYTHING, Field, Filter
from chassis.orders import read_order
from identity_service.accounts.domain import LastAdministrator, Role, User, UserId


class NotYourself(FailedPrecondition):
    """Nobody does this to themselves."""

    reason = "NOT_YOURSELF"


class AddressNotVerified(FailedPrecondition):
    """Whoever has this account has not shown that the address is theirs."""

    reason = "ADDRESS_NOT_VERIFIED"


class UserNotDeleted(AlreadyExists):
    """This user has not been deleted."""

    reason = "USER_NOT_DELETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Who shall become a user."""

    email: str
    full_name: str
    username: str
    role: Role


class UserEdit(TypedDict, total=False):
    """New values for the fields that shall change. An empty username stands for none."""

    username: str
    full_name: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which users are listed."""

    prefix: str = ""
    """What their address, username or name begins with."""
    role: Role | None = None
    disabled: bool | None = None
    deleted_too: bool = False
    filter: Filter = EVERYTHING


FIELDS: Mapping[str, Field] = {
    "role": filters.choice(Role, ordered=False),
    "disabled": filters.flag(),
    "email_verified": filters.flag(),
    "create_time": filters.instant(),
    "update_time": filters.instant(),
    "last_login_time": filters.instant(optional=True),
}
"""What a filter may say of a user."""


@dataclass(frozen=True, slots=True)
class Order:
    """In which order users are listed."""

    field: str = "create_time"
    descending: bool = True

    @classmethod
    def read(cls, text: str) -> "Order":
        """The order that `text` spells, as `email desc`; empty stands for the newest first.

        Raises:
            InvalidArgument: It spells none.
        """
        order = read_order(text, ("create_time", "email"))
        return cls(order[0].field, descending=order[0].descending) if order else cls()

    def cursor(self, user: User) -> list[str | int]:
        """Where in this order a user stands."""
        return [user.create_time.isoformat() if self.field == "create_time" else user.email, str(user.id)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A user whom nobody else changes, while nobody changes who administrates."""

    user: User
    has_password: bool
    """Who was invited has none until they choose one."""
    administrators: frozenset[UserId]
    """Those who can sign in."""

    def check_stays_administered(self, changed: User) -> None:
        """Go on only if somebody who can sign in remains administrator once the user has become `changed`.

        Raises:
            LastAdministrator: Nobody would.
        """
        stays = changed.role is Role.ADMIN and not changed.disabled and changed.delete_time is None
        if not stays and self.administrators == {self.user.id}:
            raise LastAdministrator

    def check_address_is_theirs(self) -> None:
        """Go on only if whoever can sign in as this user has shown that mail to the address reaches them.

        Raises:
            AddressNotVerified: They chose a password, and have not: somebody may have prepared it for another one.
        """
        if self.has_password and not self.user.email_verified:
            raise AddressNotVerified


def undeleted(user: User, *, now: datetime) -> User:
    """The user, back again.

    Raises:
        UserNotDeleted: They were never gone.
    """
    if user.delete_time is None:
        raise UserNotDeleted
    return user.changed(now=now, delete_time=None)


def changed_fields(before: User, after: User) -> str:
    """The names of what administrators can change and did. Audit keeps names, and no values that speak of a person."""
    return ",".join(
        name for name in ("disabled", "full_name", "role", "username") if getattr(before, name) != getattr(after, name)
    )
