import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from standalone.guarded import Guarded, Identity
from standalone.keeping import FolderInUse, is_alive
from standalone.ports import free_port
from standalone.postgres import BinariesMissing, Cluster, PortTaken, PostgresError, WrongMajor, binaries

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about root")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A server that the tests of this file may stop; each leaves it running."""
    with Cluster.started(tmp_path_factory.mktemp("cluster"), durable=False) as server:
        yield server


def ask(url: str, question: str) -> str:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return str(row[0])


def gone(pid: int) -> bool:
    until = time.monotonic() + 20
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


def test_it_sorts_by_code_point_whatever_the_host_does(server: Cluster) -> None:
    assert ask(server.admin_url, "SHOW server_version").startswith("18.")
    assert ask(server.admin_url, "SELECT concat(datlocprovider, datlocale) FROM pg_database LIMIT 1") == "bC.UTF-8"
    assert ask(server.admin_url, "SHOW timezone") == "UTC"
    assert ask(server.admin_url, "SELECT string_agg(x, '' ORDER BY x) FROM unnest('{a,B,ä,A}'::text[]) x") == "ABaä"


def test_it_listens_on_this_machine_only_and_wants_a_password(server: Cluster) -> None:
    assert ask(server.admin_url, "SHOW listen_addresses") == "127.0.0.1"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(server.url("postgres", "postgres", "guess"), "SELECT 1")


def test_a_role_enters_its_own_database_and_no_other(server: Cluster) -> None:
    server.create_role_and_database("ours", "p@ss/word")
    server.create_role_and_database("theirs", "other")
    assert ask(server.url("ours", "ours", "p@ss/word"), "SELECT current_user") == "ours"
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        ask(server.url("theirs", "ours", "p@ss/word"), "SELECT 1")


def test_creating_again_changes_the_password_and_nothing_else(server: Cluster) -> None:
    server.create_role_and_database("again", "first")
    server.create_role_and_database("again", "second")
    assert ask(server.url("again", "again", "second"), "SELECT 1") == "1"
    with pytest.raises(psycopg.OperationalError):
        ask(server.url("again", "again", "first"), "SELECT 1")


def test_a_database_can_be_copied_and_dropped(server: Cluster) -> None:
    server.create_role_and_database("template", "secret")
    with psycopg.connect(server.url("template", "template", "secret").replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE kept ()")
    server.create_database("copy", owner="template", template="template")
    assert ask(server.url("copy", "template", "secret"), "SELECT count(*) FROM kept") == "0"
    server.drop_database("copy")
    server.drop_database("copy")
    assert ask(server.admin_url, "SELECT count(*) FROM pg_database WHERE datname = 'copy'") == "0"


def test_a_password_is_never_logged(server: Cluster) -> None:
    with server.admin() as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
        server.create_role_and_database("quiet", "hush-hush")
        connection.execute("ALTER SYSTEM RESET log_statement")
        connection.execute("SELECT pg_reload_conf()")
    assert "hush-hush" not in server.log.read_text()


@pytest.mark.parametrize("end", [Cluster.stop, Cluster.kill])
def test_it_comes_back_where_it_was_with_what_was_committed(server: Cluster, end: object) -> None:
    assert callable(end)
    before, port = server.pid, server.port
    with server.admin() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS committed ()")
    end(server)
    assert not server.running
    assert gone(before)
    with pytest.raises(psycopg.OperationalError):
        ask(server.admin_url, "SELECT 1")
    server.start()
    server.start()  # once more changes nothing
    assert server.running
    assert server.port == port
    assert ask(server.admin_url, "SELECT count(*) FROM committed") == "0"


def test_stopping_does_not_wait_for_clients(server: Cluster) -> None:
    with psycopg.connect(server.admin_url.replace("+psycopg", "")) as idle:
        idle.execute("SELECT 1")
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            idle.execute("SELECT 1")
    server.start()


def test_the_same_data_is_not_started_twice(server: Cluster) -> None:
    with (
        pytest.raises(FolderInUse, match=rf"{server.folder} is in use by another run \(process {os.getpid()}\)"),
        Cluster.started(server.folder),
    ):
        pass
    assert server.running


def test_data_of_another_major_version_is_refused(tmp_path: Path) -> None:
    with Cluster.started(tmp_path, major=16, durable=False) as old:
        assert ask(old.admin_url, "SHOW server_version").startswith("16.")
        assert ask(old.admin_url, "SELECT datcollate FROM pg_database LIMIT 1") == "C"
    with (
        pytest.raises(WrongMajor, match="was made by PostgreSQL 16, and this is 18: use that version, or move"),
        Cluster.started(tmp_path, major=18),
    ):
        pass


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(WrongMajor, match="was made by PostgreSQL something else"), Cluster.started(tmp_path):
        pass


def test_what_initdb_left_half_made_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "PG_VERSION").write_text("18")
    with Cluster.started(tmp_path, durable=False) as server:
        assert server.running


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} is taken"), Cluster.started(tmp_path, port=port):
            pass


def test_a_setting_that_postgres_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    with (
        pytest.raises(PostgresError, match=r"did not start: .*FATAL: .*no_such_setting.*postgres\.log"),
        Cluster.started(tmp_path, durable=False, settings={"no_such_setting": "1"}),
    ):
        pass


def test_there_is_no_other_major_version() -> None:
    with pytest.raises(BinariesMissing, match="no embedded PostgreSQL 17, only 18 and 16"):
        binaries(17)


