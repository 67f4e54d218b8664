"""PgBouncer in front of PostgreSQL, in transaction mode: no two transactions need to have the same connection."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from standalone.ports import free_port

CONFIG = """
[databases]
* = host=127.0.0.1 port={postgres}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 5
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
"""


@dataclass(frozen=True)
class Pooler:
    """A pooler that runs."""

    port: int

    def through(self, url: str) -> str:
        """The same database, by way of the pooler."""
        return make_url(url).set(port=self.port).render_as_string(hide_password=False)


@contextmanager
def pooling(url: str, passwords: Mapping[str, str]) -> Iterator[Pooler]:
    """A PgBouncer for these users of the server that `url` names, until the block is left."""
    port = free_port()
    folder = Path(
        tempfile.mkdtemp(prefix="pgbouncer-")
    )  # and not pytest's: it does not run as root, and has to read it
    folder.chmod(0o711)
    (folder / "users").write_text("".join(f'"{user}" "{password}"\n' for user, password in passwords.items()))
    (folder / "config.ini").write_text(CONFIG.format(postgres=make_url(url).port, port=port, folder=folder))
    binary = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([binary, "-q", *as_nobody, str(folder / "config.ini")])
    try:
        pooler = Pooler(port)
        _wait(make_url(pooler.through(url)))
        yield pooler
    finally:
        process.terminate()
        process.wait(timeout=10)
        shutil.rmtree(folder)


def _wait(url: URL) -> None:
    for _ in range(200):
        try:
            psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("PgBouncer does not answer")
