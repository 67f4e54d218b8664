"""A project with a task in it, to begin with; and what is known to differ where Envoy is at the door."""

from typing import Any

import pytest

from tests.support.envoy import difference
from tests.support.people import Person


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With Envoy, a known difference has to be there: one that has gone is as much of a surprise as a new one."""
    if config.getoption("--rest") == "envoy":
        for item in items:
            if (name := difference(item.name)) is not None and "grpc" not in item.name:
                waits = name == "`/health`"  # for what never comes
                item.add_marker(pytest.mark.xfail(strict=True, reason=name, run=not waits))


@pytest.fixture
async def project(ada: Person) -> dict[str, Any]:
    return await ada.call("CreateProject", project={"title": "Apollo"})


@pytest.fixture
async def task(ada: Person, project: dict[str, Any]) -> dict[str, Any]:
    return await ada.call("CreateTask", project=project["id"], task={"title": "Land on the moon"})
