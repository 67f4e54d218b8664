"""Machines that use the system."""

import secrets
from collections.abc import Iterable

from chassis.clock import SYSTEM_CLOCK, Clock
from chassis.secret import Secret
from identity_service.app import provisioning
from identity_service.config import ProvisionSettings
from identity_service.service_accounts.domain import Provision
from tests.support.doors import Door


def new_client_secret() -> str:
    """What an operator would make."""
    return f"tds_{secrets.token_urlsafe(32)}"


async def provisioned(
    identity_url: str,
    name: str,
    *,
    scopes: Iterable[str],
    audiences: Iterable[str],
    secret: str = "",
    clock: Clock = SYSTEM_CLOCK,
) -> str:
    """The secret of a service account that is there afterwards, the way the command line makes it."""
    secret = secret or new_client_secret()
    settings = ProvisionSettings(database_url=identity_url, service_account_secret=secret)
    wanted = Provision(name=name, scopes=frozenset(scopes), audiences=frozenset(audiences), secret=Secret(secret))
    async with provisioning(settings, clock=clock) as commands:
        await commands.provision(wanted)
    return secret


async def machine_token(door: Door, client_id: str, client_secret: str, scope: str = "") -> str:
    """A token for a service account."""
    answer = await door.call(
        "IssueToken", grant_type="client_credentials", client_id=client_id, client_secret=client_secret, scope=scope
    )
    token: str = answer["access_token"]
    return token
