"""The identity service: read the settings, run it.

With `provision-service-account` it makes a machine's account what it ought to be instead, and with `create-admin` an
administrator; and ends.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import timedelta

from chassis import logs
from chassis.config import ConfigError, read
from chassis.errors import DomainError
from chassis.process import run
from chassis.secret import Secret
from identity_service.access_tokens import AUDIENCES, CLIENT, SCOPES
from identity_service.accounts.domain import EmailTaken, normalized
from identity_service.app import administrating, provisioning, running
from identity_service.config import AdministratorSettings, IdentitySettings, ProvisionSettings
from identity_service.mail_tokens.domain import PRINTED_FOR
from identity_service.service_accounts.domain import Provision, is_name

LONGEST_ADDRESS = 254  # as in the contract


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 2 with one line on stderr when something is wrong with what we were told."""
    options = parsed(arguments)
    logs.configure("identity")
    if options.command is None:
        run(lambda: running(read(IdentitySettings)))
        return 0
    try:
        asyncio.run({"provision-service-account": provision, "create-admin": create_admin}[options.command](options))
    except (ConfigError, DomainError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What is on the command line."""
    parser = argparse.ArgumentParser(prog="python -m identity_service", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    account = commands.add_parser(
        "provision-service-account",
        help="make a service account what it ought to be",
        description="The secret comes from IDENTITY_SERVICE_ACCOUNT_SECRET or IDENTITY_SERVICE_ACCOUNT_SECRET_FILE. "
        "Done again with the same words, nothing changes; with another secret, that one works too, and so does the one "
        "before it.",
    )
    account.add_argument("name", type=account_name, help="the client_id: 2 to 64 of a-z, 0-9 and -")
    account.add_argument("--scope", action="append", required=True, choices=SCOPES, help="may be repeated")
    account.add_argument("--audience", action="append", required=True, choices=AUDIENCES, help="may be repeated")
    admin = commands.add_parser(
        "create-admin",
        help="make an administrator",
        description="Prints, once, what it takes to choose a password. There is none before, and nobody else knows it.",
    )
    admin.add_argument("email", type=address, help="the administrator's e-mail address")
    admin.add_argument("--full-name", default="Administrator", help="how they want to be called")
    admin.add_argument(
        "--promote",
        action="store_true",
        help="when somebody has the address, make them an administrator who may sign in",
    )
    return parser.parse_args(arguments)


def address(text: str) -> str:
    """An e-mail address, as far as can be seen; whether mail reaches anybody there is another matter."""
    name, at, host = text.rpartition("@")
    if not (name and at and host) or len(text) > LONGEST_ADDRESS or not text.isprintable() or " " in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not an e-mail address")
    return normalized(text)


def account_name(text: str) -> str:
    """The name of a machine. That of our own clients is taken by people."""
    if not is_name(text) or text == CLIENT:
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


async def create_admin(options: argparse.Namespace) -> None:
    """Make the administrator, and say how they choose a password."""
    settings = read(AdministratorSettings)
    async with administrating(settings) as commands:
        try:
            done, token = await commands.create_administrator(options.email, options.full_name, promote=options.promote)
        except EmailTaken:
            raise ConfigError(f"{options.email} has an account: with --promote it becomes an administrator's") from None
    sys.stdout.write(f"administrator {options.email}: {done.value}\n")
    if token is not None:
        sys.stdout.write(choosing(settings.issuer, token))


def choosing(issuer: str, token: Secret) -> str:
    """How to choose a password, for a shell."""
    minutes = PRINTED_FOR // timedelta(minutes=1)
    body = json.dumps({"token": str(token), "new_password": "..."})
    return f"""
There is no password yet. Put one in place of the dots, and do this within {minutes} minutes. It works once:

  curl -sS {issuer}/api/v1/auth:resetPassword -H 'Content-Type: application/json' -d '{body}'

Too late? Run the same with --promote, and get another one.
"""


if __name__ == "__main__":
    sys.exit(main())
