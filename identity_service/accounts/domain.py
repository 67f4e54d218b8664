"""Who can sign in."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType, TypedDict
from uuid import UUID

from chassis.errors import AlreadyExists, FailedPrecondition, NotFound
from chassis.secret import Secret
from identity_service.feed.domain import ProfileChanged
from identity_service.throttles.domain import Pace

UserId = NewType("UserId", UUID)


class Role(StrEnum):
    """What a user may do across the whole system."""

    USER = "USER"
    MANAGER = "MANAGER"
    ADMIN = "ADMIN"


class UsernameTaken(AlreadyExists):
    """This username is taken."""

    reason = "USERNAME_TAKEN"


class EmailTaken(AlreadyExists):
    """Another user has this e-mail address."""

    reason = "EMAIL_TAKEN"


class LastAdministrator(FailedPrecondition):
    """This is the last administrator who can sign in."""

    reason = "LAST_ADMINISTRATOR"


class UserNotFound(NotFound):
    """There is no such user."""

    reason = "USER_NOT_FOUND"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who can sign in."""

    id: UserId
    email: str
    email_verified: bool
    username: str
    full_name: str
    role: Role
    disabled: bool
    create_time: datetime
    update_time: datetime
    delete_time: datetime | None = None
    last_login_time: datetime | None = None
    version: int
    credential_version: int = 1
    token_version: int = 1

    @property
    def about(self) -> tuple[str, ...]:
        """What others know of them, and no password should be made of."""
        return (self.email, self.full_name, self.username)

    @property
    def etag(self) -> str:
        """Changes with whatever is above but the last sign-in."""
        return str(self.version)

    def changed(self, *, now: datetime, **values: Any) -> "User":
        """The user with other values; the user itself when they are the same."""
        after = replace(self, **values)
        return self if after == self else replace(after, update_time=now, version=self.version + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A user, as far as others may know them."""

    id: UserId
    username: str
    full_name: str


def told(user: User, *, deleted: bool = False) -> ProfileChanged:
    """What other services are told of a user."""
    return ProfileChanged(
        subject=user.id,
        username=user.username,
        full_name=user.full_name,
        verified_email=user.email if user.email_verified else "",
        disabled=user.disabled,
        deleted=deleted,
    )


class ProfileEdit(TypedDict, total=False):
    """New values for some of what people say of themselves."""

    full_name: str
    username: str


class NameKind(StrEnum):
    """By what a person can be found."""

    USER_ID = "user_id"
    USERNAME = "username"
    EMAIL = "email"
    """Once they have shown that it is theirs: otherwise anybody could be invited under somebody else's address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Who wants to become a user. The password does not print."""

    email: str
    password: Secret
    full_name: str
    username: str

    @property
    def about(self) -> tuple[str, ...]:
        """What others know of them, and no password should be made of."""
        return (self.email, self.full_name, self.username)


@dataclass(frozen=True, slots=True)
class RegistrationPaces:
    """How often anybody may register."""

    per_address: Pace
    """From one network address."""
    mails: Pace
    """How much mail an e-mail address gets for it."""


def normalized(email: str) -> str:
    """The address in the one way in which we write it: whatever the case of the domain, it is the same.

    The contract takes addresses in ASCII, with domains of other scripts as DNS has them. What stands before the @ is
    the owner's to write; it is compared without regard to case as well, but kept as it is.
    """
    local_part, _, domain = email.rpartition("@")
    return f"{local_part}@{domain.lower()}"
