"""What the identity service is told from outside: `IDENTITY_*`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.config import SecretKey
from chassis.database import DatabaseSettings
from chassis.server import ServerSettings

_CLIENT_SECRET = re.compile(r"tds_[A-Za-z0-9_-]{43,252}", re.ASCII)


def _hard_to_guess(value: SecretStr) -> SecretStr:
    if not _CLIENT_SECRET.fullmatch(value.get_secret_value()):
        raise ValueError("must be tds_ and at least 32 random bytes in base64url")
    return value


class IdentitySettings(ServerSettings, DatabaseSettings):
    """One value per process, complete or refused."""

    model_config = SettingsConfigDict(env_prefix="IDENTITY_")

    listen: str = "127.0.0.1:50051"
    secret_key: SecretKey
    """Seals what is secret in the database: a dump of it alone is worth nothing."""
    issuer: str = "http://localhost:8080"
    """The `iss` of every token: where clients reach this system. Verifiers compare it to the letter."""
    password_min_length: int = Field(default=15, ge=8, le=64)
    """15, because the password is the only factor (NIST SP 800-63B-4)."""
    password_hashers: int = Field(default=2, ge=1)
    """How many passwords are hashed at a time. Each takes the memory below."""
    argon2_memory_kib: int = Field(default=19_456, ge=8)
    argon2_passes: int = Field(default=2, ge=1)
    access_token_minutes: int = Field(default=10, ge=1, le=60)
    service_token_minutes: int = Field(default=15, ge=1, le=60)
    """How long the access token of a service account is good for. Nothing ends it before."""
    session_idle_days: int = Field(default=14, ge=1)
    """How long a session lives without being refreshed."""
    session_days: int = Field(default=30, ge=1)
    """How long a session lives at most (NIST SP 800-63B-4, AAL1)."""

    refresh_grace_s: float = Field(default=30, ge=0, le=300)
    """How long the refresh token that was used last still gets the answer that it got, because answers get lost.

    0 takes every second use for a theft."""
    refreshes_per_minute: int = Field(default=30, ge=1)
    """How often a session may be refreshed. Being given the same answer again is not counted."""

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
    def refresh_grace(self) -> timedelta:
        """How long a lost answer is given again."""
        return timedelta(seconds=self.refresh_grace_s)


class ProvisionSettings(DatabaseSettings):
    """What `python -m identity_service provision-service-account` is told besides its arguments."""

    model_config = SettingsConfigDict(env_prefix="IDENTITY_")

    service_account_secret: Annotated[SecretStr, AfterValidator(_hard_to_guess)]
    """The secret that the account will sign in with: `tds_` and at least 32 random bytes in base64url."""
