"""Who can sign in."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from chassis.errors import AlreadyExists, FieldViolation, InvalidArgument, NotFound

UserId = NewType("UserId", UUID)


class Role(StrEnum):
    """What a user may do across the whole system."""

    USER = "USER"
    MANAGER = "MANAGER"
    ADMIN = "ADMIN"


class UsernameTaken(AlreadyExists):
    """This username is taken."""

    reason = "USERNAME_TAKEN"


class UserNotFound(NotFound):
    """There is no such user."""

    reason = "USER_NOT_FOUND"


class WeakPassword(InvalidArgument):
    """This password is too easy to guess."""

    reason = "WEAK_PASSWORD"


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
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A user, as far as others may know them."""

    id: UserId
    username: str
    full_name: str


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
    password: "Secret"
    full_name: str
    username: str


class Secret(str):
    """Text that must not end up in a log or a traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Nothing of it."""
        return "Secret('…')"


def check_password(password: str, *, minimum: int) -> None:
    """Refuse a password that is too short.

    Raises:
        WeakPassword: Fewer than `minimum` characters.
    """
    if len(password) < minimum:
        raise WeakPassword(FieldViolation("password", f"must be at least {minimum} characters", "password.min_len"))
