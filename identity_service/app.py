"""Everything the identity service is made of, in the order it is built."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tandem.identity.v1 import auth_pb2, profile_pb2, token_pb2

from chassis.auth import TokenVerifier
from chassis.clock import SYSTEM_CLOCK, Clock
from chassis.config import read
from chassis.database import Database
from chassis.interceptors import InFlight, standard
from chassis.schema import require_current
from chassis.secret import derived_key
from chassis.server import Server, Service, serving
from chassis.telemetry import Telemetry, TelemetrySettings
from identity_service.access_tokens import AccessTokens
from identity_service.accounts.commands import AccountCommands
from identity_service.accounts.handlers import AccountHandlers
from identity_service.accounts.queries import AccountQueries
from identity_service.config import IdentitySettings, ProvisionSettings
from identity_service.keys.handlers import KeyHandlers
from identity_service.keys.ring import KeyRing
from identity_service.passwords import Passwords
from identity_service.service_accounts.commands import ServiceAccountCommands
from identity_service.service_accounts.handlers import ServiceAccountHandlers
from identity_service.service_accounts.queries import ServiceAccountQueries
from identity_service.sessions.commands import SessionCommands
from identity_service.sessions.domain import Terms
from identity_service.sessions.handlers import SessionHandlers

DOMAIN = "identity.tandem"
AUTH = auth_pb2.DESCRIPTOR.services_by_name["AuthService"]
PROFILES = profile_pb2.DESCRIPTOR.services_by_name["ProfileService"]
TOKENS = token_pb2.DESCRIPTOR.services_by_name["TokenService"]


@asynccontextmanager
async def running(
    settings: IdentitySettings, *, clock: Clock = SYSTEM_CLOCK, telemetry: Telemetry | None = None
) -> AsyncIterator[Server]:
    """The service, answering until the block is left."""
    async with AsyncExitStack() as stack:
        if telemetry is None:
            telemetry = stack.enter_context(Telemetry.started("identity", read(TelemetrySettings)))
        passwords = stack.enter_context(
            Passwords.opened(
                hashers=settings.password_hashers,
                memory_kib=settings.argon2_memory_kib,
                passes=settings.argon2_passes,
            )
        )
        db = await stack.enter_async_context(Database.opened(settings, telemetry))
        await require_current(db, "identity")
        secret = settings.secret_key.get_secret_value()
        ring = KeyRing(db, clock, derived_key(secret, "tandem/identity/signing keys"))
        await ring.prepare()
        tokens = AccessTokens(
            ring,
            clock,
            issuer=settings.issuer,
            lifetime=settings.access_token_lifetime,
            service_lifetime=settings.service_token_lifetime,
        )
        accounts = AccountHandlers(
            AccountCommands(db, clock, passwords, password_min_length=settings.password_min_length),
            AccountQueries(db),
        )
        sessions = SessionHandlers(
            SessionCommands(
                db,
                clock,
                passwords,
                tokens,
                secret=secret,
                terms=Terms(
                    idle=settings.session_idle,
                    lifetime=settings.session_lifetime,
                    grace=settings.refresh_grace,
                    refreshes_per_minute=settings.refreshes_per_minute,
                ),
            )
        )
        service_accounts = ServiceAccountHandlers(ServiceAccountQueries(db, clock, tokens))
        verifier = TokenVerifier(ring, clock, issuer=settings.issuer, audience="identity")
        in_flight = InFlight()
        yield await stack.enter_async_context(
            serving(
                settings,
                [
                    Service(AUTH, (accounts, sessions)),
                    Service(PROFILES, (accounts,)),
                    Service(TOKENS, (KeyHandlers(ring), service_accounts)),
                ],
                standard(telemetry, in_flight, verifier, domain=DOMAIN),
                in_flight,
                {"database": db.is_reachable},
            )
        )


@asynccontextmanager
async def provisioning(
    settings: ProvisionSettings, *, clock: Clock = SYSTEM_CLOCK
) -> AsyncIterator[ServiceAccountCommands]:
    """What it takes to provision service accounts beside the service, or before it has ever run."""
    async with AsyncExitStack() as stack:
        telemetry = stack.enter_context(Telemetry.started("identity", read(TelemetrySettings)))
        db = await stack.enter_async_context(Database.opened(settings, telemetry))
        await require_current(db, "identity")
        yield ServiceAccountCommands(db, clock)
