import io
import signal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from standalone.__main__ import Addresses, client_secret, interruptions, look_after, main, programs, provisioning
from standalone.reloading import watching
from standalone.settings import Address, StandaloneSettings
from standalone.supervisor import CannotStart, Changed, Died, Interrupted, Output, Program, Supervisor
from standalone.welcome import welcome

PROGRAM = Program("any", ["any"], {"SECRET": "hush"}, Path("/"))


class Scripted(Supervisor):
    """Plays a list of happenings, writes down what is done."""

    def __init__(self, *happenings: object) -> None:
        super().__init__(Output(io.StringIO()))
        self.script = list(happenings)
        self.done: list[str] = []

    def happening(self, within_s: float | None) -> Changed | None:  # noqa: ARG002 - the script knows
        event = self.script.pop(0)
        if isinstance(event, Exception):
            raise event
        assert event is None or isinstance(event, Changed)
        return event

    def stop(self) -> None:
        self.done.append("stop")

    def start(self, programs: Any) -> None:  # noqa: ARG002 - the script knows
        self.done.append("start")

    def run(self, program: Program) -> None:  # noqa: ARG002 - the script knows
        self.done.append("migrate")


def looked_after(supervisor: Scripted, *, reload: bool) -> str:
    said = io.StringIO()
    look_after(supervisor, None, [PROGRAM], PROGRAM, Output(said), reload=reload)
    return said.getvalue()


def test_a_change_restarts_the_processes() -> None:
    supervisor = Scripted(Changed([Path("/p/gateway/app.py")]), None, Interrupted())
    with pytest.raises(Interrupted):
        looked_after(supervisor, reload=True)
    assert supervisor.done == ["stop", "start"]


def test_a_changed_migration_is_applied() -> None:
    supervisor = Scripted(Changed([Path("/p/migrations/work/versions/0002_x.py")]), Interrupted())
    with pytest.raises(Interrupted):
        looked_after(supervisor, reload=True)
    assert supervisor.done == ["stop", "migrate", "start"]


def test_a_death_ends_everything() -> None:
    with pytest.raises(Died, match="work ended with exit code 2"):
        looked_after(Scripted(Died("work", 2)), reload=False)


def test_while_developing_a_death_is_waited_out() -> None:
    supervisor = Scripted(Died("work", 2), Changed([Path("/p/a.py")]), Interrupted())
    with pytest.raises(Interrupted):
        looked_after(supervisor, reload=True)
    assert supervisor.done == ["stop", "start"]


def test_a_saved_file_is_noticed(tmp_path: Path) -> None:
    supervisor = Supervisor(Output(io.StringIO()))
    for name in ("chassis", "identity_service", "work_service", "gateway", "migrations", "protos"):
        (tmp_path / name).mkdir()
    with watching(supervisor.events, tmp_path):
        change = None
        for attempt in range(100):  # until it watches
            (tmp_path / "gateway" / "app.py").write_text(f"a = {attempt}")
            (tmp_path / "gateway" / "notes.txt").write_text("not a source file")
            change = supervisor.happening(0.2)
            if change is not None:
                break
    assert change is not None
    assert change.paths == [tmp_path / "gateway" / "app.py"]


def test_reloading_without_its_tool_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "watchfiles", None)
    with (
        pytest.raises(CannotStart, match="needs the package watchfiles"),
        watching(Supervisor(Output(io.StringIO())).events),
    ):
        pass


def test_signals_are_ours_only_for_as_long_as_we_run() -> None:
    before = signal.getsignal(signal.SIGTERM)
    supervisor = Supervisor(Output(io.StringIO()))
    with interruptions(supervisor):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(Interrupted):
        supervisor.happening(1)


def test_secrets_do_not_print() -> None:
    assert "hush" not in repr(PROGRAM)


def test_a_setting_that_makes_no_sense_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TANDEM_ENV_FILE", "/dev/null")
    monkeypatch.setenv("TANDEM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TANDEM_POSTGRES_PORT", "many")
    assert main([]) == 1
    said = capsys.readouterr().err
    assert said.startswith("tandem: TANDEM_POSTGRES_PORT: ")
    assert said.count("\n") == 1


def test_the_welcome_says_where_everything_is() -> None:
    gateway, identity, work = (Address("X", "127.0.0.1", port) for port in (1, 2, 3))
    text = welcome(gateway, identity, work, Path("/somewhere/mail"))
    assert "http://127.0.0.1:1\n" in text
    assert "grpcurl -plaintext 127.0.0.1:3 list" in text


@pytest.mark.parametrize("name", ["GATEWAY_REFLECT", "GATEWAY_REFLECT_FILE"])
def test_a_gateway_that_asks_the_servers_is_told_no_contract(name: str) -> None:
    at = Address.parsed("X", "127.0.0.1:1")
    *_, by_file = programs({}, Addresses(at, at, at), "http://localhost", {})
    *_, by_reflection = programs({name: "127.0.0.1:1"}, Addresses(at, at, at), "http://localhost", {})
    assert set(by_file.env) - set(by_reflection.env) == {"GATEWAY_DESCRIPTORS", "GATEWAY_UPSTREAMS"}


def test_work_is_provisioned_with_the_secret_that_it_is_told(tmp_path: Path) -> None:
    made = client_secret(StandaloneSettings(), tmp_path)
    assert made.startswith("tds_")
    assert len(made) == 47
    assert client_secret(StandaloneSettings(), tmp_path) == made
    assert client_secret(StandaloneSettings(work_client_secret=SecretStr("tds_mine")), tmp_path) == "tds_mine"

    defaults = {"WORK_CLIENT_ID": "worker", "WORK_CLIENT_SECRET": made, "IDENTITY_DATABASE_URL": "postgresql://h/d"}
    user = {"IDENTITY_SERVICE_ACCOUNT_SECRET": "other", "IDENTITY_SERVICE_ACCOUNT_SECRET_FILE": "/other"}
    program = provisioning(user, defaults)
    assert "worker" in program.argv
    assert made not in " ".join(program.argv), "other users of the machine see those"
    assert program.env["IDENTITY_DATABASE_URL"] == "postgresql://h/d"
    assert program.env["IDENTITY_SERVICE_ACCOUNT_SECRET"] == made
    assert not program.env["IDENTITY_SERVICE_ACCOUNT_SECRET_FILE"]
    assert not any(name.startswith("WORK_") for name in program.env)
