"""Everything the identity service is made of, in the order it is built."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import structlog
from tandem.identity.v1 import (
    auth_pb2,
    feed_pb2,
    mail_pb2,
    profile_pb2,
    service_account_pb2,
    signing_key_pb2,
    token_pb2,
    user_pb2,
)

from chassis.auth import EXPIRED_FOR_ALL, KEY_SET_LIFETIME, KEY_SET_TRUSTED_FOR, TokenVerifier
from chassis.clock import SYSTEM_CLOCK, Clock
from chassis.config import ConfigError, read
from chassis.database import Database
from chassis.interceptors import InFlight, standard
from chassis.leases import Leases, repeatedly
from chassis.pages import PageTokens
from chassis.revocations import Revocations
from chassis.schema import require_current
from chassis.secret import derived_key
from chassis.server import Server, Service, serving
from chassis.telemetry import Telemetry, TelemetrySettings
from identity_service.access_tokens import AUDIENCES, AccessTokens
from identity_service.accounts.commands import AccountCommands
from identity_service.accounts.domain import RegistrationPaces
from identity_service.accounts.handlers import AccountHandlers
from identity_service.accounts.queries import AccountQueries
from identity_service.audit.handlers import AuditHandlers
from identity_service.audit.queries import AuditQueries
from identity_service.config import AdministratorSettings, IdentitySettings, ProvisionSettings
from identity_service.credentials.commands import CredentialCommands
from identity_service.credentials.domain import CredentialPaces
from identity_service.credentials.handlers import CredentialHandlers
from identity_service.feed.commands import FeedSweeper
from identity_service.feed.handlers import FeedHandlers
from identity_service.feed.queries import Feed
from identity_service.invitations.commands import InvitationCommands
from identity_service.invitations.domain import InvitationPaces
from identity_service.invitations.handlers import InvitationHandlers
from identity_service.keys.commands import KeyCommands
from identity_service.keys.domain import PURPOSE, Schedule
from identity_service.keys.handlers import PublishedKeyHandlers, SigningKeyHandlers
from identity_service.keys.queries import KeyQueries
from identity_service.keys.ring import KEPT_FOR, KeyRing
from identity_service.mail import store as mail_store
from identity_service.mail.commands import MailSender, MailSweeper
from identity_service.mail.transports import FolderTransport, SmtpServer, SmtpTransport, Transport
from identity_service.mail_tokens.commands import MailTokenSweeper
from identity_service.oauth.commands import AssertionSweeper, OAuthCommands
from identity_service.oauth.domain import Metadata
from identity_service.oauth.handlers import OAuthHandlers
from identity_service.passwords import Passwords
from identity_service.sealing import Sealer
from identity_service.service_accounts.commands import ServiceAccountAdministration, ServiceAccountCommands
from identity_service.service_accounts.handlers import ServiceAccountHandlers
from identity_service.service_accounts.queries import ServiceAccountQueries
from identity_service.sessions.commands import SessionCommands
from identity_service.sessions.domain import LoginPaces, Terms
from identity_service.sessions.handlers import SessionHandlers
from identity_service.sessions.queries import SessionQueries
from identity_service.tables import leases
from identity_service.throttles.commands import Throttles
from identity_service.throttles.domain import Delay, Pace
from identity_service.users.commands import AdministratorCommands, Retention, UserCommands
from identity_service.users.handlers import UserHandlers
from identity_service.users.queries import UserQueries

log = structlog.get_logger()


DOMAIN = "identity.tandem"
AUTH = auth_pb2.DESCRIPTOR.services_by_name["AuthService"]
PROFILES = profile_pb2.DESCRIPTOR.services_by_name["ProfileService"]
FEED = feed_pb2.DESCRIPTOR.services_by_name["FeedService"]
MAIL = mail_pb2.DESCRIPTOR.services_by_name["MailService"]
USERS = user_pb2.DESCRIPTOR.services_by_name["UserService"]
SERVICE_ACCOUNTS = service_account_pb2.DESCRIPTOR.services_by_name["ServiceAccountService"]
KEYS = signing_key_pb2.DESCRIPTOR.services_by_name["SigningKeyService"]
TOKENS = token_pb2.DESCRIPTOR.services_by_name["TokenService"]

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAIL_EVERY = timedelta(seconds=1)  # how soon a mail is on its way, and one small question per second
ROTATE_EVERY = timedelta(minutes=1)  # whatever is due in a month may come a minute late
MAX_AGE = timedelta(minutes=5)  # how long the contract lets caches keep the key set
SWEEP_EVERY = timedelta(hours=1)  # what is kept for days may be kept for an hour more


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
                min_length=settings.password_min_length,
                breaches_url=settings.breached_passwords_url,
            )
        )
        db = await stack.enter_async_context(Database.opened(settings, telemetry))
        await require_current(db, "identity")
        revocations = Revocations(clock)
        sealed_keys = Sealer(settings.secret_keys, PURPOSE)
        ring = KeyRing(db, clock, sealed_keys, revocations, algorithm=settings.signing_algorithm)
        await ring.prepare()
        tokens = AccessTokens(
            ring,
            clock,
            issuer=settings.issuer,
            lifetime=settings.access_token_lifetime,
            service_lifetime=settings.service_token_lifetime,
        )
        throttles = Throttles(db, clock)
        mails = Sealer(settings.secret_keys, mail_store.PURPOSE)
        accounts = AccountHandlers(
            AccountCommands(db, clock, passwords, throttles, mails, paces=registration_paces(settings)),
            AccountQueries(db),
        )
        credentials = CredentialHandlers(
            CredentialCommands(db, clock, passwords, throttles, mails, paces=credential_paces(settings))
        )
        transport = mail_transport(settings, clock)
        if transport is None:
            log.warning("mail waits: neither IDENTITY_SMTP_URL nor IDENTITY_MAIL_FOLDER is set")
        else:
            sender = MailSender(
                db, clock, mails, transport, telemetry.meter, public_url=settings.public_url or settings.issuer
            )
            await stack.enter_async_context(repeatedly("mail", sender.send_due, every=MAIL_EVERY))
        shared = Leases(db, clock, leases)
        for name, sweep in {
            "old mail": MailSweeper(db, clock, kept_for=settings.mail_retention).sweep,
            "mail tokens": MailTokenSweeper(db, clock).sweep,
            "throttles": throttles.sweep,
            "feed": FeedSweeper(db, clock).sweep,
            "assertions": AssertionSweeper(db, clock).sweep,
            "retention": Retention(db, clock, kept_for=settings.retention).sweep,
        }.items():
            await stack.enter_async_context(shared.periodically(name, sweep, every=SWEEP_EVERY))
        pages = PageTokens(derived_key(settings.secret_keys[0], "tandem/identity/page tokens"))
        listed = SessionQueries(db, clock, pages)
        sessions = SessionHandlers(
            SessionCommands(
                db,
                clock,
                passwords,
                throttles,
                tokens,
                mails,
                secrets=settings.secret_keys,
                terms=session_terms(settings),
            ),
            listed,
        )
        users = UserHandlers(
            UserCommands(db, clock, mails),
            UserQueries(db, pages, listed),
        )
        audit = AuditHandlers(AuditQueries(db, pages))
        feed = await stack.enter_async_context(Feed.opened(db, clock))
        await stack.enter_async_context(feed.keeping(revocations))
        verifiers = {
            audience: TokenVerifier(ring, clock, issuer=settings.issuer, audience=audience, revocations=revocations)
            for audience in AUDIENCES
        }
        keys = KeyCommands(db, clock, ring, sealed_keys, schedule=key_schedule(settings))
        await stack.enter_async_context(shared.periodically("signing keys", keys.rotate, every=ROTATE_EVERY))
        signing_keys = SigningKeyHandlers(keys, KeyQueries(db, clock))
        service_accounts = ServiceAccountHandlers(
            ServiceAccountAdministration(db, clock), ServiceAccountQueries(db, pages)
        )
        metadata = Metadata(settings.issuer)
        refusals = Pace("refused clients", settings.refused_clients_per_five_minutes, timedelta(minutes=5))
        oauth = OAuthHandlers(
            OAuthCommands(db, clock, tokens, verifiers, metadata, throttles, refusals=refusals), metadata
        )
        invitations = InvitationHandlers(
            InvitationCommands(db, clock, throttles, mails, telemetry.meter, paces=invitation_paces(settings))
        )
        in_flight = InFlight()
        yield await stack.enter_async_context(
            serving(
                settings,
                [
                    Service(AUTH, (accounts, credentials, sessions)),
                    Service(PROFILES, (accounts,)),
                    Service(FEED, (FeedHandlers(feed, verifiers["identity"]),)),
                    Service(MAIL, (invitations,)),
                    Service(USERS, (users, audit)),
                    Service(SERVICE_ACCOUNTS, (service_accounts,)),
                    Service(KEYS, (signing_keys,)),
                    Service(TOKENS, (PublishedKeyHandlers(ring), oauth)),
                ],
                standard(
                    telemetry, in_flight, verifiers["identity"], domain=DOMAIN, trusted_proxies=settings.trusted_proxies
                ),
                in_flight,
                {"database": db.is_reachable},
                on_drain=feed.end,
            )
        )


def key_schedule(settings: IdentitySettings) -> Schedule:
    """When signing keys come and go.

    - lead = our replicas' re-reading + caches' max-age + verifiers' key set lifetime: a cache may keep an old answer
      for as long as it says, and then give it to a verifier that keeps it for as long as ours do.
    - overlap = our replicas' re-reading + the longest token lifetime + the leeway of two clocks: another replica signs
      with the old key until it reads anew, and that token is good to its last second on any clock.
    - memory = our replicas' re-reading + caches' max-age + verifiers' trust in a key set that they cannot fetch anew.
    """
    longest_token = max(settings.access_token_lifetime, settings.service_token_lifetime)
    overlap = KEPT_FOR + longest_token + EXPIRED_FOR_ALL
    return Schedule(
        algorithm=settings.signing_algorithm,
        period=timedelta(days=settings.signing_key_days),
        lead=KEPT_FOR + MAX_AGE + KEY_SET_LIFETIME,
        overlap=overlap,
        memory=max(overlap, KEPT_FOR + MAX_AGE + KEY_SET_TRUSTED_FOR),
    )


def mail_transport(settings: IdentitySettings, clock: Clock) -> Transport | None:
    """Where mail goes, or None when it has to wait.

    Raises:
        ConfigError: The server cannot be used, or nobody is said to be the sender.
    """
    if settings.smtp_url is not None:
        if not settings.mail_from:
            raise ConfigError("missing IDENTITY_MAIL_FROM")
        try:
            server = SmtpServer.read(settings.smtp_url.get_secret_value())
        except ValueError as error:
            raise ConfigError(f"IDENTITY_SMTP_URL: {error}") from None
        return SmtpTransport(server, settings.mail_from, clock)
    if settings.mail_folder is not None:
        return FolderTransport(
            settings.mail_folder,
            settings.mail_from or "Tandem <tandem@localhost>",
            clock,
            print_links=settings.mail_links_in_log,
        )
    return None


def session_terms(settings: IdentitySettings) -> Terms:
    """How sessions are opened, how long they live, and how they may be refreshed."""
    return Terms(
        logins=LoginPaces(
            per_address=Pace("logins", settings.logins_per_five_minutes, timedelta(minutes=5)),
            guesses=guesses(settings),
        ),
        idle=settings.session_idle,
        lifetime=settings.session_lifetime,
        grace=settings.refresh_grace,
        refreshes_per_minute=settings.refreshes_per_minute,
        most=settings.sessions_per_user,
    )


def guesses(settings: IdentitySettings) -> Delay:
    """How often an account's password may be guessed by those who sign in."""
    return Delay(
        "guesses",
        free=settings.login_attempts,
        first=timedelta(seconds=1),
        longest=timedelta(minutes=1),
        most=settings.most_login_attempts,
        forgotten_after=DAY,
    )


