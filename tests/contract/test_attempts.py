"""Trying again: the same caller, method and key get the first answer."""

import asyncio
from typing import Any

from sqlalchemy import func, select

from chassis.ids import new_id
from tests.support.databases import Databases
from tests.support.doors import Door, Json, RestDoor, refused
from tests.support.people import Person, signed_in, signed_up
from tests.support.sql import rows
from tests.support.stack import Stack, running_stack
from work_service.tables import activities, attempts


def key() -> str:
    return str(new_id())


async def test_the_first_answer_is_given_again(ada: Person, project: dict[str, Any], task: dict[str, Any]) -> None:
    name = {"project": project["id"], "task": task["id"]}
    for rpc, request in (
        ("CreateProject", {"project": {"title": "Once"}}),
        ("UpdateProject", {"projectRef": project["id"], "project": {"title": "Renamed"}}),
        ("CreateTask", {"project": project["id"], "task": {"title": "Once"}}),
        ("UpdateTask", {"project": project["id"], "taskRef": task["id"], "task": {"title": "Renamed"}}),
        ("TransitionTask", {**name, "status": "DONE"}),
        ("AssignTask", {**name, "assignee": ada.id}),
        ("UnassignTask", name),
        ("DeleteTask", name),
        ("UndeleteTask", name),
        ("DeleteProject", {"project": project["id"]}),
        ("UndeleteProject", {"project": project["id"]}),
    ):
        attempt = key()
        first = await ada.call(rpc, **request, idempotencyKey=attempt)
        assert await ada.call(rpc, **request, idempotencyKey=attempt) == first, rpc
    listed = (await ada.call("ListTasks", project=project["id"]))["tasks"]
    assert [task["title"] for task in listed] == ["Renamed", "Once"]


async def test_members_are_changed_once(ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    for rpc, person, request in (
        ("AddMember", ada, {"userId": stranger.id, "role": "VIEWER"}),
        ("UpdateMember", ada, {"userId": stranger.id, "member": {"role": "DEVELOPER"}}),
        ("RemoveMember", ada, {"userId": stranger.id}),
    ):
        attempt = key()
        first = await person.call(rpc, project=project["id"], **request, idempotencyKey=attempt)
        assert await person.call(rpc, project=project["id"], **request, idempotencyKey=attempt) == first
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="VIEWER")
    attempt = key()
    for _ in range(2):  # the second time they are out already
        await stranger.call("LeaveProject", project=project["id"], idempotencyKey=attempt)


async def test_ten_at_once_make_one_task_and_ten_equal_answers(
    stack: Stack, ada: Person, project: dict[str, Any]
) -> None:
    attempt = key()
    answers = await asyncio.gather(
        *(
            ada.call("CreateTask", project=project["id"], task={"title": "Once"}, idempotencyKey=attempt)
            for _ in range(10)
        )
    )
    assert all(answer == answers[0] for answer in answers)
    assert len((await ada.call("ListTasks", project=project["id"]))["tasks"]) == 1
    written = await rows(
        stack.work_url,
        select(func.count().label("number")).where(activities.c.task_id == answers[0]["id"]),
    )
    assert written[0].number == 1


