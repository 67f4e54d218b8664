"""What every test may ask for."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from chassis import logs
from standalone.postgres import Cluster
from tests.support.databases import Databases
from tests.support.doors import Door
from tests.support.people import Person, signed_up
from tests.support.stack import Stack, running_stack


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", type=int, default=18, help="the major version of PostgreSQL to run on: 18 or 16")


@pytest.fixture(scope="session", autouse=True)
def _logs() -> None:
    """As in production: what a test sees of the logs is what an operator would."""
    logs.configure("tests")


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One real PostgreSQL per run."""
    major = request.config.getoption("--postgres")
    with Cluster.started(tmp_path_factory.mktemp("postgres"), major=major, durable=False) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def databases(cluster: Cluster) -> Databases:
    return Databases(cluster)


@pytest.fixture(scope="session")
async def stack(databases: Databases) -> AsyncIterator[Stack]:
    """The whole system, shared by the tests of a run. Whoever breaks it starts one of their own."""
    async with running_stack(databases) as running:
        yield running


@pytest.fixture(params=["grpc", "rest"])
def door(request: Any, stack: Stack) -> Door:
    """Each door in turn."""
    return stack.doors[request.param]


@pytest.fixture
async def ada(door: Door) -> Person:
    return await signed_up(door, "Ada")


@pytest.fixture
async def stranger(door: Door) -> Person:
    return await signed_up(door, "Stranger")
