"""Which statements are remembered."""

import gc
import weakref

import pytest

from chassis.filters import read_filter, terms
from chassis.ids import new_id
from work_service.access import Caller, UserId
from work_service.finding.domain import Wanted, fields, order
from work_service.finding.store import lists
from work_service.projects.domain import ProjectRef

ADA = UserId(new_id())


@pytest.mark.parametrize(("number", "is_kept"), [(0, True), (1, True), (8, True), (9, False), (50, False)])
@pytest.mark.parametrize("project", [None, ProjectRef.read("web")])
def test_what_is_large_is_not_remembered(project: ProjectRef | None, number: int, *, is_kept: bool) -> None:
    """A filter of 50 words is some megabyte of statement, and there are more of them than anybody has memory."""
    caller = Caller(user_id=ADA, everywhere=None, request_id="r")
    text = " ".join(f"-a{word}" if word % 2 else f"a{word}" for word in range(number))
    wanted = Wanted(filter=read_filter(text, fields(ADA, of_one_project=project is not None)))
    assert terms(wanted.filter.tree) == number
    first, _ = lists.question(caller, project, wanted, order("", of_one_project=False), after=None, limit=20)
    again, _ = lists.question(caller, project, wanted, order("", of_one_project=False), after=None, limit=20)
    assert (first is again) is is_kept
    assert str(first) == str(again)
    seen = weakref.ref(first)
    del first, again
    gc.collect()
    assert (seen() is not None) is is_kept
