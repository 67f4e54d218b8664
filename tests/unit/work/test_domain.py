"""The rules of work, without a database."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice, product

import pytest

from chassis.errors import InvalidArgument
from chassis.etags import EtagMismatch
from chassis.ids import new_id
from work_service.access import Caller, Role, UserId
from work_service.journal.domain import changes
from work_service.members.domain import LastOwner, Member
from work_service.positions import initial
from work_service.projects.domain import NewProject, ProjectId, slug_of
from work_service.tasks.domain import (
    MOVES,
    IllegalTransition,
    Priority,
    Status,
    Task,
    TaskId,
    TaskNotDeleted,
    TaskNotFound,
    TaskRef,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LATER = datetime(2030, 1, 2, tzinfo=UTC)
TASK = Task(
    id=TaskId(new_id()),
    project_id=ProjectId(new_id()),
    number=1,
    title="Land",
    description="",
    status=Status.TODO,
    priority=Priority.MEDIUM,
    creator_id=UserId(new_id()),
    assignee_id=None,
    category_id=None,
    labels=(),
    parent_id=None,
    position=initial(1),
    annotations={},
    external_id=None,
    due_time=None,
    complete_time=None,
    create_time=NOW,
    update_time=NOW,
    delete_time=None,
    version=1,
)

# By hand, from the contract.
ALLOWED = {
    "TODO": "IN_PROGRESS DONE CANCELLED",
    "IN_PROGRESS": "TODO IN_REVIEW DONE CANCELLED",
    "IN_REVIEW": "IN_PROGRESS DONE CANCELLED",
    "DONE": "TODO IN_PROGRESS",
    "CANCELLED": "TODO",
}


@pytest.mark.parametrize(("old", "new"), list(product(Status, Status)))
def test_what_may_follow_what(old: Status, new: Status) -> None:
    task = replace(TASK, status=old, complete_time=NOW if old is Status.DONE else None)
    if new is old:
        assert task.moved_to(new, now=LATER) is task
    elif new in ALLOWED[old].split():
        moved = task.moved_to(new, now=LATER)
        assert (moved.status, moved.version, moved.update_time) == (new, 2, LATER)
        assert (moved.complete_time == LATER) == (new is Status.DONE)
        assert (moved.complete_time is None) == (new is not Status.DONE)
    else:
        with pytest.raises(IllegalTransition):
            task.moved_to(new, now=LATER)


def test_every_status_can_be_left() -> None:
    assert set(MOVES) == set(Status)
    assert all(MOVES.values())


def test_an_etag_guards_only_when_it_is_sent() -> None:
    TASK.expect("")
    TASK.expect("1")
    with pytest.raises(EtagMismatch):
        TASK.expect("2")


def test_changes_are_told_without_bookkeeping() -> None:
    told = list(changes(TASK, TASK.moved_to(Status.DONE, now=LATER)))
    assert [(change.field, change.old, change.new) for change in told] == [
        ("status", "TODO", "DONE"),
        ("complete_time", None, LATER.isoformat()),
    ]


def test_an_edit_is_one_step_whatever_it_changes() -> None:
    edited = TASK.edited({"title": "Land softly", "status": Status.DONE, "due_time": LATER}, now=LATER)
    assert edited.version == 2
    assert (edited.title, edited.status, edited.complete_time) == ("Land softly", Status.DONE, LATER)
    assert TASK.edited({"title": "Land", "status": Status.TODO}, now=LATER) is TASK
    with pytest.raises(IllegalTransition):
        TASK.edited({"title": "x", "status": Status.IN_REVIEW}, now=LATER)


def test_what_was_never_gone_does_not_come_back() -> None:
    gone = TASK.deleted(now=LATER)
    assert gone.delete_time == LATER
    assert gone.undeleted(now=LATER).delete_time is None
    with pytest.raises(TaskNotDeleted):
        TASK.undeleted(now=LATER)


def test_the_last_owner_stays_and_others_may_go() -> None:
    owner = Member(
        project_id=TASK.project_id,
        user_id=TASK.creator_id,
        role=Role.OWNER,
        create_time=NOW,
        update_time=NOW,
        version=1,
    )
    with pytest.raises(LastOwner):
        owner.in_role(Role.VIEWER, owners=1, now=LATER)
    with pytest.raises(LastOwner):
        owner.check_may_go(1)
    assert owner.in_role(Role.OWNER, owners=1, now=LATER) is owner
    assert owner.in_role(Role.VIEWER, owners=2, now=LATER).version == 2
    replace(owner, role=Role.MAINTAINER).check_may_go(1)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.0", "٣", "2147483648", "abc", "1 ", "9" * 40])
def test_what_names_no_task_is_not_found(text: str) -> None:
    with pytest.raises(TaskNotFound):
        TaskRef.read(text)


def test_a_task_is_named_by_number_or_id() -> None:
    assert TaskRef.read("12").number == 12
    assert TaskRef.read(str(TASK.id)).id == TASK.id


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Apollo", "apollo"),
        ("Über uns!", "uber-uns"),
        ("  a  --  b  ", "a-b"),
        ("2026 plans", "project-2026-plans"),
        ("日本", "project"),
        ("x" * 200, "x" * 48),
        ("a" * 47 + " b", "a" * 47),
    ],
)
def test_a_slug_reads_like_its_title(title: str, slug: str) -> None:
    assert slug_of(title) == slug


def test_a_made_slug_gives_way_and_a_wanted_one_does_not() -> None:
    made = list(islice(NewProject(title="Apollo", slug="", description="").slugs(), 3))
    assert made[0] == "apollo"
    assert all(slug.startswith("apollo-") for slug in made[1:])
    assert len(set(made)) == 3
    assert list(NewProject(title="Apollo", slug="mine", description="").slugs()) == ["mine"]
    with pytest.raises(InvalidArgument):
        list(NewProject(title="Apollo", slug=str(new_id()), description="").slugs())


@pytest.mark.parametrize(
    ("as_member", "everywhere", "role"),
    [
        ("VIEWER", None, Role.VIEWER),
        ("VIEWER", Role.OWNER, Role.OWNER),
        ("MAINTAINER", Role.VIEWER, Role.MAINTAINER),
        (None, Role.VIEWER, Role.VIEWER),
    ],
)
def test_the_higher_role_counts(as_member: str | None, everywhere: Role | None, role: Role) -> None:
    assert Caller(UserId(new_id()), everywhere, "").role(as_member) is role
