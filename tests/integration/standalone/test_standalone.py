import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from standalone.keeping import is_alive
from standalone.ports import free_port, is_free
from standalone.postgres import Cluster
from tests.support.databases import Databases

READY = "Ctrl-C stops it"
LIMIT_S = 120


@dataclass
class Run:
    """`python -m standalone`, and what it has said so far."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_until_it_says(self, text: str) -> None:
        until = time.monotonic() + LIMIT_S
        while text not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.05)

    def ends(self) -> int:
        return self.process.wait(LIMIT_S)

    def processes(self) -> dict[int, str]:
        """Everything that it has started, by process id, with its command line."""
        found: dict[int, str] = {}
        todo = [self.process.pid]
        while todo:
            pid = todo.pop()
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                for task in Path(f"/proc/{pid}/task").iterdir():
                    todo += [int(child) for child in (task / "children").read_text().split()]
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        return found


@dataclass
class Ports:
    gateway: int
    identity: int
    work: int
    postgres: int

    def settings(self) -> dict[str, str]:
        return {
            "GATEWAY_LISTEN": f"127.0.0.1:{self.gateway}",
            "IDENTITY_LISTEN": f"127.0.0.1:{self.identity}",
            "WORK_LISTEN": f"127.0.0.1:{self.work}",
            "TANDEM_POSTGRES_PORT": str(self.postgres),
        }

    def all(self) -> list[int]:
        return [self.gateway, self.identity, self.work, self.postgres]


@pytest.fixture
def ports() -> Ports:
    return Ports(free_port(), free_port(), free_port(), free_port())


Start = Callable[..., Run]


def create_admin(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "standalone", "create-admin", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)


@pytest.fixture
def start(tmp_path: Path, ports: Ports, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start it on `tmp_path/home` and free ports, in a process group of its own as a shell would."""
    runs: list[Run] = []
    monkeypatch.setenv("TANDEM_ENV_FILE", "/dev/null")
    monkeypatch.setenv("TANDEM_HOME", str(tmp_path / "home"))
    for name in ("IDENTITY_DATABASE_URL", "WORK_DATABASE_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ports.settings().items():
        monkeypatch.setenv(name, value)

    def start(settings: Mapping[str, str] | None = None) -> Run:
        for name, value in (settings or {}).items():
            monkeypatch.setenv(name, value)
        log = tmp_path / f"run-{len(runs)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "standalone"], stdout=file, stderr=file, start_new_session=True
            )
        runs.append(Run(process, log))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.terminate()
            run.ends()


def post(port: int, path: str, body: object, token: str | None = None) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def nothing_is_left(processes: Mapping[int, str], ports: list[int]) -> None:
    until = time.monotonic() + 10
    while (left := {pid: words for pid, words in processes.items() if is_alive(pid)}) and time.monotonic() < until:
        time.sleep(0.02)
    assert left == {}
    assert [port for port in ports if not is_free("127.0.0.1", port)] == []


def test_one_command_starts_everything_and_one_ctrl_c_ends_it(start: Start, ports: Ports, tmp_path: Path) -> None:
    run = start()
    run.wait_until_it_says(READY)

    # What it says to paste works.
    script = run.said.split("-" * 80)[1]
    pasted = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=False)
    assert pasted.returncode == 0, pasted.stderr
    *_, task = [json.loads(line) for line in pasted.stdout.splitlines()]
    assert (task["number"], task["status"]) == (1, "IN_PROGRESS")
    # Each line of a process is marked as its own.
    assert "\nwork     | {" in run.said
    assert "\nidentity | {" in run.said
    # Mail is written down, and the link in it can be used from here.
    run.wait_until_it_says("/verify-email#token=")
    link = re.search(r'"link":"http://localhost:\d+/verify-email#token=(tdm_[\w-]+)"', run.said)
    assert link is not None
    (mail,) = (tmp_path / "home" / "mail").glob("*.eml")
    assert mail.stat().st_mode & 0o777 == 0o600
    assert post(ports.gateway, "/api/v1/auth:verifyEmail", {"token": link[1]}) == (200, {"email": "ada@example.com"})
    # No secret is ever printed.
    for secret in (tmp_path / "home" / "secrets").iterdir():
        assert secret.read_text() not in run.said
        assert secret.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700

    # A second run on the same data is refused, and disturbs nothing.
    second = start()
    assert second.ends() == 1
    assert second.said == (
        f"tandem: Tandem is running already (process {run.process.pid}) on {tmp_path / 'home'}: "
        "stop it, or give this one another folder with TANDEM_HOME\n"
    )

    processes = run.processes()
    assert sum("identity_service" in words for words in processes.values()) >= 1
    os.killpg(run.process.pid, signal.SIGINT)  # what a terminal does
    assert run.ends() == 0, run.said
    assert run.said.endswith("stopped\n")
    stopping = run.said.split("\nstopping\n")[1]
    assert "Traceback" not in run.said
    stopped = re.findall(r'^(\w+) +\| .*"event":"stopped"', stopping, re.MULTILINE)
    assert stopped.index("work") < stopped.index("identity")
    nothing_is_left(processes, ports.all())

    # The next run finds what was made. A process that dies ends it, and is named.
    again = start()
    again.wait_until_it_says(READY)
    status, answer = post(
        ports.gateway, "/api/v1/auth/login", {"email": "ada@example.com", "password": "correct horse battery"}
    )
    assert status == 200
    assert post(ports.gateway, "/api/v1/projects", {"title": "W", "slug": "web"}, str(answer["accessToken"]))[0] == 409
    processes = again.processes()
    work = next(pid for pid, words in processes.items() if words.endswith("-m work_service "))
    os.kill(work, signal.SIGKILL)
    assert again.ends() == 1
    assert again.said.endswith("tandem: work was ended by SIGKILL\n")
    nothing_is_left(processes, ports.all())