def registration_paces(settings: IdentitySettings) -> RegistrationPaces:
    """How often anybody may register."""
    return RegistrationPaces(
        per_address=Pace("registrations", settings.registrations_per_hour, HOUR),
        mails=Pace("registration mails", settings.registration_mails_per_day, DAY),
    )


def credential_paces(settings: IdentitySettings) -> CredentialPaces:
    """How often mail may be asked for, and secrets be tried."""
    return CredentialPaces(
        resets=Pace("reset mails", settings.mails_per_hour, HOUR),
        verifications=Pace("verification mails", settings.mails_per_hour, HOUR),
        mails_per_address=Pace("mail requests", settings.mail_requests_per_hour, HOUR),
        tokens_per_address=Pace("mail tokens", settings.mail_tokens_per_hour, HOUR),
        passwords=replace(guesses(settings), bucket="own password", free=settings.own_password_attempts),
        guesses=guesses(settings),
    )


def invitation_paces(settings: IdentitySettings) -> InvitationPaces:
    """How often anybody may be told of invitations, and have others told."""
    return InvitationPaces(
        per_inviter=Pace("invitations", settings.invitations_per_day, DAY),
        per_recipient=Pace("invitation mails", settings.invitation_mails_per_day, DAY),
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


@asynccontextmanager
async def administrating(
    settings: AdministratorSettings, *, clock: Clock = SYSTEM_CLOCK
) -> AsyncIterator[AdministratorCommands]:
    """What it takes to make administrators beside the service, or before it has ever run."""
    async with AsyncExitStack() as stack:
        telemetry = stack.enter_context(Telemetry.started("identity", read(TelemetrySettings)))
        db = await stack.enter_async_context(Database.opened(settings, telemetry))
        await require_current(db, "identity")
        yield AdministratorCommands(db, clock)
