"""What comes by mail to be shown again.

256 random bits, so what is kept of it is a plain SHA-256. A token is bound to the address that it was sent to and to
the credentials of that day: when either changes, it works no more.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from chassis.errors import InvalidArgument
from chassis.secret import Secret

_PREFIX = "tdm_"  # by which secret scanners know it


class MailTokenInvalid(InvalidArgument):
    """This token does not work: it was used, has expired, or was never sent."""

    reason = "MAIL_TOKEN_INVALID"


class Purpose(StrEnum):
    """What a token is good for."""

    VERIFY_EMAIL = "VERIFY_EMAIL"
    CHANGE_EMAIL = "CHANGE_EMAIL"
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105 - the name of a purpose
    INVITATION = "INVITATION"
    """To choose the first password. A reset, which anybody can ask for, takes the place of another, and not of this."""


LIFETIMES: Mapping[Purpose, timedelta] = {
    Purpose.VERIFY_EMAIL: timedelta(hours=24),
    Purpose.CHANGE_EMAIL: timedelta(hours=24),
    Purpose.RESET_PASSWORD: timedelta(minutes=30),
    Purpose.INVITATION: timedelta(days=7),  # there is no password yet that it could take away
}
PRINTED_FOR = timedelta(minutes=30)
"""How long an invitation works that stands on a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailToken:
    """What is kept of a token."""

    user_id: UUID
    purpose: Purpose
    email: str
    """The address that it was sent to."""
    credential_version: int
    expire_time: datetime


def new_token() -> Secret:
    """A token that nobody has seen."""
    return Secret(_PREFIX + secrets.token_urlsafe(32))


def digest_of(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()
