import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import psycopg
import pytest
from alembic import command
from alembic.util import CommandError

from migrations import SECTIONS, Section, check, configured, queue_key, upgrade
from migrations.__main__ import main
from standalone.postgres import Cluster
from tests.support.databases import Databases


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDENTITY_DATABASE_URL", "WORK_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_migrations_make_the_tables_that_the_service_declares(databases: Databases, section: Section) -> None:
    url = databases.empty()
    with pytest.raises(CommandError, match="not up to date"):
        check(section, url)
    upgrade(section, url)
    check(section, url)
    upgrade(section, url)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_first_migration_can_be_undone(databases: Databases, section: Section) -> None:
    url = databases.empty()
    upgrade(section, url)
    command.downgrade(configured(section, url), "base")
    upgrade(section, url)
    check(section, url)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_database_that_a_later_version_has_migrated_stays_as_it_is(
    databases: Databases, section: Section, caplog: pytest.LogCaptureFixture
) -> None:
    url = databases.empty()
    upgrade(section, url)
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    upgrade(section, url)
    assert caplog.messages[-1] == f"{section}: ahead of this version (9999)"


def test_a_deleted_service_account_does_not_come_back_with_the_version_before(databases: Databases) -> None:
    """Its secrets were good there."""
    url = databases.empty()
    upgrade("identity", url)
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        for deleted in (True, True, False):
            connection.execute(
                "INSERT INTO service_accounts (id, name, scopes, audiences, create_time, update_time, delete_time)"
                " VALUES (uuidv7(), 'work', '{}', '{}', now(), now(), CASE WHEN %s THEN now() END)",
                [deleted],
            )
    command.downgrade(configured("identity", url), "0002")
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT count(*) FROM service_accounts").fetchone() == (1,)


def test_migrators_that_come_together_queue(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_DATABASE_URL", databases.empty())
    monkeypatch.setenv("WORK_DATABASE_URL", databases.empty())
    argv = [sys.executable, "-m", "migrations"]
    crowd = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [migrator.communicate(timeout=60) for migrator in crowd]
    assert [migrator.returncode for migrator in crowd] == [0, 0, 0], said
    assert {out for out, _ in said} == {"identity: ok\nwork: ok\n"}
    assert sum(err.count("Running upgrade  -> 0001") for _, err in said) == 2  # one of them did the work of each


def test_a_role_made_for_requests_does_not_hurry_its_migrations(databases: Databases, cluster: Cluster) -> None:
    url = databases.empty()
    with cluster.admin() as admin, psycopg.connect(url.replace("+psycopg", "")) as rival:
        admin.execute(f'ALTER ROLE "{url.rpartition("/")[2]}" SET lock_timeout = 1'.encode())
        rival.execute("SELECT pg_advisory_xact_lock(%s)", [queue_key("work")])
        migrator = threading.Thread(target=upgrade, args=("work", url))
        migrator.start()
        waiting = (
            "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE datname = %s AND NOT granted"
        )
        while admin.execute(waiting, [url.rpartition("/")[2]]).fetchone() == (0,):
            assert migrator.is_alive()
            time.sleep(0.01)
        rival.commit()
        migrator.join(30)
    check("work", url)


@pytest.mark.parametrize(
    ("arguments", "environment", "complaint"),
    [
        ([], {}, "nothing to do: neither IDENTITY_DATABASE_URL nor WORK_DATABASE_URL is set"),
        ([], {"WORK_DATABASE_URL": "hush"}, "WORK_DATABASE_URL is not a URL of a database"),
        ([], {"WORK_DATABASE_URL": "postgresql://w:hush/w"}, "WORK_DATABASE_URL is not a URL of a database"),
        ([], {"WORK_DATABASE_URL": "postgresql://w:hush@127.0.0.1:1/w"}, "WORK_DATABASE_URL: connection failed"),
        ([], {"WORK_DATABASE_URL_FILE": "/nothing"}, "WORK_DATABASE_URL_FILE: cannot read /nothing"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: Sequence[str],
    environment: dict[str, str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(list(arguments)) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"migrations: {complaint}")
    assert said.count("\n") == 1
    assert "hush" not in said


def test_a_database_that_is_behind_fails_the_check(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORK_DATABASE_URL", databases.empty())
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "migrations: work: Target database is not up to date.\n"
    assert main([]) == 0
    assert main(["check"]) == 0
    assert "work: ok" in capsys.readouterr().out


def test_the_sql_can_be_printed_without_a_database(capsys: pytest.CaptureFixture[str]) -> None:
    config = configured("work", "postgresql://nowhere")
    command.upgrade(config, "head", sql=True)
    assert "CREATE TABLE" in capsys.readouterr().out
