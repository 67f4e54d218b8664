"""What the work service is told from outside: `WORK_*`."""

from datetime import timedelta

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.config import SecretKey
from chassis.database import DatabaseSettings
from chassis.server import ServerSettings


class WorkSettings(ServerSettings, DatabaseSettings):
    """One value per process, complete or refused."""

    model_config = SettingsConfigDict(env_prefix="WORK_")

    listen: str = "127.0.0.1:50052"
    secret_key: SecretKey
    """Authenticates page tokens."""
    identity_address: str
    """host:port of the identity service."""
    client_id: str = "work"
    """The service account that work calls identity with."""
    client_secret: SecretStr
    token_issuer: str = "http://localhost:8080"  # noqa: S105 - a name, not a secret
    """The `iss` of the tokens that are trusted here: identity's IDENTITY_ISSUER, to the letter."""
    lock_timeout_ms: int = Field(default=1000, ge=1, le=60_000)
    """How long a change waits for another change of the same task. Two of them take milliseconds, as a rule."""
    import_most_tasks: int = Field(default=5_000, ge=1)
    """How many tasks an import may hold."""
    import_most_bytes: int = Field(default=16 * 1024 * 1024, ge=1)
    """How large they may be together, as they are sent: so much is held in memory, some times over."""

    retention_days: int = Field(default=30, ge=1)
    """How long what was deleted can be brought back."""

    @property
    def retention(self) -> timedelta:
        """How long what was deleted can be brought back."""
        return timedelta(days=self.retention_days)

    @property
    def lock_timeout(self) -> timedelta:
        """How long a change waits for another change of the same task."""
        return timedelta(milliseconds=self.lock_timeout_ms)
