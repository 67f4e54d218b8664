"""`python -m standalone`: everything on this machine, until Ctrl-C.

With `create-admin EMAIL`, an administrator of what runs already.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from chassis.config import ConfigError, read
from standalone import readiness
from standalone.databases import databases, embedded_url
from standalone.keeping import FolderInUse, SecretLost, kept_secret, locked
from standalone.postgres import Cluster, PostgresError
from standalone.reloading import watching
from standalone.settings import PROJECT, Address, StandaloneSettings, child_environment, user_environment
from standalone.supervisor import CannotStart, Changed, Died, Interrupted, Output, Program, Supervisor
from standalone.welcome import welcome

HEARTBEAT_S = 1.0  # how soon it is noticed that the embedded PostgreSQL has gone


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the user has stopped it; 1, with a line that says why, when it could not start or go on."""
    parser = argparse.ArgumentParser(prog="python -m standalone", description=__doc__)
    parser.add_argument("--reload", action="store_true", help="restart the processes when a source file is saved")
    parser.add_subparsers(dest="command", metavar="COMMAND").add_parser(
        "create-admin",
        add_help=False,  # identity has its own
        help="make an administrator of what runs already",
    )
    options, words = parser.parse_known_args(arguments)
    if words and options.command is None:
        parser.error(f"unrecognized arguments: {' '.join(words)}")
    output = Output(sys.stdout, width=len("identity"))
    try:
        user = user_environment()
        if options.command is not None:
            return create_admin(read(StandaloneSettings), user, words)
        run(read(StandaloneSettings), user, output, reload=options.reload)
    except Interrupted:
        output.say("stopped")
        return 0
    except (CannotStart, ConfigError, Died, FolderInUse, PostgresError, SecretLost, OSError, psycopg.Error) as error:
        sys.stderr.write(f"tandem: {' '.join(str(error).split())}\n")
        return 1
    return 0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the three processes listen."""

    identity: Address
    work: Address
    gateway: Address

    @classmethod
    def of(cls, settings: StandaloneSettings) -> "Addresses":
        """Read them, and see that all are free.

        Raises:
            CannotStart: One is taken.
        """
        addresses = cls(
            Address.parsed("IDENTITY_LISTEN", settings.identity_listen),
            Address.parsed("WORK_LISTEN", settings.work_listen),
            Address.parsed("GATEWAY_LISTEN", settings.gateway_listen),
        )
        for address in (addresses.gateway, addresses.identity, addresses.work):
            if not address.is_free():
                raise CannotStart(
                    f"port {address.port} is taken: set {address.setting} to a free one, "
                    f"as in {address.setting}={address.host}:{address.port + 1}"
                )
        return addresses


def run(settings: StandaloneSettings, user: Mapping[str, str], output: Output, *, reload: bool) -> None:
    """Start everything, look after it, stop everything. Ends by an exception that says why.

    Raises:
        Interrupted: The user wants it to end.
        Died: A process ended by itself.
    """
    home = settings.tandem_home.absolute()
    secrets = home / "secrets"
    for folder in (home, secrets):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(the_only_run(home))
        supervisor = Supervisor(output, hold=[lock])
        stack.enter_context(interruptions(supervisor))
        addresses = Addresses.of(settings)
        output.say(f"starting; data and secrets are in {home}")
        urls, cluster = stack.enter_context(databases(settings, secrets))
        if cluster is not None and not cluster.data.is_relative_to(home):
            output.say(f"as root without user namespaces: the database's data is in {cluster.data}")
        stack.callback(supervisor.stop)
        defaults = {
            # Mail is read where it is written: in a folder, and what it asks to be opened on the console.
            "IDENTITY_MAIL_FOLDER": str(home / "mail"),
            "IDENTITY_MAIL_LINKS_IN_LOG": "true",
            "IDENTITY_SECRET_KEY": kept_secret(secrets / "identity-secret-key"),
            "WORK_SECRET_KEY": kept_secret(secrets / "work-secret-key"),
            "WORK_CLIENT_ID": settings.work_client_id,
            "WORK_CLIENT_SECRET": client_secret(settings, secrets),
            **{f"{section.upper()}_DATABASE_URL": url for section, url in urls.items()},
        }
        migrate = migrations(user, defaults)
        services = programs(user, addresses, settings.issuer, defaults)
        if reload:
            stack.enter_context(watching(supervisor.events))
        supervisor.run(migrate)
        supervisor.run(provisioning(user, defaults))
        supervisor.start(services)
        output.say(welcome(addresses.gateway, addresses.identity, addresses.work, home / "mail"))
        try:
            look_after(supervisor, cluster, services, migrate, output, reload=reload)
        except Interrupted:
            output.say("stopping")
            raise


def look_after(
    supervisor: Supervisor,
    cluster: Cluster | None,
    services: Sequence[Program],
    migrate: Program,
    output: Output,
    *,
    reload: bool,
) -> None:
    """Wait for a reason to stop; on the way, restart what was changed."""
    while True:
        try:
            event = supervisor.happening(HEARTBEAT_S)
            if isinstance(event, Changed):
                output.say(f"{', '.join(path.name for path in event.paths)} changed: restarting")
                supervisor.stop()
                if any("migrations" in path.parts for path in event.paths):
                    supervisor.run(migrate)
                supervisor.start(services)
                output.say("ready")
        except (Died, CannotStart) as error:
            if not reload:
                raise
            output.say(f"{error}; waiting for a change")
        if cluster is not None and not cluster.running:
            raise CannotStart(f"PostgreSQL ended unexpectedly; its log is {cluster.log}")


@contextlib.contextmanager
def the_only_run(home: Path) -> Iterator[int]:
    """The lock of our folder, free again when the last of our processes has ended.

    Raises:
        CannotStart: There is another run.
    """
    try:
        lock = locked(home / "lock")
    except FolderInUse as error:
        raise CannotStart(
            f"Tandem is running already (process {error.holder}) on {home}: "
            "stop it, or give this one another folder with TANDEM_HOME"
        ) from None
    try:
        yield lock
    finally:
        os.close(lock)


@contextlib.contextmanager
def interruptions(supervisor: Supervisor) -> Iterator[None]:
    """Ctrl-C, a polite kill and a closed terminal mean the same: stop everything, in order."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # by nohup: whoever says so means it
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, supervisor.interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def migrations(user: Mapping[str, str], defaults: Mapping[str, str]) -> Program:
    """Both databases to the newest revision."""
    missing = {name: value for name, value in defaults.items() if name.endswith("_DATABASE_URL")}
    return Program("migrate", [sys.executable, "-m", "migrations"], {**user, **missing}, PROJECT)


