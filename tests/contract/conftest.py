"""A project with a task in it, to begin with."""

from typing import Any

import pytest

from tests.support.people import Person


@pytest.fixture
async def project(ada: Person) -> dict[str, Any]:
    return await ada.call("CreateProject", project={"title": "Apollo"})


@pytest.fixture
async def task(ada: Person, project: dict[str, Any]) -> dict[str, Any]:
    return await ada.call("CreateTask", project=project["id"], task={"title": "Land on the moon"})
