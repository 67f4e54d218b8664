"""Service accounts, as far as they can be looked at without a database."""

import hmac
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from chassis.config import ConfigError, read
from chassis.ids import new_id
from chassis.secret import Secret
from identity_service.__main__ import main
from identity_service.config import ProvisionSettings
from identity_service.service_accounts.domain import (
    InvalidScope,
    KeptSecret,
    Provision,
    ServiceAccount,
    ServiceAccountId,
    digest_of,
    is_one_of,
    surplus,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ACCOUNT = ServiceAccount(
    id=ServiceAccountId(new_id()),
    name="robot",
    description="",
    scopes=frozenset({"work.read", "work.write"}),
    audiences=frozenset({"work"}),
    disabled=False,
    create_time=NOW,
    update_time=NOW,
)


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("", {"work.read", "work.write"}),
        ("   ", {"work.read", "work.write"}),
        ("work.read", {"work.read"}),
        (" work.read  work.read ", {"work.read"}),
        ("work.write work.read", {"work.read", "work.write"}),
    ],
)
def test_a_token_holds_what_was_asked_for(asked: str, granted: set[str]) -> None:
    assert ACCOUNT.granted(asked) == granted


@pytest.mark.parametrize("asked", ["identity.read", "work.read identity.read", "work", "WORK.READ", "work.read\twork"])
def test_a_scope_that_the_account_does_not_have_is_refused(asked: str) -> None:
    with pytest.raises(InvalidScope) as caught:
        ACCOUNT.granted(asked)
    assert [violation.field for violation in caught.value.violations] == ["scope"]


def test_a_secret_is_one_of_those_that_work() -> None:
    digests = [digest_of("old"), digest_of("new")]
    assert is_one_of("old", digests)
    assert is_one_of("new", digests)
    assert not is_one_of("other", digests)
    assert not is_one_of("", [])


@pytest.mark.parametrize("digests", [[], [digest_of("a")], [digest_of("a"), digest_of("b")]])
def test_every_answer_costs_the_same_comparisons(digests: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    for secret in ("a", "b", "c"):
        compared.clear()
        is_one_of(secret, digests)
        assert len(compared) == 2


def kept(age: int, *, expires: int | None = None) -> KeptSecret:
    """Made `age` hours ago, expiring in so many hours."""
    hour = timedelta(hours=1)
    return KeptSecret(new_id(), b"", NOW - age * hour, None if expires is None else NOW + expires * hour)


def test_there_is_room_for_two() -> None:
    oldest, older, newest, expired = kept(3), kept(2), kept(1), kept(0, expires=0)
    assert surplus([], now=NOW) == []
    assert surplus([newest], now=NOW) == []
    assert surplus([older, newest], now=NOW) == [older]
    assert surplus([newest, oldest, older], now=NOW) == [oldest, older]
    assert surplus([newest, expired], now=NOW) == [expired]


@pytest.mark.parametrize("secret", ["x" * 47, "tds_" + "x" * 42, "tds_" + "x" * 253, "tds_" + "x" * 42 + " "])
def test_a_secret_that_could_be_guessed_is_refused_and_not_shown(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_DATABASE_URL", "postgresql://u@h/d")
    monkeypatch.setenv("IDENTITY_SERVICE_ACCOUNT_SECRET", secret)
    with pytest.raises(ConfigError) as caught:
        read(ProvisionSettings)
    assert str(caught.value) == (
        "IDENTITY_SERVICE_ACCOUNT_SECRET: must be tds_ and at least 32 random bytes in base64url"
    )


def test_secrets_do_not_print() -> None:
    wanted = Provision(name="a", scopes=frozenset(), audiences=frozenset(), secret=Secret("hunter2"))
    settings = ProvisionSettings(
        database_url=SecretStr("postgresql://u@h/d"), service_account_secret=SecretStr("tds_" + "hunter2" * 7)
    )
    assert "hunter2" not in f"{wanted!r} {settings!r}"


@pytest.mark.parametrize("name", ["", "a", "-a", "a-", "A1", "1a", "a" * 65, "a b", "tandem", "a_b"])
def test_a_name_that_cannot_be_one_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["provision-service-account", name, "--scope", "work.read", "--audience", "work"])
    assert caught.value.code == 2
    assert "cannot be the name" in capsys.readouterr().err or name.startswith("-")


@pytest.mark.parametrize(
    "words", [["--scope", "all", "--audience", "work"], ["--audience", "work"], ["--scope", "work.read"]]
)
def test_a_scope_and_an_audience_that_exist_are_needed(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["provision-service-account", "robot", *words])