def provisioning(user: Mapping[str, str], defaults: Mapping[str, str]) -> Program:
    """The service account that work calls identity with, by the same name and secret that work is told."""
    env = child_environment(user, "identity", own(defaults, "identity"))
    # Whatever the user has set here, only work's own is right; an empty setting is none.
    env |= {
        "IDENTITY_SERVICE_ACCOUNT_SECRET": defaults["WORK_CLIENT_SECRET"],
        "IDENTITY_SERVICE_ACCOUNT_SECRET_FILE": "",
    }
    scopes = ["--scope=identity.read", "--scope=identity.mail"]
    command = ["provision-service-account", defaults["WORK_CLIENT_ID"], *scopes, "--audience=identity"]
    return Program("accounts", [sys.executable, "-m", "identity_service", *command], env, PROJECT)


def create_admin(settings: StandaloneSettings, user: Mapping[str, str], words: Sequence[str]) -> int:
    """Run identity's command of that name on the database of what runs already; its exit code.

    Raises:
        CannotStart: Nothing runs.
    """
    defaults = {"IDENTITY_ISSUER": settings.issuer}
    if settings.identity_database_url is None:
        defaults["IDENTITY_DATABASE_URL"] = embedded_url(settings, "identity")
    command = [sys.executable, "-m", "identity_service", "create-admin", *words]
    env = child_environment(user, "identity", defaults)
    return subprocess.run(command, env=env, cwd=PROJECT, check=False).returncode  # noqa: S603  our own module


def client_secret(settings: StandaloneSettings, secrets: Path) -> str:
    """What work signs in with at identity: the user's, or one that is made once."""
    if settings.work_client_secret is not None:
        return settings.work_client_secret.get_secret_value()
    return kept_secret(secrets / "work-client-secret", prefix="tds_")


def programs(
    user: Mapping[str, str], addresses: Addresses, issuer: str, defaults: Mapping[str, str]
) -> Sequence[Program]:
    """The three processes, in the order in which they are started."""
    told = {
        "identity": {
            "IDENTITY_LISTEN": str(addresses.identity),
            "IDENTITY_ISSUER": issuer,
            **behind_the_gateway("IDENTITY"),
        },
        "work": {
            "WORK_LISTEN": str(addresses.work),
            "WORK_IDENTITY_ADDRESS": str(addresses.identity),
            "WORK_TOKEN_ISSUER": issuer,
            **behind_the_gateway("WORK"),
        },
        "gateway": {
            "GATEWAY_LISTEN": str(addresses.gateway),
            **({} if user.get("GATEWAY_REFLECT") or user.get("GATEWAY_REFLECT_FILE") else contract(addresses)),
            "GATEWAY_HEALTH_COMPONENTS": "database,redis,identity_feed",
        },
    }
    modules = {"identity": "identity_service", "work": "work_service", "gateway": "gateway"}
    probes = {
        "identity": readiness.by_grpc(addresses.identity),
        "work": readiness.by_grpc(addresses.work),
        "gateway": readiness.by_http(addresses.gateway),
    }
    return [
        Program(
            name,
            [sys.executable, "-m", module],
            child_environment(user, name, {**own(defaults, name), **told[name]}),
            PROJECT,
            probes[name],
        )
        for name, module in modules.items()
    ]


def contract(addresses: Addresses) -> dict[str, str]:
    """What the gateway serves, unless it is to ask the servers themselves."""
    return {
        "GATEWAY_DESCRIPTORS": str(PROJECT / "protos" / "descriptors.binpb"),
        "GATEWAY_UPSTREAMS": f"tandem.identity.v1={addresses.identity},tandem.work.v1={addresses.work}",
    }


def behind_the_gateway(prefix: str) -> dict[str, str]:
    """Our gateway speaks to the services from this machine, and says where calls come from."""
    return {f"{prefix}_TRUSTED_PROXIES": "127.0.0.1,::1"}


def own(defaults: Mapping[str, str], name: str) -> dict[str, str]:
    """The part that is meant for one process."""
    return {key: value for key, value in defaults.items() if key.startswith(f"{name.upper()}_")}


if __name__ == "__main__":
    sys.exit(main())
