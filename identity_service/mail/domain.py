"""What is told by mail."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from chassis.retries import Patience

_PATIENCE = Patience(
    first_pause=timedelta(seconds=30), longest_pause=timedelta(hours=1), given_up_after=timedelta(hours=24)
)
_LONGEST = 60
# What mail programs take for something to open: a host, or an address of any scheme.
_IN_A_HOST = re.compile(r"(?<=\w)([.\u3002\uff0e\uff61])(?=\w)")  # the dots of IDNA, too
_AFTER_A_SCHEME = re.compile(r":(?=//)")


class MailKind(StrEnum):
    """What a mail is about."""

    VERIFY_EMAIL = "VERIFY_EMAIL"
    """Show that this address is yours: holds a token."""
    ACCOUNT_EXISTS = "ACCOUNT_EXISTS"
    """Somebody, maybe you, tried to register with the address that your account has."""
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105 - the name of a mail
    """Choose another password: holds a token."""
    INVITATION = "INVITATION"
    """You have an account; choose a password: holds a token."""
    PROJECT_INVITATION = "PROJECT_INVITATION"
    """Somebody wants you in a project; to a stranger, maybe."""
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105
    """Your password was changed; if not by you, do something."""
    EMAIL_CHANGE_REQUESTED = "EMAIL_CHANGE_REQUESTED"
    """To the address of today: somebody, hopefully you, wants your account to have another one."""
    EMAIL_CHANGED = "EMAIL_CHANGED"
    """To the address of before: your account has another one now."""
    SESSION_STOLEN = "SESSION_STOLEN"
    """A refresh token was used twice, and the session has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail to one person. What it says in words is made when it is sent."""

    kind: MailKind
    recipient: str
    content: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the words need: `full_name` if the recipient has one, `token`, and what else the kind calls for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMail:
    """A mail that is to be sent now."""

    id: UUID
    kind: MailKind
    recipient: str
    sealed_content: bytes = field(repr=False)
    attempts: int
    """This one included."""
    create_time: datetime

    def again(self, now: datetime) -> datetime | None:
        """When to try again after this attempt has failed; None gives it up."""
        return _PATIENCE.again(self.attempts, self.create_time, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail in words."""

    id: UUID
    recipient: str
    subject: str
    text: str = field(repr=False)
    link: str | None = field(default=None, repr=False)
    """What the mail asks to be opened, if anything. It holds a token."""


class TryLater(Exception):
    """The mail could not be handed over this time."""


class Undeliverable(Exception):
    """The mail will never be taken: the address does not exist, or does not want it."""


def quoted(text: str) -> str:
    """Somebody's words, for the eyes of strangers: one short line, with nothing in it to open."""
    seen = "".join(" " if unicodedata.category(letter).startswith(("C", "Z")) else letter for letter in text)
    line = _AFTER_A_SCHEME.sub(" ", _IN_A_HOST.sub(r"\1 ", " ".join(seen.split())))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"