def test_a_long_path_does_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    with Cluster.started(folder, durable=False) as server:
        assert server.running
        sockets = Path(ask(server.admin_url, "SHOW unix_socket_directories"))
        assert (sockets / f".s.PGSQL.{server.port}").exists()
        server.stop()
        server.start()
    assert not sockets.exists()


STARTER = """
import sys, time
from pathlib import Path
from standalone.postgres import Cluster
with Cluster.started(Path(sys.argv[1]), port=int(sys.argv[2]), durable=False) as cluster:
    print(cluster.pid, cluster._place.identity, flush=True)
    time.sleep(60)
"""


def test_a_killed_starter_leaves_no_server_and_the_next_one_waits_for_its_end(tmp_path: Path) -> None:
    port = free_port()
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path), str(port)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    with starter.stdout as lines:
        pid = int(lines.readline().split()[0])
    starter.kill()
    starter.wait()
    with Cluster.started(tmp_path, port=port, durable=False) as server:
        assert server.running
        assert gone(pid)


def test_a_killed_guardian_leaves_no_server(tmp_path: Path) -> None:
    with Cluster.started(tmp_path, durable=False) as server:
        pid = server.pid
        assert server._program is not None
        os.kill(server._program._guard.pid, signal.SIGKILL)
        assert gone(pid)
        assert not server.running


def test_an_ordinary_user_runs_it_as_itself(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", STARTER, str(tmp_path), "0"]
    # Where the tests run as root, a user namespace is as close to another user as one gets below a 0700 folder.
    identity: Identity = "namespace" if os.geteuid() == 0 else "self"
    starter = Guarded.started(argv, stop=[(signal.SIGTERM, 20)], output=subprocess.PIPE, identity=identity)
    assert starter.output is not None
    with starter.output as lines:
        pid, ran_as = lines.readline().split()
        starter.stop()
    assert ran_as == b"self"
    assert gone(int(pid))


@only_root
def test_root_runs_it_below_a_0700_home_without_touching_anything(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    above = {folder: folder.stat().st_mode for folder in (home, *home.parents)}
    folder = home / "clone" / ".tandem" / "postgres"
    with Cluster.started(folder, durable=False) as server:
        assert ask(server.admin_url, "SELECT 1") == "1"
        assert Path(f"/proc/{server.pid}").stat().st_uid == 0
        mapped = Path(f"/proc/{server.pid}/uid_map").read_text().split()
    assert mapped == ["65534", "0", "1"]
    assert {path.stat().st_uid for path in (folder, *folder.rglob("*"))} == {0}
    assert {path: path.stat().st_mode for path in above} == above


@only_root
def test_without_user_namespaces_root_has_nobody_run_it_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    above = {folder: folder.stat().st_mode for folder in (home, *home.parents)}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        refuge = Path(folder, "refuge")

        def started(*, user_namespaces: bool) -> str:
            with Cluster.started(
                home / "postgres", durable=False, user_namespaces=user_namespaces, refuge=refuge
            ) as server:
                with server.admin() as connection:
                    connection.execute("CREATE TABLE IF NOT EXISTS kept ()")
                assert ask(server.admin_url, "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'") == "1"
                assert Path(f"/proc/{server.pid}").stat().st_uid == 65534
                return ask(server.admin_url, "SHOW data_directory")

        data = Path(started(user_namespaces=False))
        assert data.is_relative_to(refuge)
        assert data.stat().st_mode & 0o777 == 0o700
        # It stays where it is, also when user namespaces are allowed later.
        assert Path(started(user_namespaces=True)) == data
    assert {path: path.stat().st_mode for path in above} == above


@only_root
def test_data_that_is_elsewhere_goes_with_its_folder(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as reachable:
        Path(reachable).chmod(0o755)
        refuge = Path(reachable, "refuge")

        def tables(folder: Path, *, make: bool = False) -> str:
            with Cluster.started(folder, durable=False, user_namespaces=False, refuge=refuge) as server:
                if make:
                    with server.admin() as connection:
                        connection.execute("CREATE TABLE kept ()")
                return ask(server.admin_url, "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'")

        folder, moved = tmp_path / "postgres", tmp_path / "moved"
        assert tables(folder, make=True) == "1"
        folder.rename(moved)
        assert tables(moved) == "1"
        assert tables(folder) == "0", "another folder is another cluster"
        shutil.rmtree(moved)
        assert tables(moved) == "0", "whoever removes it begins anew, with another password"
        shutil.rmtree(refuge)
        with pytest.raises(PostgresError, match="is not there any more"):
            tables(moved)


@only_root
def test_data_that_nobody_can_reach_is_said_to_need_user_namespaces(tmp_path: Path) -> None:
    with Cluster.started(tmp_path / "postgres", durable=False):
        pass
    with (
        pytest.raises(PostgresError, match="made with user namespaces, which this machine refuses now"),
        Cluster.started(tmp_path / "postgres", user_namespaces=False, refuge=tmp_path / "refuge"),
    ):
        pass


@only_root
def test_a_refuge_that_nobody_can_reach_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    with (
        pytest.raises(PostgresError, match="refuses to run as root, and as nobody it cannot be run in"),
        Cluster.started(tmp_path / "postgres", user_namespaces=False, refuge=tmp_path / "home" / "refuge"),
    ):
        pass
