"""What every test may ask for."""

import gc
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from chassis import logs
from gateway import descriptors
from standalone.postgres import Cluster
from tests.support.databases import Databases
from tests.support.doors import Door, RestDoor
from tests.support.envoy import in_place_of_the_gateway
from tests.support.people import Person, known, signed_up, signed_up_as
from tests.support.sql import look_no_more
from tests.support.stack import DESCRIPTORS, Stack, running_stack


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", type=int, default=18, help="the major version of PostgreSQL to run on: 18 or 16")
    parser.addoption("--rest", default="gateway", choices=["gateway", "envoy"], help="who is at the door of JSON")
    parser.addoption("--pooled", action="store_true", help="put PgBouncer before PostgreSQL")


def pytest_configure() -> None:
    """What would cost every test something."""
    # A machine that is busy elsewhere for a moment disproves nothing.
    settings.register_profile("tandem", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("tandem")
    # To look for garbage among all that pytest knows stops everybody for a second: calls would miss deadlines.
    gc.set_threshold(*gc.get_threshold()[:2], 1_000_000)
    # httpx looks for it four times per request, and everywhere, unless it is known not to be there.
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type] # Python's own way to say so


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what starts processes: it takes longest, and at the end one worker would wait for the other."""
    items.sort(key=lambda item: "integration" not in item.path.parts)


@pytest.fixture(scope="module", autouse=True)
def _garbage() -> Iterator[None]:
    """Between files nobody waits. What is still there then stays, and is not looked through again."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _contracts() -> Iterator[None]:
    """Each is read once: that takes long, and protobuf-py never lets go of a type."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descriptors, "parsed", cache(descriptors.parsed))
        yield


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
async def databases(cluster: Cluster) -> AsyncIterator[Databases]:
    yield Databases(cluster)
    await look_no_more()


@pytest.fixture(scope="session")
async def stack(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """The whole system, shared by the tests of a run. Whoever breaks it starts one of their own."""
    async with AsyncExitStack() as exits:
        pooled = request.config.getoption("--pooled")
        running = await exits.enter_async_context(running_stack(databases, pooled=pooled))
        if request.config.getoption("--rest") == "envoy":
            there = {"identity": running.identity_address, "work": running.work_address}
            folder = tmp_path_factory.mktemp("envoy")
            client = await exits.enter_async_context(in_place_of_the_gateway(folder, DESCRIPTORS, **there))
            running.doors["rest"] = RestDoor(client)
        yield running


@pytest.fixture(params=["grpc", "rest"])
def door(request: Any, stack: Stack) -> Door:
    """Each door in turn."""
    return stack.doors[request.param]


@pytest.fixture
async def ada(stack: Stack, door: Door) -> Person:
    return await known(stack, await signed_up(door, "Ada"))


@pytest.fixture
async def stranger(stack: Stack, door: Door) -> Person:
    return await known(stack, await signed_up(door, "Stranger"))


@pytest.fixture
async def admin(door: Door, stack: Stack) -> Person:
    return await signed_up_as(door, stack.identity_url, "ADMIN")
