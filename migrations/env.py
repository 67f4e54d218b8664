"""What Alembic runs for each of its commands: connect, queue, migrate in one transaction."""

from importlib import import_module
from typing import cast

from alembic import context
from pydantic import SecretStr
from sqlalchemy import MetaData, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError

from chassis.config import ConfigError, read
from migrations import Section, queue_key
from migrations.settings import MigrationSettings

# A statement that cannot have its lock soon gives up, because everything behind it in the queue waits as well.
LOCK_TIMEOUT = "5s"
# Behind another migrator it is right to wait.
QUEUE_TIMEOUT = "10min"

section = cast("Section", context.config.config_ini_section)


def the_url() -> SecretStr:
    """Handed over by `migrations.upgrade` and its like; from the environment for Alembic's own command line."""
    url = context.config.attributes.get("url") or read(MigrationSettings).url_of(section)
    if not isinstance(url, SecretStr):
        raise ConfigError(f"missing {section.upper()}_DATABASE_URL")
    return url


def the_tables() -> MetaData:
    """The tables as the service declares them."""
    metadata = import_module(f"{section}_service.tables").metadata
    assert isinstance(metadata, MetaData)
    return metadata


def migrate() -> None:
    """Migrate the database, after whoever else is doing it."""
    try:
        url = make_url(the_url().get_secret_value()).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):  # whose words may be a part of the password
        raise ArgumentError("not a URL of a database") from None
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=the_tables(), compare_server_default=True)
        with context.begin_transaction():
            # Our role's defaults are made for requests. For the transaction, so that a pooler is not left with ours.
            connection.execute(text("SELECT set_config('statement_timeout', '0', true)"))
            connection.execute(text("SELECT set_config('lock_timeout', :limit, true)"), {"limit": QUEUE_TIMEOUT})
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": queue_key(section)})
            connection.execute(text("SELECT set_config('lock_timeout', :limit, true)"), {"limit": LOCK_TIMEOUT})
            context.run_migrations()


def write_sql() -> None:
    """For `alembic upgrade --sql`: print what would be executed."""
    context.configure(dialect_name="postgresql", target_metadata=the_tables(), literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    write_sql()
else:
    migrate()
