"""The histories of two databases, one Alembic section each: `identity` and `work`.

A migration that has landed is never edited. Changes expand first and contract later, so that the version of a service
before it and the one after it run on the same schema.
"""

import hashlib
import logging
from pathlib import Path
from typing import Literal, get_args

from alembic import command
from alembic.config import Config
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from pydantic import SecretStr

log = logging.getLogger(__name__)

Section = Literal["identity", "work"]
SECTIONS: tuple[Section, ...] = get_args(Section)
ALEMBIC_INI = Path(__file__).parents[1] / "alembic.ini"


def upgrade(section: Section, url: str | SecretStr) -> None:
    """Bring the database at `url` to the newest revision. Those who come at the same time queue.

    One that a later version has brought further stays as it is, so that the version before can come back.
    """
    try:
        command.upgrade(configured(section, url), "head")
    except CommandError as error:
        if not isinstance(error.__cause__, ResolutionError):
            raise
        log.warning("%s: ahead of this version (%s)", section, error.__cause__.argument)


def check(section: Section, url: str | SecretStr) -> None:
    """Compare the database at `url` with the tables as the service declares them.

    Raises:
        alembic.util.CommandError: It is behind, or it differs.
    """
    command.check(configured(section, url))


def queue_key(section: Section) -> int:
    """The advisory lock that a migrator holds while it works."""
    return int.from_bytes(hashlib.sha256(f"migrations/{section}".encode()).digest()[:8], "big", signed=True)


def configured(section: Section, url: str | SecretStr) -> Config:
    """Alembic's own configuration, for its other commands."""
    config = Config(ALEMBIC_INI, ini_section=section)
    # Not an option of the file: there a `%` of a password would have to be doubled.
    config.attributes["url"] = url if isinstance(url, SecretStr) else SecretStr(url)
    return config