def test_a_killed_supervisor_leaves_nothing_and_with_one_database_url_the_embedded_one_serves_the_other(
    start: Start, ports: Ports, databases: Databases, tmp_path: Path
) -> None:
    run = start({"WORK_DATABASE_URL": databases.empty()})
    run.wait_until_it_says(READY)
    assert (tmp_path / "home" / "postgres" / "data").exists()
    assert not (tmp_path / "home" / "secrets" / "work-database-password").exists()
    processes = run.processes()
    run.process.kill()
    run.ends()
    nothing_is_left(processes, ports.all())


def test_with_both_database_urls_nothing_is_embedded(start: Start, databases: Databases, tmp_path: Path) -> None:
    run = start({"IDENTITY_DATABASE_URL": databases.empty(), "WORK_DATABASE_URL": databases.empty()})
    run.wait_until_it_says("work: ok")
    run.process.terminate()
    assert run.ends() == 0
    assert not (tmp_path / "home" / "postgres").exists()


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("gateway", "GATEWAY_LISTEN"),
        ("identity", "IDENTITY_LISTEN"),
        ("work", "WORK_LISTEN"),
        ("postgres", "TANDEM_POSTGRES_PORT"),
    ],
)
def test_a_taken_port_is_named_with_the_setting_that_changes_it(
    start: Start, ports: Ports, name: str, setting: str
) -> None:
    port = getattr(ports, name)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        run = start()
        assert run.ends() == 1
    complaint = run.said.splitlines()[-1]
    assert complaint.startswith(f"tandem: port {port} is taken: set {setting} to a free one")
    assert "Traceback" not in run.said


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://work:hush@127.0.0.1:{port}/work", "WORK_DATABASE_URL: cannot connect: connection failed:"),
        ("mysql://work:hush@127.0.0.1/work", "WORK_DATABASE_URL must begin with postgresql://, not mysql://"),
        ("hush", "WORK_DATABASE_URL is not the URL of a database"),
    ],
)
def test_a_database_that_cannot_be_used_is_named(start: Start, url: str, complaint: str) -> None:
    run = start({"WORK_DATABASE_URL": url.format(port=free_port())})
    assert run.ends() == 1
    assert run.said.splitlines()[-1].startswith(f"tandem: {complaint}")
    assert "Traceback" not in run.said
    assert "hush" not in run.said


def test_a_setting_in_a_file_that_is_not_there_is_named(start: Start) -> None:
    run = start({"WORK_DATABASE_URL_FILE": "/nothing"})
    assert run.ends() == 1
    assert run.said == "tandem: WORK_DATABASE_URL_FILE: cannot read /nothing: No such file or directory\n"


def test_data_of_another_major_version_is_named(start: Start, tmp_path: Path) -> None:
    with Cluster.started(tmp_path / "home" / "postgres", major=16, durable=False):
        pass
    run = start()
    assert run.ends() == 1
    assert "was made by PostgreSQL 16, and this is 18" in run.said.splitlines()[-1]


def test_ctrl_c_while_starting_ends_it_too(start: Start, ports: Ports) -> None:
    run = start()
    run.wait_until_it_says("migrate  |")
    processes = run.processes()
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.ends() == 0
    nothing_is_left(processes, ports.all())


def test_the_first_administrator_is_made_by_copy_and_paste(start: Start, ports: Ports) -> None:
    early = create_admin("grace@example.com")
    assert (early.returncode, early.stdout) == (1, "")
    assert early.stderr.endswith("start it first, with `make run`\n")
    start().wait_until_it_says(READY)
    made = create_admin("grace@example.com", "--full-name", "Grace Hopper")
    assert made.returncode == 0, made.stderr
    (pasted,) = [line for line in made.stdout.splitlines() if line.startswith("  curl ")]
    password = "correct horse battery staple"
    script = f"""
      set -eu
      {pasted.replace("...", password)}
      curl -sS http://localhost:{ports.gateway}/api/v1/auth/login -H 'Content-Type: application/json' \\
        -d '{{"email": "grace@example.com", "password": "{password}"}}' >login
      TOKEN=$({sys.executable} -c 'import json; print(json.load(open("login"))["accessToken"])')
      curl -sS http://localhost:{ports.gateway}/api/v1/users -H "Authorization: Bearer $TOKEN"
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    (grace,) = json.loads(done.stdout[done.stdout.index('{"users"') :])["users"]
    assert (grace["fullName"], grace["role"], grace["emailVerified"]) == ("Grace Hopper", "ADMIN", True)
