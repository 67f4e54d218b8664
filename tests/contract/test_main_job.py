"""The main job: sign in, open a project, move a task under its lock. Through both doors."""

from typing import Any

import pytest
from sqlalchemy import func, select

from tests.support.doors import Door, refused
from tests.support.people import PASSWORD, Person, signed_in, signed_up
from tests.support.sql import rows
from tests.support.stack import Stack
from work_service.tables import activities, outbox, tasks


async def test_registering_answers_with_the_callers_own_words(door: Door) -> None:
    words = {"email": f"grace.{door.name}@example.com", "fullName": "Grace", "username": f"grace-{door.name}"}
    assert await door.call("Register", password=PASSWORD, **words) == words


async def test_registering_a_known_address_answers_the_same_and_changes_nothing(door: Door) -> None:
    ada = await signed_up(door)
    answer = await door.call("Register", email=ada.email.upper(), password="another " + PASSWORD, fullName="Eve")
    assert answer == {"email": ada.email.upper(), "fullName": "Eve", "username": ""}
    assert (await (await signed_in(door, ada.email)).call("GetMe"))["fullName"] == "Ada"


async def test_a_username_is_taken_whether_or_not_the_address_is_known(door: Door) -> None:
    ada = await signed_up(door)
    username = f"taken-{door.name}"
    await door.call("Register", email=f"u{ada.email}", password=PASSWORD, fullName="U", username=username)
    for email in (ada.email, f"new.{ada.email}"):
        with refused("ALREADY_EXISTS", "USERNAME_TAKEN"):
            await door.call("Register", email=email, password=PASSWORD, fullName="Eve", username=username)


async def test_one_signs_in_whatever_the_case_of_the_address(door: Door) -> None:
    ada = await signed_up(door)
    tokens = await door.call("Login", email=ada.email.upper(), password=PASSWORD)
    assert tokens["tokenType"] == "Bearer"
    assert tokens["expiresIn"] == 600
    assert 14 * 24 * 3600 - tokens["refreshExpiresIn"] in {0, 1}, "whole seconds, rounded down"
    assert tokens["refreshToken"].startswith("tdr_")


@pytest.mark.parametrize(("email", "password"), [("nobody@example.com", PASSWORD), (None, "wrong " + PASSWORD)])
async def test_an_unknown_address_and_a_wrong_password_get_one_answer(
    door: Door, email: str | None, password: str
) -> None:
    ada = await signed_up(door)
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS") as said:
        await door.call("Login", email=email or ada.email, password=password)
    assert said[0].message == "The e-mail address or the password is wrong."


async def test_get_me_says_who_the_caller_is(ada: Person) -> None:
    me = await ada.call("GetMe")
    assert me["email"] == ada.email
    assert me["role"] == "USER"
    assert me["emailVerified"] is False


async def test_the_creator_of_a_project_owns_it(ada: Person, project: dict[str, Any]) -> None:
    assert project["myRole"] == "OWNER"
    assert project["owner"]["id"] == ada.id
    assert project["slug"].startswith("apollo")
    assert await ada.call("GetProject", project=project["slug"]) == project
    assert await ada.call("GetProject", project=project["id"]) == project


async def test_a_slug_that_is_asked_for_is_the_projects_or_nobodys(ada: Person) -> None:
    slug = f"mine-{ada.door.name}"
    assert (await ada.call("CreateProject", project={"title": "One", "slug": slug}))["slug"] == slug
    with refused("ALREADY_EXISTS", "SLUG_TAKEN"):
        await ada.call("CreateProject", project={"title": "Two", "slug": slug})


async def test_a_stranger_finds_nothing(stranger: Person, project: dict[str, Any], task: dict[str, Any]) -> None:
    for name in (project["id"], project["slug"], "no-such-project"):
        with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
            await stranger.call("GetProject", project=name)
        with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
            await stranger.call("CreateTask", project=name, task={"title": "Mine"})
        with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
            await stranger.call("ListTasks", project=name)
        with refused("NOT_FOUND", "TASK_NOT_FOUND"):
            await stranger.call("GetTask", project=name, task=str(task["number"]))
        with refused("NOT_FOUND", "TASK_NOT_FOUND"):
            await stranger.call("TransitionTask", project=name, task=str(task["number"]), status="DONE")


