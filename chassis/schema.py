"""Whether a database has the schema that this code was written for."""

from functools import cache
from importlib import resources

from alembic.script import ScriptDirectory
from sqlalchemy import text

from chassis.config import ConfigError
from chassis.database import Database
from chassis.errors import Unavailable

_CURRENT = text("SELECT version_num FROM alembic_version")
_HAS_HISTORY = text("SELECT to_regclass('alembic_version') IS NOT NULL AS has_history")


async def require_current(db: Database, section: str) -> None:
    """Refuse to start on a schema that is behind. One that is ahead is fine: changes expand before they contract.

    Raises:
        ConfigError: The database cannot be reached, or its schema is behind.
    """
    try:
        row = await db.find_one(_HAS_HISTORY)
        current = await db.find_one(_CURRENT) if row is not None and row.has_history else None
    except Unavailable:
        raise ConfigError(f"the {section} database cannot be reached") from None
    version = current.version_num if current is not None else None
    if version in _behind(section):
        found = version or "nothing"
        raise ConfigError(f"the schema of the {section} database is behind (found {found}): run `python -m migrations`")


@cache
def _behind(section: str) -> frozenset[str | None]:
    """Every revision but the newest, and having none at all."""
    scripts = ScriptDirectory(str(resources.files("migrations") / section))
    revisions = {script.revision for script in scripts.walk_revisions()}
    return frozenset({None, *(revisions - set(scripts.get_heads()))})
