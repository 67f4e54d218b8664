"""Members and their roles. A project never loses its last owner."""

import asyncio
from typing import Any

import pytest

from chassis.ids import new_id
from identity_service.tables import users
from tests.support.databases import Databases
from tests.support.doors import Door, Refused, refused
from tests.support.people import PASSWORD, Person, signed_in, signed_up
from tests.support.sql import change
from tests.support.stack import Stack, running_stack


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
