"""The benchmark measures what it says: every case is answered, and every process is found."""

import subprocess
import sys

import pytest

from standalone.settings import PROJECT
from tests.bench.__main__ import main
from tests.bench.cases import holds


def bench(module: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *options], cwd=PROJECT, capture_output=True, text=True, check=False
    )


@pytest.mark.engines  # a whole system under load, and no engine: with those that may take longer
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process costs is read from /proc")
def test_a_small_run_has_an_answer_for_every_case() -> None:
    done = bench("tests.bench", "--smoke")
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


@pytest.mark.engines
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process costs is read from /proc")
def test_the_gateway_is_measured_beside_the_least_and_beside_envoy() -> None:
    done = bench("tests.bench.gateway", "--requests", "400", "--rounds", "1", "--lanes", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    heading, *lines = done.stdout.splitlines()
    assert heading.startswith("CPU microseconds per request")
    costs = {line[:28].strip(): [float(cost) for cost in line[28:].split()[:2]] for line in lines}
    assert {"gateway", "bare loop", "Envoy, transcoder only", "Envoy, deploy/envoy"} <= set(costs)
    assert all(cost > 0 for both in costs.values() for cost in both)


@pytest.mark.parametrize(
    ("option", "value"), [("--seconds", "0"), ("--seconds", "3600"), ("--concurrency", "51"), ("--clients", "17")]
)
def test_runs_that_would_not_end_or_not_be_fair_are_refused(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([option, value])
    assert end.value.code == 2
    assert "must" in capsys.readouterr().err


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
