"""The benchmark measures what it says: every case is answered, and every process is found."""

import subprocess
import sys

import pytest

from standalone.settings import PROJECT
from tests.bench.cases import holds

pytestmark = pytest.mark.timeout(180)  # a whole system, on whatever machine


def bench(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.bench", *options], cwd=PROJECT, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process costs is read from /proc")
def test_a_small_run_has_an_answer_for_every_case() -> None:
    done = bench("--smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    *_, heading, first, second, third, fourth, fifth, sixth = done.stdout.splitlines()
    assert heading.split() == [
        *("case", "requests", "per", "s", "errors"),
        *("gateway", "work", "identity", "postgres", "standalone", "client"),
    ]
    for line, name in zip(
        (first, second, third, fourth, fifth, sixth),
        (f"{door} {rpc}" for door in ("grpc", "rest") for rpc in ("GetTask", "ListTasks", "TransitionTask")),
        strict=True,
    ):
        door, rpc, requests, per_s, errors, gateway, work, *_ = line.split()
        assert f"{door} {rpc}" == name
        assert int(requests) >= 40
        assert float(per_s) > 0
        assert errors == "0"
        assert float(work) > 0
        assert float(gateway) > 0 or door == "grpc"


@pytest.mark.parametrize(
    ("option", "value"), [("--seconds", "0"), ("--seconds", "3600"), ("--concurrency", "51"), ("--clients", "17")]
)
def test_runs_that_would_not_end_or_not_be_fair_are_refused(option: str, value: str) -> None:
    done = bench(option, value)
    assert done.returncode == 2
    assert "must" in done.stderr


@pytest.mark.parametrize(
    ("said", "expected", "holding"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1}, True, id="more may be said"),
        pytest.param({"b": 2}, {"a": 1}, False, id="missing"),
        pytest.param({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]}, True, id="inside of lists"),
        pytest.param({"a": [1, 2, 3]}, {"a": [1, 2]}, False, id="lists have a length"),
        pytest.param("text", {"a": 1}, False, id="something else"),
    ],
)
def test_an_answer_is_read(said: object, expected: object, holding: bool) -> None:  # noqa: FBT001  a column of the table
    assert holds(said, expected) is holding
