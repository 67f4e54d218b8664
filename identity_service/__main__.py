"""The identity service: read the settings, run it.

With `provision-service-account` it makes a machine's account what it ought to be instead, and ends.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from chassis import logs
from chassis.config import ConfigError, read
from chassis.errors import DomainError
from chassis.process import run
from identity_service.access_tokens import AUDIENCES, CLIENT, SCOPES
from identity_service.accounts.domain import Secret
from identity_service.app import provisioning, running
from identity_service.config import IdentitySettings, ProvisionSettings
from identity_service.service_accounts.domain import NAME, Provision


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 2 with one line on stderr when something is wrong with what we were told."""
    options = parsed(arguments)
    logs.configure("identity")
    if options.command is None:
        run(lambda: running(read(IdentitySettings)))
        return 0
    try:
        asyncio.run(provision(options))
    except (ConfigError, DomainError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What is on the command line."""
    parser = argparse.ArgumentParser(prog="python -m identity_service", description=__doc__)
    account = parser.add_subparsers(dest="command", metavar="COMMAND").add_parser(
        "provision-service-account",
        help="make a service account what it ought to be",
        description="The secret comes from IDENTITY_SERVICE_ACCOUNT_SECRET or IDENTITY_SERVICE_ACCOUNT_SECRET_FILE. "
        "Done again with the same words, nothing changes; with another secret, that one works too, and so does the one "
        "before it.",
    )
    account.add_argument("name", type=account_name, help="the client_id: 2 to 64 of a-z, 0-9 and -")
    account.add_argument("--scope", action="append", required=True, choices=SCOPES, help="may be repeated")
    account.add_argument("--audience", action="append", required=True, choices=AUDIENCES, help="may be repeated")
    return parser.parse_args(arguments)


def account_name(text: str) -> str:
    """The name of a machine. That of our own clients is taken by people."""
    if not NAME.fullmatch(text) or text == CLIENT:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be the name of a service account")
    return text


async def provision(options: argparse.Namespace) -> None:
    """Make the account what the command line says."""
    settings = read(ProvisionSettings)
    wanted = Provision(
        name=options.name,
        scopes=frozenset(options.scope),
        audiences=frozenset(options.audience),
        secret=Secret(settings.service_account_secret.get_secret_value()),
    )
    async with provisioning(settings) as commands:
        outcome = await commands.provision(wanted)
    sys.stdout.write(f"service account {wanted.name}: {outcome.value}\n")


if __name__ == "__main__":
    sys.exit(main())