async def test_a_task_is_found_by_number_and_by_id_in_its_own_project_only(
    ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    assert task["status"] == "TODO"
    assert task["priority"] == "MEDIUM"
    assert task["creator"]["id"] == ada.id
    assert await ada.call("GetTask", project=project["slug"], task=str(task["number"])) == task
    assert await ada.call("GetTask", project=project["id"], task=task["id"]) == task
    other = await ada.call("CreateProject", project={"title": "Other"})
    for name in (task["id"], str(task["number"]), "0", "-1", "99999999999", "x"):
        with refused("NOT_FOUND", "TASK_NOT_FOUND"):
            await ada.call("GetTask", project=other["id"], task=name)


async def test_a_task_keeps_what_it_was_created_with(ada: Person, project: dict[str, Any]) -> None:
    wanted = {
        "title": "Ünïcode 🚀",
        "description": "long\ntext",
        "status": "DONE",
        "priority": "URGENT",
        "dueTime": "2030-01-02T03:04:05.678901Z",
    }
    task = await ada.call("CreateTask", project=project["slug"], task=wanted)
    assert {key: task[key] for key in wanted} == wanted
    assert task["completeTime"] == task["createTime"]


async def test_tasks_are_listed_in_order_a_page_at_a_time(ada: Person, project: dict[str, Any]) -> None:
    for title in "abcde":
        await ada.call("CreateTask", project=project["id"], task={"title": title})
    first = await ada.call("ListTasks", project=project["slug"], pageSize=2)
    assert [task["title"] for task in first["tasks"]] == ["a", "b"]
    await ada.call("CreateTask", project=project["id"], task={"title": "f"})
    second = await ada.call("ListTasks", project=project["slug"], pageSize=3, pageToken=first["nextPageToken"])
    assert [task["title"] for task in second["tasks"]] == ["c", "d", "e"]
    third = await ada.call("ListTasks", project=project["slug"], pageToken=second["nextPageToken"])
    assert [task["title"] for task in third["tasks"]] == ["f"]
    assert third["nextPageToken"] == ""


async def test_an_empty_project_has_an_empty_list(ada: Person, project: dict[str, Any]) -> None:
    assert await ada.call("ListTasks", project=project["id"]) == {"tasks": [], "nextPageToken": ""}


async def test_a_page_token_is_good_for_its_own_question_only(
    ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    for title in "ab":
        await ada.call("CreateTask", project=project["id"], task={"title": title})
    token = (await ada.call("ListTasks", project=project["id"], pageSize=1))["nextPageToken"]
    other = await ada.call("CreateProject", project={"title": "Other"})
    theirs = await stranger.call("CreateProject", project={"title": "Theirs"})
    for person, name, bad in (
        (ada, other["id"], token),
        (stranger, theirs["id"], token),
        (ada, project["id"], token[:-2] + ("AA" if token[-2:] != "AA" else "BB")),
        (ada, project["id"], "?"),
        (ada, project["id"], "AAAA"),
    ):
        with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", field="page_token"):
            await person.call("ListTasks", project=name, pageToken=bad)


async def test_page_sizes_default_and_are_capped(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    for number in range(21):
        await ada.call("CreateTask", project=project["id"], task={"title": str(number)})
    assert len((await ada.call("ListTasks", project=project["id"]))["tasks"]) == 20
    assert len((await ada.call("ListTasks", project=project["id"], pageSize=1000))["tasks"]) == 21
    with refused("INVALID_ARGUMENT", "VALIDATION_FAILED", field="page_size"):
        await ada.call("ListTasks", project=project["id"], pageSize=-1)


async def test_a_task_moves_and_the_journal_says_so_once(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    moved = await ada.call(
        "TransitionTask", request_id="req-1", project=project["slug"], task=str(task["number"]), status="DONE"
    )
    assert moved["status"] == "DONE"
    assert moved["completeTime"] == moved["updateTime"]
    assert moved["etag"] != task["etag"]
    assert await ada.call("GetTask", project=project["id"], task=task["id"]) == moved
    written = await rows(
        stack.work_url,
        select(activities.c.verb, activities.c.changes, activities.c.request_id, func.count(outbox.c.id).label("told"))
        .join(outbox, outbox.c.activity_id == activities.c.id)
        .where(activities.c.task_id == task["id"])
        .group_by(activities.c.id)
        .order_by(activities.c.id),
    )
    assert [(row.verb, row.told) for row in written] == [("task_created", 1), ("task_completed", 1)]
    assert written[1].request_id == "req-1"
    assert {"field": "status", "old": "TODO", "new": "DONE"} in written[1].changes

    back = await ada.call("TransitionTask", project=project["id"], task=task["id"], status="TODO")
    assert "completeTime" not in back or back["completeTime"] is None


async def test_a_move_to_where_it_is_changes_nothing(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    same = await ada.call("TransitionTask", project=project["id"], task=task["id"], status="TODO")
    assert same == task
    written = await rows(stack.work_url, select(activities.c.id).where(activities.c.task_id == task["id"]))
    assert len(written) == 1


async def test_a_move_that_is_not_allowed_changes_nothing(
    stack: Stack, ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    with refused("FAILED_PRECONDITION", "ILLEGAL_TRANSITION") as said:
        await ada.call("TransitionTask", project=project["id"], task=task["id"], status="IN_REVIEW")
    assert said[0].metadata["allowed"] == "CANCELLED, DONE, IN_PROGRESS"
    kept = await rows(stack.work_url, select(tasks.c.version).where(tasks.c.id == task["id"]))
    assert kept[0].version == 1


async def test_a_move_of_what_has_changed_since_is_refused(
    ada: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    name = {"project": project["id"], "task": task["id"]}
    moved = await ada.call("TransitionTask", **name, status="IN_PROGRESS", etag=task["etag"])
    with refused("ABORTED", "ETAG_MISMATCH") as said:
        await ada.call("TransitionTask", **name, status="DONE", etag=task["etag"])
    assert said[0].metadata["currentEtag"] == moved["etag"]
    assert (await ada.call("TransitionTask", **name, status="DONE", etag=moved["etag"]))["status"] == "DONE"
