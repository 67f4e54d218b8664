"""Ids, page tokens, settings, outcomes: the small things that everything stands on."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, RequestInfo, RetryInfo
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from chassis.config import ConfigError, SecretKey, Settings, read
from chassis.database import DatabaseSettings
from chassis.errors import FieldViolation, InvalidArgument, Unavailable
from chassis.etags import EtagMismatch
from chassis.ids import new_id, parse_id
from chassis.pages import BadPageToken, PageTokens, size_of_page
from chassis.secret import derived_key
from chassis.status import status_of
from chassis.telemetry import TelemetrySettings


def test_ids_are_uuids_of_version_7_in_the_order_of_their_milliseconds() -> None:
    ids = [new_id() for _ in range(1000)]
    assert {one.version for one in ids} == {7}
    assert len(set(ids)) == 1000
    assert [one.int >> 80 for one in ids] == sorted(one.int >> 80 for one in ids)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 36,
        "01a1f95342b2746c8b1e5c1d9bd380a1",
        "{01a1f953-42b2-746c-8b1e-5c1d9bd38}",
        "urn:01a1f95342b2746c8b1e5c1d9bd380a1",
        "01a1f95342b2746c8b1e5c1d9bd380a1----",
        "01a1f953-42b2-746c-8b1e-5c1d9bd380a\uff11",
    ],
)
def test_an_id_has_one_spelling(text: str) -> None:
    assert parse_id(text) is None


@given(st.lists(st.text(), max_size=4), st.lists(st.integers() | st.text(alphabet="abc"), max_size=3))
def test_a_page_token_gives_back_its_cursor(question: list[str], cursor: list[str | int]) -> None:
    pages = PageTokens(b"k" * 32)
    assert pages.read(question, pages.issue(question, cursor)) == cursor


@given(st.text(max_size=80))
def test_what_is_no_page_token_is_refused(text: str) -> None:
    with pytest.raises(BadPageToken):
        PageTokens(b"k" * 32).read(["question"], text)


def test_a_page_token_is_bound_to_question_and_key() -> None:
    token = PageTokens(b"k" * 32).issue(["a", "b"], [1])
    for key, question in (
        (b"k" * 32, ["a"]),
        (b"k" * 32, ["ab"]),
        (b"k" * 32, ["a", "b", ""]),
        (b"x" * 32, ["a", "b"]),
    ):
        with pytest.raises(BadPageToken):
            PageTokens(key).read(question, token)


def test_sizes_of_pages() -> None:
    assert [size_of_page(asked) for asked in (0, 1, 100, 101)] == [20, 1, 100, 100]


def test_a_status_fits_into_its_trailers_in_any_script() -> None:
    violations = [FieldViolation("\U0001f600" * 500, "\U0001f600" * 500) for _ in range(20)]
    status = status_of(InvalidArgument(*violations), domain="test", request_id="r")
    assert len(quote(status.message)) + len(status.SerializeToString()) * 4 / 3 < 8192


def test_keys_for_different_purposes_differ() -> None:
    keys = {derived_key(b"s" * 32, "a"), derived_key(b"s" * 32, "b"), derived_key(b"s" * 32, "a", salt=b"x")}
    assert len(keys) == 3


class Example(Settings):
    model_config = SettingsConfigDict(env_prefix="EXAMPLE_")

    needed: str
    also_needed: str
    number: int = 1
    secret: SecretKey | None = None


def test_everything_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_NUMBER", "many")
    with pytest.raises(ConfigError) as caught:
        read(Example)
    assert str(caught.value).startswith("missing EXAMPLE_NEEDED, EXAMPLE_ALSO_NEEDED; EXAMPLE_NUMBER: ")


def test_a_setting_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "needed").write_text("from a file\n")
    monkeypatch.setenv("EXAMPLE_NEEDED_FILE", str(tmp_path / "needed"))
    monkeypatch.setenv("EXAMPLE_ALSO_NEEDED", "x")
    assert read(Example).needed == "from a file"
    monkeypatch.setenv("EXAMPLE_NEEDED", "from the environment")
    assert read(Example).needed == "from the environment"
    monkeypatch.delenv("EXAMPLE_NEEDED")
    for content, problem in ((b"", "it is empty"), (b"\n", "it is empty"), (b"\xff", "it is not UTF-8")):
        (tmp_path / "needed").write_bytes(content)
        with pytest.raises(ConfigError, match=f"EXAMPLE_NEEDED_FILE: cannot read .*: {problem}"):
            read(Example, also_needed="y")
    monkeypatch.setenv("EXAMPLE_NEEDED_FILE", str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match="EXAMPLE_NEEDED_FILE: cannot read"):
        read(Example)


def test_a_setting_with_a_name_of_its_own_has_a_file_of_that_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "endpoint").write_text("http://collector:4317\n")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT_FILE", str(tmp_path / "endpoint"))
    monkeypatch.setenv("ENDPOINT_FILE", str(tmp_path / "gone"))
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert read(TelemetrySettings).endpoint == "http://collector:4317"
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "paper")
    with pytest.raises(ConfigError, match=r"^OTEL_METRICS_EXPORTER: "):
        read(TelemetrySettings)


def test_secrets_do_not_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAMPLE_SECRET", "c2VjcmV0")
    with pytest.raises(ConfigError) as caught:
        read(Example, needed="x", also_needed="y")
    assert str(caught.value) == "EXAMPLE_SECRET: must be at least 32 random bytes in base64url"
    for url in ("postgresql://u:hunter2/d", "postgresql://u:p@ss:hunter2@h:5432/d", "hunter2"):
        monkeypatch.setenv("DATABASE_URL", url)
        with pytest.raises(ConfigError, match=r"^DATABASE_URL: is not a URL$"):
            read(DatabaseSettings)
    settings = DatabaseSettings(database_url=SecretStr("postgresql://u:hunter2@h/d"))
    assert "hunter2" not in repr(settings)
    assert settings.database_url.get_secret_value() == "postgresql+psycopg://u:hunter2@h/d"


def test_a_status_has_one_error_info_and_what_else_there_is_to_say() -> None:
    wrong = status_of(InvalidArgument(FieldViolation("a.b", "is wrong")), domain="test", request_id="r")
    assert [detail.TypeName() for detail in wrong.details] == [
        ErrorInfo.DESCRIPTOR.full_name,
        BadRequest.DESCRIPTOR.full_name,
        RequestInfo.DESCRIPTOR.full_name,
    ]
    assert wrong.message == "a.b: is wrong"
    stale = status_of(EtagMismatch(current="2"), domain="test", request_id="")
    failure = PreconditionFailure()
    assert stale.details[1].Unpack(failure)
    assert failure.violations[0].type == "ETAG"
    away = status_of(Gone(retry_after=timedelta(seconds=2)), domain="test", request_id="")
    retry = RetryInfo()
    assert away.details[1].Unpack(retry)
    assert retry.retry_delay.seconds == 2
    assert away.message == "Somebody took it away."


class Gone(Unavailable):
    """Somebody took it away."""

    reason = "TEST_GONE"
