import socket
from pathlib import Path

import pytest

from chassis.config import ConfigError, read
from standalone.postgres import Cluster
from standalone.settings import Address, StandaloneSettings, child_environment, user_environment


@pytest.mark.parametrize(
    ("text", "reached_at"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("localhost:8080", "localhost:8080"),
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("[::]:8080", "[::1]:8080"),
        ("[::1]:8080", "[::1]:8080"),
    ],
)
def test_an_address_is_reached_at(text: str, reached_at: str) -> None:
    assert str(Address.parsed("GATEWAY_LISTEN", text)) == reached_at


@pytest.mark.parametrize("text", ["", "8080", ":8080", "localhost", "localhost:", "localhost:http", "h:0", "h:65536"])
def test_refuses_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match=r"GATEWAY_LISTEN: .* is not HOST:PORT"):
        Address.parsed("GATEWAY_LISTEN", text)


def test_a_port_is_free_until_somebody_listens() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = Address("GATEWAY_LISTEN", "127.0.0.1", listener.getsockname()[1])
        assert not address.is_free()
    assert address.is_free()


def test_an_address_that_nobody_can_have_is_not_called_taken() -> None:
    with pytest.raises(ConfigError, match=r"GATEWAY_LISTEN: cannot listen on 203\.0\.113\.1:8080: "):
        Address("GATEWAY_LISTEN", "203.0.113.1", 8080).is_free()


def test_a_process_is_told_nothing_that_is_meant_for_another() -> None:
    user = {"HOME": "/h", "IDENTITY_SECRET_KEY": "i", "WORK_SECRET_KEY": "w", "TANDEM_HOME": "t", "OTEL_X": "o"}
    told = child_environment(user, "work", {"WORK_LISTEN": "127.0.0.1:1"})
    assert told == {
        "HOME": "/h",
        "WORK_SECRET_KEY": "w",
        "OTEL_X": "o",
        "WORK_LISTEN": "127.0.0.1:1",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.mark.parametrize("name", ["WORK_SECRET_KEY", "WORK_SECRET_KEY_FILE"])
def test_what_the_user_says_wins(name: str) -> None:
    told = child_environment({name: "mine"}, "work", {"WORK_SECRET_KEY": "generated"})
    assert told == {name: "mine", "PYTHONUNBUFFERED": "1"}


def test_an_empty_setting_is_none() -> None:
    told = child_environment({"WORK_SECRET_KEY": ""}, "work", {"WORK_SECRET_KEY": "generated"})
    assert told["WORK_SECRET_KEY"] == "generated"


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("WORK_LISTEN=1.2.3.4:1\nGATEWAY_LISTEN='1.2.3.4:2'\n")
    monkeypatch.setenv("TANDEM_ENV_FILE", str(tmp_path / ".env"))
    monkeypatch.setenv("WORK_LISTEN", "127.0.0.1:1")
    monkeypatch.setenv("GATEWAY_LISTEN", "")
    monkeypatch.delenv("GATEWAY_LISTEN")
    user = user_environment()
    monkeypatch.setenv("GATEWAY_LISTEN", user["GATEWAY_LISTEN"])  # so that it is gone after this test
    assert user["WORK_LISTEN"] == "127.0.0.1:1"
    assert user["GATEWAY_LISTEN"] == "1.2.3.4:2"


def test_a_file_that_the_environment_names_wins_over_the_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("WORK_CLIENT_SECRET=from-the-env-file\n")
    monkeypatch.setenv("TANDEM_ENV_FILE", str(tmp_path / ".env"))
    monkeypatch.delenv("WORK_CLIENT_SECRET", raising=False)
    monkeypatch.setenv("WORK_CLIENT_SECRET_FILE", "/run/secrets/work")
    assert "WORK_CLIENT_SECRET" not in user_environment()


def test_tokens_are_issued_where_the_gateway_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LISTEN", "127.0.0.1:9090")
    assert read(StandaloneSettings).issuer == "http://localhost:9090"
    monkeypatch.setenv("IDENTITY_ISSUER", "https://tandem.example")
    assert read(StandaloneSettings).issuer == "https://tandem.example"


def test_a_password_in_a_url_may_hold_anything(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, port=5432)
    assert cluster.url("work", "work", "a/b@c:d%") == "postgresql+psycopg://work:a%2Fb%40c%3Ad%25@127.0.0.1:5432/work"
