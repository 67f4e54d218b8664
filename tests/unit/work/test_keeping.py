"""Which statements are remembered."""

from typing import Any

import pytest
from sqlalchemy import Select

from chassis.filters import read_filter
from chassis.ids import new_id
from work_service.access import Caller, UserId
from work_service.finding.domain import Sought, Wanted, fields, order
from work_service.finding.store import lists, searches
from work_service.projects.domain import ProjectRef

ADA = UserId(new_id())
CALLER = Caller(user_id=ADA, everywhere=None, request_id="r")


def asked(project: ProjectRef | None, text: str, *, search: bool) -> Select[Any]:
    read = read_filter(text, fields(ADA, of_one_project=project is not None))
    if search:
        return searches.question(CALLER, project, Sought("moon", read), after=None, limit=20)[0]
    by = order("", of_one_project=project is not None)
    return lists.question(CALLER, project, Wanted(filter=read), by, after=None, limit=20)[0]


@pytest.mark.parametrize("search", [False, True])
@pytest.mark.parametrize("project", [None, ProjectRef.read("web")])
def test_few_of_those_are_remembered_that_callers_think_up(project: ProjectRef | None, *, search: bool) -> None:
    """Each of them may take a megabyte, and there are more of them than anybody has memory."""
    plain = asked(project, "", search=search)
    first = asked(project, "moon -mars", search=search)
    assert asked(project, "venus -pluto", search=search) is first, "what words they are makes no other statement"
    assert not plain.get_execution_options().get("asked_rarely")
    assert first.get_execution_options().get("asked_rarely")
    for number in range(24):
        signs = ("-" if number >> place & 1 else "" for place in range(5))
        asked(project, " ".join(f"{sign}a" for sign in signs), search=search)
    assert asked(project, "moon -mars", search=search) is not first
    assert asked(project, "", search=search) is plain
