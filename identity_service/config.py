"""What the identity service is told from outside: `IDENTITY_*`."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.config import SecretKey
from chassis.database import DatabaseSettings
from chassis.server import ServerSettings

LONGEST_TOKEN_MINUTES = 60
_CLIENT_SECRET = re.compile(r"tds_[A-Za-z0-9_-]{43,252}", re.ASCII)


def _hard_to_guess(value: SecretStr) -> SecretStr:
    if not _CLIENT_SECRET.fullmatch(value.get_secret_value()):
        raise ValueError("must be tds_ and at least 32 random bytes in base64url")
    return value


def _of_the_web(value: str | None) -> str | None:
    if value is not None and not value.startswith(("https://", "http://")):
        raise ValueError("must begin with https://")
    return value


class IdentitySettings(ServerSettings, DatabaseSettings):
    """One value per process, complete or refused."""

    model_config = SettingsConfigDict(env_prefix="IDENTITY_")

    listen: str = "127.0.0.1:50051"
    secret_key: SecretKey
    """Seals what is secret in the database: a dump of it alone is worth nothing."""
    previous_secret_key: SecretKey | None = None
    """The secret key of before, while what it has sealed is still needed; or the next one, while replicas learn it."""
    issuer: str = "http://localhost:8080"
    """The `iss` of every token: where clients reach this system. Verifiers compare it to the letter."""
    password_min_length: int = Field(default=15, ge=8, le=64)
    """15, because the password is the only factor (NIST SP 800-63B-4)."""
    breached_passwords_url: Annotated[str | None, AfterValidator(_of_the_web)] = None
    """Where new passwords are looked up (the range API of Have I Been Pwned), five digits of a hash at a time.

    They are not, unless it is set."""
    password_hashers: int = Field(default=2, ge=1)
    """How many passwords are hashed at a time. Each takes the memory below."""
    argon2_memory_kib: int = Field(default=19_456, ge=8)
    argon2_passes: int = Field(default=2, ge=1)
    access_token_minutes: int = Field(default=10, ge=1, le=LONGEST_TOKEN_MINUTES)
    service_token_minutes: int = Field(default=15, ge=1, le=LONGEST_TOKEN_MINUTES)
    """How long the access token of a service account is good for."""
    session_idle_days: int = Field(default=14, ge=1)
    """How long a session lives without being refreshed."""
    session_days: int = Field(default=30, ge=1)
    """How long a session lives at most (NIST SP 800-63B-4, AAL1)."""
    sessions_per_user: int = Field(default=100, ge=1)
    """With one more, the one that was not used for longest ends."""

    refresh_grace_s: float = Field(default=30, ge=0, le=300)
    """How long the refresh token that was used last still gets the answer that it got, because answers get lost.

    0 takes every second use for a theft."""
    refreshes_per_minute: int = Field(default=30, ge=1)
    """How often a session may be refreshed. Being given the same answer again is not counted."""

    signing_algorithm: Literal["ES256", "RS256"] = "ES256"
    """What new signing keys are for. Another one takes over as a rotation does: nobody notices."""
    signing_key_days: int = Field(default=30, ge=1)
    """How long a signing key signs, before the next one takes over."""
    public_url: str | None = None
    """Where the pages are that mail links to: `/verify-email` and `/reset-password`. Without it, below the issuer."""
    smtp_url: SecretStr | None = None
    """The server that takes our mail: smtp://user:password@host:587?starttls or smtps://user:password@host:465."""
    mail_from: str = ""
    """Who our mail is from: an address, with or without a name before it."""
    mail_folder: Path | None = None
    """Where mail is written to when there is no server: for development."""
    mail_links_in_log: bool = False
    """Whether the log holds the links of mail that is written to a folder. They open accounts: for development."""
    mail_retention_days: int = Field(default=7, ge=1)
    """How long it is known that a mail was sent. What it said is forgotten at once."""

    logins_per_five_minutes: int = Field(default=30, ge=1)
    """From one network address, whatever comes of them."""
    login_attempts: int = Field(default=10, ge=1)
    """To one account without one that is right. Each later one waits twice as long, up to a minute."""
    most_login_attempts: int = Field(default=100, ge=1)
    """After so many in a day without one that is right, the password has to be reset (NIST SP 800-63B-4, 3.2.2)."""
    registrations_per_hour: int = Field(default=10, ge=1)
    """From one network address."""
    registration_mails_per_day: int = Field(default=3, ge=1)
    """To one e-mail address, for being registered once more."""
    mails_per_hour: int = Field(default=3, ge=1)
    """To one e-mail address, to reset the password; and as many to verify it."""
    mail_requests_per_hour: int = Field(default=20, ge=1)
    """From one network address, for such mail to whomever."""
    invitation_mails_per_day: int = Field(default=5, ge=1)
    """To one e-mail address, for being invited to projects. What is more is not sent; the invitations stay."""
    invitations_per_day: int = Field(default=50, ge=1)
    """By one user, that are mailed to whomever. What is more is not sent either."""
    mail_tokens_per_hour: int = Field(default=60, ge=1)
    """From one network address: attempts to use what came by mail."""
    refused_clients_per_five_minutes: int = Field(default=30, ge=1)
    """From one network address: service accounts that cannot sign in. Those that can are not counted."""
    own_password_attempts: int = Field(default=10, ge=1)
    """How often one's own password may be wrong where it is asked for again, before each attempt has to wait."""
    retention_days: int = Field(default=30, ge=1)
    """How long deleted users can be brought back, and ended sessions are kept. Then nothing is left of them but ids."""

    @property
    def secret_keys(self) -> tuple[bytes, ...]:
        """The secret key, and the one of before if there is one."""
        keys = (self.secret_key, self.previous_secret_key)
        return tuple(key.get_secret_value() for key in keys if key is not None)

    @property
    def access_token_lifetime(self) -> timedelta:
        """How long an access token is good for."""
        return timedelta(minutes=self.access_token_minutes)

    @property
    def service_token_lifetime(self) -> timedelta:
        """How long the access token of a service account is good for."""
        return timedelta(minutes=self.service_token_minutes)

    @property
    def session_idle(self) -> timedelta:
        """How long a session lives without being refreshed."""
        return timedelta(days=self.session_idle_days)

    @property
    def session_lifetime(self) -> timedelta:
        """How long a session lives at most."""
        return timedelta(days=self.session_days)

    @property
    def mail_retention(self) -> timedelta:
        """How long it is known that a mail was sent."""
        return timedelta(days=self.mail_retention_days)

    @property
    def refresh_grace(self) -> timedelta:
        """How long a lost answer is given again."""
        return timedelta(seconds=self.refresh_grace_s)

    @property
    def retention(self) -> timedelta:
        """How long deleted users and ended sessions are kept."""
        return timedelta(days=self.retention_days)


class ProvisionSettings(DatabaseSettings):
    """What `python -m identity_service provision-service-account` is told besides its arguments."""

    model_config = SettingsConfigDict(env_prefix="IDENTITY_")

    service_account_secret: Annotated[SecretStr, AfterValidator(_hard_to_guess)]
    """The secret that the account will sign in with: `tds_` and at least 32 random bytes in base64url."""


class AdministratorSettings(DatabaseSettings):
    """What `python -m identity_service create-admin` is told besides its arguments."""

    model_config = SettingsConfigDict(env_prefix="IDENTITY_")

    issuer: str = "http://localhost:8080"
    """Where clients reach this system."""
