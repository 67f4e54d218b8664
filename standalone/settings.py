"""What `make run` is told from outside, and what it tells the three processes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from pydantic import Field, SecretStr

from chassis.config import ConfigError, Settings
from standalone.ports import is_free

PROJECT = Path(__file__).parents[1]
SERVICES = ("identity", "work", "gateway")


class StandaloneSettings(Settings):
    """The supervisor's own settings, and those of the processes that it has to know."""

    tandem_home: Path = PROJECT / ".tandem"
    tandem_postgres_port: int = Field(default=55432, ge=1, le=65535)
    tandem_postgres_major: int = 18
    identity_listen: str = "127.0.0.1:50051"
    work_listen: str = "127.0.0.1:50052"
    gateway_listen: str = "127.0.0.1:8080"
    identity_database_url: SecretStr | None = None
    work_database_url: SecretStr | None = None
    identity_issuer: str | None = None
    work_client_id: str = "work"
    work_client_secret: SecretStr | None = None

    @property
    def issuer(self) -> str:
        """Where clients reach this system, unless somebody knows better."""
        return self.identity_issuer or f"http://localhost:{Address.parsed('GATEWAY_LISTEN', self.gateway_listen).port}"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a process listens, and how the others reach it there."""

    setting: str
    host: str
    port: int

    @classmethod
    def parsed(cls, setting: str, text: str) -> "Address":
        """Read `HOST:PORT`.

        Raises:
            ConfigError: It is something else, or leaves the port open.
        """
        host, colon, port = text.rpartition(":")
        if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ConfigError(f"{setting}: {text!r} is not HOST:PORT")
        return cls(setting, host.strip("[]"), int(port))

    def is_free(self) -> bool:
        """Whether nobody listens there now.

        Raises:
            ConfigError: Nobody could.
        """
        try:
            return is_free(self.host, self.port)
        except OSError as error:
            raise ConfigError(f"{self.setting}: cannot listen on {self}: {error.strerror}") from None

    def __str__(self) -> str:
        """How to reach it from this machine: `localhost:8080`."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104  compared, not bound
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def user_environment() -> dict[str, str]:
    """What the user has set: the environment, and a `.env` file for what is not in it."""
    ours = os.environ  # noqa: TID251  completed from the file for chassis.config, and handed on to our processes
    for name, value in dotenv_values(ours.get("TANDEM_ENV_FILE") or PROJECT / ".env").items():
        if not ours.get(f"{name}_FILE"):
            ours.setdefault(name, value or "")
    return dict(ours)


def child_environment(user: Mapping[str, str], name: str, defaults: Mapping[str, str]) -> dict[str, str]:
    """What one process is told: the user's words first, then ours; nothing that is meant for the others."""
    others = tuple(f"{prefix.upper()}_" for prefix in (*SERVICES, "tandem") if prefix != name)
    own = {key: value for key, value in user.items() if not key.startswith(others)}
    missing = {key: value for key, value in defaults.items() if not (own.get(key) or own.get(f"{key}_FILE"))}
    return {**own, **missing, "PYTHONUNBUFFERED": "1"}