async def test_a_key_stands_for_one_request(ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    attempt = key()
    await ada.call("CreateTask", project=project["id"], task={"title": "A"}, idempotencyKey=attempt)
    with refused("INVALID_ARGUMENT", "IDEMPOTENCY_KEY_REUSED", field="idempotency_key"):
        await ada.call("CreateTask", project=project["id"], task={"title": "B"}, idempotencyKey=attempt)
    # For other methods and other people it is another key.
    await ada.call("CreateProject", project={"title": "A"}, idempotencyKey=attempt)
    theirs = await stranger.call("CreateProject", project={"title": "A"}, idempotencyKey=attempt)
    assert theirs["owner"]["id"] == stranger.id


async def test_a_refused_attempt_leaves_the_key_free(
    ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    attempt = key()
    name = {"project": project["id"], "task": task["id"], "idempotencyKey": attempt}
    with refused("FAILED_PRECONDITION", "ILLEGAL_TRANSITION"):
        await ada.call("TransitionTask", **name, status="IN_REVIEW")
    assert (await ada.call("TransitionTask", **name, status="DONE"))["status"] == "DONE"


async def test_the_header_is_the_field(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada = await signed_up(door)
    project = await ada.call("CreateProject", project={"title": "Apollo"})
    headers = {"idempotency-key": key()}
    first, second = [
        await door.send("CreateTask", token=ada.token, headers=headers, project=project["id"], task={"title": "Once"})
        for _ in range(2)
    ]
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert first.headers["location"] == second.headers["location"]
    other = await door.send(
        "CreateTask", token=ada.token, headers=headers, project=project["id"], task={"title": "Twice"}
    )
    assert other.status_code == 400


async def test_attempts_are_forgotten_after_a_day_and_their_keys_are_good_again(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        door: Door = stack.doors["grpc"]
        ada = await signed_up(door)
        old, forgotten = key(), key()
        first = await ada.call("CreateProject", project={"title": "Once"}, idempotencyKey=old)
        await ada.call("CreateProject", project={"title": "Once"}, idempotencyKey=forgotten)
        stack.clock.advance(hours=25)
        ada = await signed_in(door, ada.email)
        second = await ada.call("CreateProject", project={"title": "Once"}, idempotencyKey=old)
        assert second["id"] != first["id"]
        assert await ada.call("CreateProject", project={"title": "Once"}, idempotencyKey=old) == second
        kept = {row.key for row in await rows(stack.work_url, select(attempts.c.key))}
        assert kept == {old}


async def test_what_is_looked_for_before_anything_is_taken_is_forgotten_too(databases: Databases) -> None:
    """However many old rows there are: the one of this name is not left for the next one who comes."""
    async with running_stack(databases) as stack:
        door: Door = stack.doors["rest"]
        ada, bob = await signed_up(door), await signed_up(door, "Bob")
        here, there = [await ada.call("CreateProject", project={"title": title}) for title in ("Here", "There")]
        task = await ada.call("CreateTask", project=here["id"], task={"title": "Travels"})
        name = {"project": here["id"], "idempotencyKey": key()}
        calls: tuple[tuple[str, Json], ...] = (
            ("CreateTask", name | {"task": {"title": "Once"}}),
            ("BatchCreateTasks", name | {"requests": [{"task": {"title": "Once"}}]}),
            ("ImportTasks", name | {"task": {"title": "Once"}}),
            ("AddMember", name | {"userId": bob.id, "role": "VIEWER"}),
            ("MoveTask", name | {"task": task["id"], "destination": there["id"]}),
            ("UpdateProject", {"projectRef": here["id"], "project": {"title": "Once"}, "idempotencyKey": key()}),
        )
        for number in range(30):
            await ada.call("CreateProject", project={"title": str(number)}, idempotencyKey=key())
        for rpc, request in calls:
            await ada.call(rpc, **request)
        stack.clock.advance(hours=25)
        ada = await signed_in(door, ada.email)
        await ada.call("RemoveMember", project=here["id"], userId=bob.id)
        await ada.call("MoveTask", project=there["id"], task=task["id"], destination=here["id"])
        await ada.call("UpdateProject", projectRef=here["id"], project={"title": "Renamed"})
        answers = [await ada.call(rpc, **request) for rpc, request in calls]
        listed = (await ada.call("ListTasks", project=here["id"]))["tasks"]
        assert [each["title"] for each in listed] == ["Once"] * 6, "there are twice as many as a day before"
        assert [each["id"] for each in (await ada.call("ListTasks", project=there["id"]))["tasks"]] == [task["id"]]
        assert len((await ada.call("ListMembers", project=here["id"]))["members"]) == 2
        assert (await ada.call("GetProject", project=here["id"]))["title"] == "Once"
        assert [await ada.call(rpc, **request) for rpc, request in calls] == answers


async def test_of_many_who_use_an_old_key_at_once_one_is_the_first(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        door: Door = stack.doors["grpc"]
        ada = await signed_up(door)
        again = {"project": {"title": "Once"}, "idempotencyKey": key()}
        first = await ada.call("CreateProject", **again)
        stack.clock.advance(hours=25)
        ada = await signed_in(door, ada.email)
        answers = await asyncio.gather(*(ada.call("CreateProject", **again) for _ in range(10)))
        assert {answer["id"] for answer in answers} == {answers[0]["id"]} != {first["id"]}


async def test_an_answer_is_given_again_without_asking_anybody(databases: Databases) -> None:
    """Not identity, which may be down by now; nor for a role, which may be gone."""
    async with running_stack(databases) as stack:
        door: Door = stack.doors["rest"]
        ada, bob = await signed_up(door), await signed_up(door, "Bob")
        project = await ada.call("CreateProject", project={"title": "Apollo"})
        new = {"project": project["id"], "userId": bob.id, "role": "DEVELOPER", "idempotencyKey": key()}
        added = await ada.call("AddMember", **new)
        attempt = {"project": project["id"], "task": {"title": "Bob's"}, "idempotencyKey": key()}
        created = await bob.call("CreateTask", **attempt)
        await ada.call("RemoveMember", project=project["id"], userId=bob.id)
        await stack.stop_identity()
        assert await ada.call("AddMember", **new) == added
        assert await bob.call("CreateTask", **attempt) == created
