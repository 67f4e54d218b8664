"""The whole system in one process: the real composition roots, on free ports and databases of their own."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx

import gateway.app
import identity_service.app
import work_service.app
from gateway.config import GatewayConfig
from identity_service.config import IdentitySettings
from tests.support.clock import TestClock
from tests.support.databases import Databases
from tests.support.doors import PATIENCE_S, Door, GrpcDoor, RestDoor
from tests.support.machines import provisioned
from tests.support.pgbouncer import pooling
from tests.support.recording import Recording, recording
from work_service.config import WorkSettings

DESCRIPTORS = Path(__file__).parents[2] / "protos" / "descriptors.binpb"
ISSUER = "http://tandem.test"

LOCK_TIMEOUT_MS = 3_000
"""Long enough for a machine that is busy elsewhere for a moment."""

# The least that Argon2 allows: what passwords cost is tested where it is the question.
CHEAP_PASSWORDS: dict[str, Any] = {"argon2_memory_kib": 8, "argon2_passes": 1}

# In tests everybody comes from one network address.
ENOUGH_FOR_ALL: dict[str, Any] = {
    "registrations_per_hour": 1_000_000,
    "mail_requests_per_hour": 1_000_000,
    "mail_tokens_per_hour": 1_000_000,
    "logins_per_five_minutes": 1_000_000,
    "refused_clients_per_five_minutes": 1_000_000,
    "invitations_per_day": 1_000_000,
}


@dataclass
class Stack:
    """A running system and what tests may know of it."""

    clock: TestClock
    identity_settings: IdentitySettings
    identity_url: str
    work_url: str
    identity_address: str
    work_address: str
    gateway_address: str
    identity: Recording
    work: Recording
    gateway: Recording
    doors: dict[str, Door]
    stop_identity: Callable[[], Awaitable[None]]

    def clear(self) -> None:
        for recorded in (self.identity, self.work, self.gateway):
            recorded.clear()


def new_secret() -> str:
    return urlsafe_b64encode(secrets.token_bytes(32)).decode()


@asynccontextmanager
async def running_stack(
    databases: Databases,
    *,
    identity_settings: Mapping[str, Any] | None = None,
    pooled: bool = False,
    **work_settings: Any,
) -> AsyncIterator[Stack]:
    """The whole system; its databases by way of PgBouncer if they shall be `pooled`."""
    clock = TestClock()
    work_settings = {"lock_timeout_ms": LOCK_TIMEOUT_MS} | work_settings
    identity_url, work_url = databases.clone("identity"), databases.clone("work")
    async with AsyncExitStack() as stack:
        seen_identity_url, seen_work_url = identity_url, work_url
        if pooled:
            pooler = stack.enter_context(pooling(work_url, databases.passwords))
            seen_identity_url, seen_work_url = pooler.through(identity_url), pooler.through(work_url)
        identity_recording = stack.enter_context(recording("identity"))
        work_recording = stack.enter_context(recording("work"))
        gateway_recording = stack.enter_context(recording("gateway"))
        settings = IdentitySettings(
            listen="127.0.0.1:0",
            database_url=seen_identity_url,
            database_prepared_statements=not pooled,
            secret_key=new_secret(),
            issuer=ISSUER,
            grace_s=5,
            trusted_proxies="127.0.0.1",
            **CHEAP_PASSWORDS | ENOUGH_FOR_ALL | dict(identity_settings or {}),
        )
        scopes = ["identity.read", "identity.mail"]
        client_secret = await provisioned(identity_url, "work", scopes=scopes, audiences=["identity"])
        identity_alone = await stack.enter_async_context(AsyncExitStack())
        identity = await identity_alone.enter_async_context(
            identity_service.app.running(settings, clock=clock, telemetry=identity_recording.telemetry)
        )
        identity_address = f"127.0.0.1:{identity.port}"
        work = await stack.enter_async_context(
            work_service.app.running(
                WorkSettings(
                    listen="127.0.0.1:0",
                    database_url=seen_work_url,
                    database_prepared_statements=not pooled,
                    secret_key=new_secret(),
                    identity_address=identity_address,
                    client_secret=client_secret,
                    token_issuer=ISSUER,
                    grace_s=5,
                    **work_settings,
                ),
                clock=clock,
                telemetry=work_recording.telemetry,
            )
        )
        work_address = f"127.0.0.1:{work.port}"
        door = await stack.enter_async_context(
            gateway.app.running(
                GatewayConfig(
                    listen="127.0.0.1:0",
                    descriptors=DESCRIPTORS,
                    upstreams=f"tandem.identity.v1={identity_address},tandem.work.v1={work_address}",
                    health_components="database,redis,identity_feed",
                    deadline_s=PATIENCE_S,
                    # All tests are one address.
                    reads_per_minute=0,
                    writes_per_minute=0,
                    anonymous_per_minute=0,
                ),
                telemetry=gateway_recording.telemetry,
            )
        )
        gateway_address = f"127.0.0.1:{door.port}"
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://{gateway_address}", timeout=PATIENCE_S)
        )
        channels = {
            "tandem.identity.v1": await stack.enter_async_context(grpc.aio.insecure_channel(identity_address)),
            "tandem.work.v1": await stack.enter_async_context(grpc.aio.insecure_channel(work_address)),
        }
        yield Stack(
            clock=clock,
            identity_settings=settings,
            identity_url=identity_url,
            work_url=work_url,
            identity_address=identity_address,
            work_address=work_address,
            gateway_address=gateway_address,
            identity=identity_recording,
            work=work_recording,
            gateway=gateway_recording,
            doors={"grpc": GrpcDoor(channels), "rest": RestDoor(client)},
            stop_identity=identity_alone.aclose,
        )
