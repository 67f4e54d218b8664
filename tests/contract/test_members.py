"""Members and their roles. A project never loses its last owner."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from chassis.ids import new_id
from identity_service.tables import users
from tests.contract.test_project_states import outcome
from tests.support.databases import Databases
from tests.support.doors import Door, Refused, refused
from tests.support.people import PASSWORD, Person, signed_in, signed_up
from tests.support.sql import change, rows
from tests.support.stack import Stack, running_stack
from work_service.tables import activities, tasks


async def added(owner: Person, project: dict[str, Any], person: Person, role: str) -> dict[str, Any]:
    return await owner.call("AddMember", project=project["id"], userId=person.id, role=role)


async def test_a_member_sees_the_project_and_their_role_in_it(
    ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    member = await added(ada, project, stranger, "VIEWER")
    assert member["userId"] == stranger.id
    assert member["role"] == "VIEWER"
    assert (await stranger.call("GetProject", project=project["slug"]))["myRole"] == "VIEWER"
    assert await stranger.call("GetMember", project=project["id"], userId=stranger.id) == member
    assert project["id"] in {p["id"] for p in (await stranger.call("ListProjects"))["projects"]}


async def test_a_person_is_found_by_username_and_by_verified_address(
    stack: Stack, door: Door, ada: Person, project: dict[str, Any]
) -> None:
    username = f"bob-{door.name}-{ada.id[-8:]}"
    email = f"{username}@example.com"
    await door.call("Register", email=email, password=PASSWORD, fullName="Bob", username=username)
    bob = await signed_in(door, email)
    with refused("NOT_FOUND", "USER_NOT_FOUND"):
        await ada.call("AddMember", project=project["id"], email=email, role="VIEWER")
    await change(
        stack.identity_url, users.update().values(email_verify_time=stack.clock.now()).where(users.c.id == bob.id)
    )
    by_address = await ada.call("AddMember", project=project["id"], email=email.upper(), role="VIEWER")
    assert by_address["userId"] == bob.id
    by_name = await ada.call("AddMember", project=project["id"], username=username.upper(), role="VIEWER")
    assert by_name == by_address


async def test_adding_again_in_the_same_role_changes_nothing(
    ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    first = await added(ada, project, stranger, "DEVELOPER")
    assert await added(ada, project, stranger, "DEVELOPER") == first
    with refused("ALREADY_EXISTS", "MEMBER_EXISTS"):
        await added(ada, project, stranger, "VIEWER")


async def test_nobody_is_added_who_is_not_there(ada: Person, project: dict[str, Any]) -> None:
    for name in ({"userId": str(new_id())}, {"username": "nobody-at-all"}, {"email": "nobody@example.com"}):
        with refused("NOT_FOUND", "USER_NOT_FOUND"):
            await ada.call("AddMember", project=project["id"], role="VIEWER", **name)


async def test_members_are_listed_in_the_order_in_which_they_joined(
    ada: Person, door: Door, project: dict[str, Any]
) -> None:
    people = [ada]
    for n in range(4):
        people.append(await signed_up(door, f"Member{n}"))
        await added(ada, project, people[-1], "VIEWER")
    first = await ada.call("ListMembers", project=project["id"], pageSize=2)
    second = await ada.call("ListMembers", project=project["id"], pageSize=9, pageToken=first["nextPageToken"])
    listed = [member["userId"] for member in first["members"] + second["members"]]
    assert listed == [person.id for person in people]
    assert second["nextPageToken"] == ""


async def test_a_role_changes_what_one_may_do(
    ada: Person, stranger: Person, project: dict[str, Any], task: dict[str, Any]
) -> None:
    member = await added(ada, project, stranger, "VIEWER")
    name = {"project": project["id"], "task": task["id"]}
    with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
        await stranger.call("TransitionTask", **name, status="IN_PROGRESS")
    changed = await ada.call(
        "UpdateMember",
        project=project["id"],
        userId=stranger.id,
        member={"role": "DEVELOPER"},
        etag=member["etag"],
    )
    assert changed["role"] == "DEVELOPER"
    assert changed["createTime"] == member["createTime"]
    assert (await stranger.call("TransitionTask", **name, status="IN_PROGRESS"))["status"] == "IN_PROGRESS"
    with refused("ABORTED", "ETAG_MISMATCH"):
        await ada.call(
            "UpdateMember",
            project=project["id"],
            userId=stranger.id,
            member={"role": "VIEWER"},
            etag=member["etag"],
        )


async def test_a_removed_member_is_a_stranger(ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    await added(ada, project, stranger, "MAINTAINER")
    await ada.call("RemoveMember", project=project["id"], userId=stranger.id)
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await stranger.call("GetProject", project=project["id"])
    with refused("NOT_FOUND", "MEMBER_NOT_FOUND"):
        await ada.call("RemoveMember", project=project["id"], userId=stranger.id)
    with refused("NOT_FOUND", "MEMBER_NOT_FOUND"):
        await ada.call("GetMember", project=project["id"], userId=stranger.id)


async def test_one_leaves_by_oneself(ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    await added(ada, project, stranger, "VIEWER")
    await stranger.call("LeaveProject", project=project["id"])
    with refused("NOT_FOUND", "PROJECT_NOT_FOUND"):
        await stranger.call("LeaveProject", project=project["id"])


async def test_who_goes_leaves_what_is_still_to_be_done_to_nobody(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    name = {"project": project["id"]}
    for way_out in (ada.call("RemoveMember", **name, userId=stranger.id), stranger.call("LeaveProject", **name)):
        await added(ada, project, stranger, "DEVELOPER")
        tasks = {}
        for what in ("TODO", "IN_PROGRESS", "IN_REVIEW", "DONE", "CANCELLED", "gone", "Ada's"):
            task = await ada.call("CreateTask", **name, task={"title": what})
            assignee = ada.id if what == "Ada's" else stranger.id
            task = await ada.call("AssignTask", **name, task=task["id"], assignee=assignee)
            if what in {"IN_PROGRESS", "IN_REVIEW"}:
                task = await ada.call("TransitionTask", **name, task=task["id"], status="IN_PROGRESS")
            if what in {"IN_REVIEW", "DONE", "CANCELLED"}:
                task = await ada.call("TransitionTask", **name, task=task["id"], status=what)
            tasks[what] = task
        await ada.call("DeleteTask", **name, task=tasks["gone"]["id"])
        await way_out
        for what in ("TODO", "IN_PROGRESS", "IN_REVIEW"):
            now = await ada.call("GetTask", **name, task=tasks[what]["id"])
            assert now.get("assignee") is None
            assert now["etag"] != tasks[what]["etag"]
            (last, *_) = (await ada.call("ListActivities", **name, pageSize=100))["activities"]
            told = await activities_of(stack, now["id"])
            assert told[-1].verb == "task_unassigned"
            assert told[-1].changes == [{"field": "assignee", "old": stranger.id, "new": None}]
            assert told[-1].request_id == last["requestId"]
        for what in ("DONE", "CANCELLED", "Ada's"):
            assert await ada.call("GetTask", **name, task=tasks[what]["id"]) == tasks[what]
        assert (await ada.call("UndeleteTask", **name, task=tasks["gone"]["id"])).get("assignee") is None


@pytest.mark.parametrize("rpc", ["TransitionTask", "UpdateTask", "BatchUpdateTasks", "ImportTasks"])
async def test_what_is_reopened_is_in_the_hands_of_members_only(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any], rpc: str
) -> None:
    name = {"project": project["id"]}
    await added(ada, project, stranger, "DEVELOPER")
    for assignee in (ada, stranger):
        task = await ada.call("CreateTask", **name, task={"title": assignee.id})
        await ada.call("AssignTask", **name, task=task["id"], assignee=assignee.id)
        await ada.call("TransitionTask", **name, task=task["id"], status="DONE")
    await stranger.call("LeaveProject", **name)
    closed = (await ada.call("ListTasks", **name))["tasks"]
    edits = [{"title": task["title"], "status": "TODO"} for task in closed]
    match rpc:
        case "TransitionTask":
            answers = [await ada.call(rpc, **name, task=task["id"], status="TODO") for task in closed]
        case "UpdateTask":
            answers = [
                await ada.call(rpc, **name, taskRef=task["id"], task=edit)
                for task, edit in zip(closed, edits, strict=True)
            ]
        case "BatchUpdateTasks":
            requests = [
                {"taskRef": task["id"], "task": edit, "etag": task["etag"]}
                for task, edit in zip(closed, edits, strict=True)
            ]
            answers = (await ada.call(rpc, **name, requests=requests))["tasks"]
        case _:
            lines = [edit | {"id": task["id"]} for task, edit in zip(closed, edits, strict=True)]
            assert (await ada.upload(rpc, lines, **name))["updated"] == 2
            answers = (await ada.call("ListTasks", **name))["tasks"]
    for before, now in zip(closed, answers, strict=True):
        assert await ada.call("GetTask", **name, task=now["id"]) == now
        stays = now["title"] == ada.id
        assert now.get("assignee") == (before["assignee"] if stays else None)
        assert (now["status"], int(now["etag"])) == ("TODO", int(before["etag"]) + 1)
        (*_, told) = await activities_of(stack, now["id"])
        assert told.verb == "task_transitioned"
        assert ({"field": "assignee", "old": stranger.id, "new": None} in told.changes) != stays


async def test_nothing_is_reopened_for_who_goes_at_the_same_time(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    name = {"project": project["id"]}
    made = [await ada.call("CreateTask", **name, task={"title": "x"}) for _ in range(4)]
    for number in range(15):
        await added(ada, project, stranger, "DEVELOPER")
        for task in made:
            await ada.call("AssignTask", **name, task=task["id"], assignee=stranger.id)
            await ada.call("TransitionTask", **name, task=task["id"], status="DONE")

        async def gone(after_s: float = 0.001 * (number % 10)) -> None:
            await asyncio.sleep(after_s)
            await ada.call("RemoveMember", **name, userId=stranger.id)

        reopening = (ada.call("TransitionTask", **name, task=task["id"], status="TODO") for task in made)
        await asyncio.gather(*map(outcome, reopening), gone())
        in_hands = (tasks.c.project_id == project["id"], tasks.c.assignee_id.is_not(None))
        assert await rows(stack.work_url, select(tasks.c.id).where(*in_hands, tasks.c.status != "DONE")) == []


async def activities_of(stack: Stack, task_id: str) -> Any:
    found = select(activities).where(activities.c.task_id == task_id).order_by(activities.c.id)
    return await rows(stack.work_url, found)


async def test_nobody_is_given_a_task_who_goes_at_the_same_time(
    stack: Stack, ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    name = {"project": project["id"]}
    made = [await ada.call("CreateTask", **name, task={"title": "x"}) for _ in range(4)]
    for number in range(25):
        await added(ada, project, stranger, "DEVELOPER")

        async def gone(after_s: float = 0.001 * (number % 10)) -> str:
            await asyncio.sleep(after_s)
            return await outcome(ada.call("RemoveMember", **name, userId=stranger.id))

        outcomes = await asyncio.gather(
            *(outcome(ada.call("AssignTask", **name, task=task["id"], assignee=stranger.id)) for task in made), gone()
        )
        assert set(outcomes) <= {"done", "ASSIGNEE_NOT_MEMBER", "CONCURRENT_MODIFICATION"}
        if outcomes[-1] != "done":
            await ada.call("RemoveMember", **name, userId=stranger.id)
        left = select(tasks.c.id).where(tasks.c.project_id == project["id"], tasks.c.assignee_id.is_not(None))
        assert await rows(stack.work_url, left) == []


async def test_a_project_whose_owner_goes_is_told_to_be_another_owners(
    ada: Person, stranger: Person, project: dict[str, Any]
) -> None:
    await added(ada, project, stranger, "OWNER")
    await ada.call("UpdateMember", project=project["id"], userId=ada.id, member={"role": "MAINTAINER"})
    now = await ada.call("GetProject", project=project["id"])
    assert now["owner"]["id"] == stranger.id
    assert now["etag"].partition("-")[0] != project["etag"].partition("-")[0]
    await stranger.call("UpdateMember", project=project["id"], userId=ada.id, member={"role": "OWNER"})
    assert (await ada.call("GetProject", project=project["id"]))["owner"]["id"] == stranger.id
    await stranger.call("LeaveProject", project=project["id"])
    assert (await ada.call("GetProject", project=project["id"]))["owner"]["id"] == ada.id


async def test_only_owners_deal_with_owners(ada: Person, stranger: Person, door: Door, project: dict[str, Any]) -> None:
    await added(ada, project, stranger, "MAINTAINER")
    carol = await signed_up(door, "Carol")
    with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
        await added(stranger, project, carol, "OWNER")
    for request in (
        {"userId": stranger.id, "member": {"role": "OWNER"}},
        {"userId": ada.id, "member": {"role": "VIEWER"}},
    ):
        with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
            await stranger.call("UpdateMember", project=project["id"], **request)
    with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
        await stranger.call("RemoveMember", project=project["id"], userId=ada.id)
    assert (await added(stranger, project, carol, "MAINTAINER"))["role"] == "MAINTAINER"


@pytest.mark.parametrize("rpc", ["UpdateMember", "RemoveMember", "LeaveProject"])
async def test_the_last_owner_stays(ada: Person, project: dict[str, Any], rpc: str) -> None:
    request: dict[str, Any] = {"project": project["id"]}
    if rpc != "LeaveProject":
        request["userId"] = ada.id
    if rpc == "UpdateMember":
        request["member"] = {"role": "MAINTAINER"}
    with refused("FAILED_PRECONDITION", "LAST_OWNER"):
        await ada.call(rpc, **request)
    assert (await ada.call("GetMember", project=project["id"], userId=ada.id))["role"] == "OWNER"


async def test_of_two_owners_who_leave_at_once_one_stays(ada: Person, stranger: Person) -> None:
    for _ in range(10):
        project = await ada.call("CreateProject", project={"title": "Apollo"})
        await added(ada, project, stranger, "OWNER")

        async def leave(person: Person, name: str = project["id"]) -> str:
            try:
                await person.call("LeaveProject", project=name)
            except Refused as refusal:
                return refusal.reason
            return "left"

        assert sorted(await asyncio.gather(leave(ada), leave(stranger))) == ["LAST_OWNER", "left"]


async def test_a_stranger_learns_nothing_of_members(ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    for rpc, request in (
        ("AddMember", {"userId": stranger.id, "role": "OWNER"}),
        ("GetMember", {"userId": ada.id}),
        ("ListMembers", {}),
        ("UpdateMember", {"userId": ada.id, "member": {"role": "VIEWER"}}),
        ("RemoveMember", {"userId": ada.id}),
        ("LeaveProject", {}),
    ):
        with refused("NOT_FOUND", "PROJECT_NOT_FOUND") as said:
            await stranger.call(rpc, project=project["id"], **request)
        with refused("NOT_FOUND", "PROJECT_NOT_FOUND") as said_of_nothing:
            await stranger.call(rpc, project=str(new_id()), **request)
        assert said[0].message == said_of_nothing[0].message


async def test_nothing_is_half_done_while_identity_is_down(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        for door in stack.doors.values():
            ada, bob = await signed_up(door), await signed_up(door, "Bob")
            project = await ada.call("CreateProject", project={"title": "Apollo"})
            await change(stack.identity_url, users.update().values(disabled=True).where(users.c.id == bob.id))
            with refused("NOT_FOUND", "USER_NOT_FOUND"):
                await added(ada, project, bob, "VIEWER")
        people = [(await signed_up(door), door) for door in stack.doors.values()]
        projects = [await ada.call("CreateProject", project={"title": "Apollo"}) for ada, _ in people]
        await stack.stop_identity()
        for (ada, _), project in zip(people, projects, strict=True):
            with refused("UNAVAILABLE", "IDENTITY_UNAVAILABLE") as said:
                await ada.call("AddMember", project=project["id"], userId=ada.id, role="OWNER")
            assert said[0].retry_after
            assert len((await ada.call("ListMembers", project=project["id"]))["members"]) == 1
