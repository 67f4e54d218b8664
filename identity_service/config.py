"""What the identity service is told from outside: `IDENTITY_*`."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from chassis.config import SecretKey
from chassis.database import DatabaseSettings
from chassis.server import ServerSettings


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
    session_idle_days: int = Field(default=14, ge=1)
    """How long a session lives without being refreshed."""
    session_days: int = Field(default=30, ge=1)
    """How long a session lives at most (NIST SP 800-63B-4, AAL1)."""

    @property
    def access_token_lifetime(self) -> timedelta:
        """How long an access token is good for."""
        return timedelta(minutes=self.access_token_minutes)

    @property
    def session_idle(self) -> timedelta:
        """How long a session lives without being refreshed."""
        return timedelta(days=self.session_idle_days)

    @property
    def session_lifetime(self) -> timedelta:
        """How long a session lives at most."""
        return timedelta(days=self.session_days)
