"""What a person proves who they are with, and what came by mail."""

from dataclasses import dataclass, field

from chassis.errors import FieldViolation, InvalidArgument
from identity_service.accounts.domain import User
from identity_service.mail_tokens.domain import MailToken, Purpose
from identity_service.throttles.domain import Delay, Pace


class WrongPassword(InvalidArgument):
    """This is not your password."""

    reason = "WRONG_PASSWORD"

    def __init__(self, field: str) -> None:
        """`field` is where it was sent."""
        super().__init__(FieldViolation(field, "is not your password", "password.wrong"))


class EmailUnchanged(InvalidArgument):
    """This is your address already."""

    reason = "EMAIL_UNCHANGED"

    def __init__(self) -> None:
        """The field is that of ChangeEmail."""
        super().__init__(FieldViolation("email", "is your address already", "email.unchanged"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A user who may sign in, and what is stored of the password. None, as long as they have chosen none."""

    user: User
    password_hash: str | None = field(repr=False)

    def takes(self, token: MailToken) -> bool:
        """Whether a token still fits: nothing that it was made for has changed."""
        is_same_address = token.purpose is Purpose.CHANGE_EMAIL or token.email == self.user.email
        return token.credential_version == self.user.credential_version and is_same_address


@dataclass(frozen=True, slots=True)
class CredentialPaces:
    """How often mail may be asked for, and secrets be tried."""

    resets: Pace
    """Mail that resets a password, to one e-mail address, whoever asks, and whether or not anybody has it."""
    verifications: Pace
    """Mail that verifies an address, the same. Apart, so that nobody uses up what another one needs to come back."""
    mails_per_address: Pace
    """From one network address."""
    tokens_per_address: Pace
    """Tokens that came by mail, or did not, from one network address."""
    passwords: Delay
    """Guesses of one's own password, with a session that may be stolen."""
    guesses: Delay
    """Those of whoever signs in: a reset forgets them."""
