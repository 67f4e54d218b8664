"""`python -m migrations [check]`: for each of the two databases whose URL is set."""

import argparse
import logging
import sys

from alembic.util import CommandError
from sqlalchemy.exc import ArgumentError, DBAPIError

from chassis.config import ConfigError, read
from migrations import check, upgrade
from migrations.settings import MigrationSettings


def main(arguments: list[str] | None = None) -> int:
    """0 when every database is as it should be; else 1, with one line for each that is not."""
    parser = argparse.ArgumentParser(prog="python -m migrations", description=__doc__)
    parser.add_argument(
        "command",
        nargs="?",
        choices=["upgrade", "check"],
        default="upgrade",
        help="upgrade: to the newest revision (default); check: compare with the tables that the services declare",
    )
    command = {"upgrade": upgrade, "check": check}[parser.parse_args(arguments).command]
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    alembic = logging.getLogger("alembic.runtime.migration")
    alembic.setLevel(logging.INFO)
    alembic.addFilter(lambda record: record.msg.startswith("Running"))  # the revisions, and nothing about itself
    try:
        databases = list(read(MigrationSettings).databases())
    except ConfigError as error:
        return complain(str(error))
    if not databases:
        return complain("nothing to do: neither IDENTITY_DATABASE_URL nor WORK_DATABASE_URL is set")
    failures = 0
    for section, url in databases:
        name = f"{section.upper()}_DATABASE_URL"
        try:
            command(section, url)
        except ArgumentError:
            failures += complain(f"{name} is not a URL of a database")
        except DBAPIError as error:
            failures += complain(f"{name}: {one_line(error.orig)}")
        except CommandError as error:
            failures += complain(f"{section}: {one_line(error)}")
        else:
            sys.stdout.write(f"{section}: ok\n")
    return min(failures, 1)


def complain(line: str) -> int:
    """Say what is wrong, and count it."""
    sys.stderr.write(f"migrations: {line}\n")
    return 1


def one_line(error: object) -> str:
    """An error's text without its line breaks."""
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
