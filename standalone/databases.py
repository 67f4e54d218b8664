"""Which databases the services get: servers of the user's, or an embedded one."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from migrations import SECTIONS, Section
from standalone.keeping import kept_secret
from standalone.ports import LOCALHOST, is_free
from standalone.postgres import Cluster, PortTaken
from standalone.settings import StandaloneSettings
from standalone.supervisor import CannotStart

CONNECT_TIMEOUT_S = 5


@contextlib.contextmanager
def databases(settings: StandaloneSettings, secrets: Path) -> Iterator[tuple[dict[Section, str], Cluster | None]]:
    """The URLs that the user has not set, and the embedded server behind them if there is any.

    Raises:
        CannotStart: A server that is needed cannot be reached, or the embedded one cannot have its port.
    """
    given = {"identity": settings.identity_database_url, "work": settings.work_database_url}
    for section, url in given.items():
        if url is not None:
            must_be_reachable(f"{section.upper()}_DATABASE_URL", url)
    missing = [section for section in SECTIONS if given[section] is None]
    if not missing:
        yield {}, None
        return
    cluster = Cluster(
        settings.tandem_home / "postgres",
        major=settings.tandem_postgres_major,
        port=settings.tandem_postgres_port,
    )
    try:
        cluster.open()
    except PortTaken as error:
        raise CannotStart(f"port {error.port} is taken: set TANDEM_POSTGRES_PORT to a free one") from None
    try:
        urls: dict[Section, str] = {}
        for section in missing:
            password = kept_secret(secrets / f"{section}-database-password")
            cluster.create_role_and_database(section, password)
            urls[section] = cluster.url(section, section, password)
        yield urls, cluster
    finally:
        cluster.close()


def embedded_url(settings: StandaloneSettings, section: Section) -> str:
    """A database of the embedded server, which another process has started.

    Raises:
        CannotStart: None has.
    """
    password = settings.tandem_home / "secrets" / f"{section}-database-password"
    if not password.exists() or is_free(LOCALHOST, settings.tandem_postgres_port):
        raise CannotStart(f"nothing runs on {settings.tandem_home.absolute()}: start it first, with `make run`")
    cluster = Cluster(
        settings.tandem_home / "postgres",
        major=settings.tandem_postgres_major,
        port=settings.tandem_postgres_port,
    )
    return cluster.url(section, section, password.read_text())


def must_be_reachable(setting: str, url: SecretStr) -> None:
    """Connect once, to be able to say in one line that it does not work.

    Raises:
        CannotStart: It does not.
    """
    try:
        parsed = make_url(url.get_secret_value())
    except (ArgumentError, ValueError):  # whose words may be a part of the password
        raise CannotStart(f"{setting} is not the URL of a database") from None
    if parsed.get_backend_name() != "postgresql":
        raise CannotStart(f"{setting} must begin with postgresql://, not {parsed.drivername}://")
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        psycopg.connect(plain, connect_timeout=CONNECT_TIMEOUT_S).close()
    except psycopg.Error as error:
        raise CannotStart(f"{setting}: cannot connect: {first_line(error)}") from None


def first_line(error: Exception) -> str:
    """Of a text that goes on with advice."""
    return (str(error).splitlines() or [type(error).__name__])[0]
