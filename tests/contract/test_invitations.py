"""Invitations by e-mail, and what one may do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from chassis.clock import SYSTEM_CLOCK
from chassis.database import Database, DatabaseSettings
from chassis.ids import new_id
from tests.contract.test_concurrency import wait_for_a_lock
from tests.contract.test_departures import gone
from tests.contract.test_project_states import verbs
from tests.contract.test_transfer import roles
from tests.support.doors import Door, refused
from tests.support.mailbox import token_to
from tests.support.people import Person, known, signed_up, signed_up_as
from tests.support.recording import recording
from tests.support.sql import change, rows
from tests.support.stack import Stack
from work_service.access import Permission
from work_service.invitations import store
from work_service.invitations.commands import Arrivals
from work_service.tables import invitations, profiles


async def invited(owner: Person, project: dict[str, Any], email: str, role: str = "DEVELOPER") -> dict[str, Any]:
    return await owner.call("InviteMember", project=project["id"], email=email, role=role)


async def verified(stack: Stack, person: Person) -> Person:
    await person.call("VerifyEmail", token_=await token_to(stack, person.email, "VERIFY_EMAIL"))
    return person


async def arrived(stack: Stack, project: dict[str, Any], person: Person) -> str:
    """Their role, once they are in the project."""
    async with asyncio.timeout(20):
        while person.id not in (there := await roles(stack, project)):
            await asyncio.sleep(0.02)
    return there[person.id]


async def waiting(stack: Stack, project: dict[str, Any]) -> list[str]:
    found = select(invitations.c.email).where(invitations.c.project_id == project["id"]).order_by(invitations.c.email)
    return [row.email for row in await rows(stack.work_url, found)]


def an_address() -> str:
    return f"{new_id().hex}@example.com"


async def test_who_shows_that_the_address_is_theirs_becomes_a_member(
    stack: Stack, door: Door, ada: Person, project: dict[str, Any]
) -> None:
    bob = await known(stack, await signed_up(door, "Bob"))
    await invited(ada, project, bob.email.upper().replace("EXAMPLE.COM", "example.com"))
    assert await roles(stack, project) == {ada.id: "OWNER"}, "so far anybody could say so"
    await verified(stack, bob)
    assert await arrived(stack, project, bob) == "DEVELOPER"
    assert (await bob.call("GetProject", project=project["id"]))["myRole"] == "DEVELOPER"
    assert await waiting(stack, project) == []
    assert await verbs(stack, project["id"]) == ["project_created", "member_invited", "member_added"]
    last = (await ada.call("ListActivities", project=project["id"]))["activities"][0]
    assert last["actor"]["id"] == ada.id
    assert bob.email not in str(last), "members need not know each other's addresses"


async def test_whether_an_address_is_known_cannot_be_told_from_the_answer(
    stack: Stack, door: Door, ada: Person, project: dict[str, Any]
) -> None:
    bob = await verified(stack, await known(stack, await signed_up(door, "Bob")))
    of_somebody, of_nobody = await invited(ada, project, bob.email), await invited(ada, project, an_address())
    assert set(of_somebody) == set(of_nobody)
    for answer, email in ((of_somebody, bob.email), (of_nobody, of_nobody["email"])):
        assert answer["email"] == email
        assert answer["inviter"]["id"] == ada.id
        assert (answer["role"], answer["project"]) == ("DEVELOPER", project["id"])
    assert await arrived(stack, project, bob) == "DEVELOPER"
    assert await waiting(stack, project) == [of_nobody["email"]]


async def test_to_invite_again_changes_nothing_but_the_role(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    email = an_address()
    first = await invited(ada, project, email)
    assert await invited(ada, project, email) == first
    second = await invited(ada, project, email, "VIEWER")
    assert second == first | {"role": "VIEWER"}
    assert await verbs(stack, project["id"]) == ["project_created", "member_invited", "member_invited"]
    key = {"idempotencyKey": "again", "project": project["id"], "email": an_address(), "role": "VIEWER"}
    assert await ada.call("InviteMember", **key) == await ada.call("InviteMember", **key)


async def test_invitations_are_listed_and_taken_back(
    stack: Stack, door: Door, ada: Person, project: dict[str, Any]
) -> None:
    bob = await known(stack, await signed_up(door, "Bob"))
    made = [await invited(ada, project, email) for email in (bob.email, an_address(), an_address())]
    first = await ada.call("ListInvitations", project=project["slug"], pageSize=2)
    assert first["invitations"] == made[:2]
    rest = await ada.call("ListInvitations", project=project["slug"], pageToken=first["nextPageToken"])
    assert rest == {"invitations": made[2:], "nextPageToken": ""}
    name = {"project": project["id"], "invitationId": made[0]["id"]}
    await ada.call("RevokeInvitation", **name)
    with refused("NOT_FOUND", "INVITATION_NOT_FOUND"):
        await ada.call("RevokeInvitation", **name)
    other = await ada.call("CreateProject", project={"title": "Other"})
    with refused("NOT_FOUND", "INVITATION_NOT_FOUND"):
        await ada.call("RevokeInvitation", project=other["id"], invitationId=made[1]["id"])
    await verified(stack, bob)
    await invited(ada, other, bob.email)
    await arrived(stack, other, bob)
    assert bob.id not in await roles(stack, project)
    assert (await verbs(stack, project["id"]))[-1] == "invitation_revoked"


async def test_only_owners_invite_owners(stack: Stack, ada: Person, stranger: Person, project: dict[str, Any]) -> None:
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="MAINTAINER")
    with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
        await invited(stranger, project, an_address(), "OWNER")
    of_an_owner = await invited(ada, project, an_address(), "OWNER")
    with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
        await stranger.call("RevokeInvitation", project=project["id"], invitationId=of_an_owner["id"])
    for role in ("VIEWER", "MAINTAINER"):
        with refused("PERMISSION_DENIED", "ROLE_TOO_LOW"):
            await invited(stranger, project, of_an_owner["email"], role)
    assert (await ada.call("ListInvitations", project=project["id"]))["invitations"] == [of_an_owner]
    assert await invited(ada, project, of_an_owner["email"], "VIEWER") == of_an_owner | {"role": "VIEWER"}


@pytest.mark.parametrize("way_out", ["RemoveMember", "LeaveProject", "DeleteMe"])
async def test_who_goes_takes_their_invitations_along(
    stack: Stack, door: Door, ada: Person, project: dict[str, Any], way_out: str
) -> None:
    bea = await known(stack, await signed_up(door, "Bea"))
    await ada.call("AddMember", project=project["id"], userId=bea.id, role="MAINTAINER")
    second_self, guest = await known(stack, await signed_up(door, "Bea")), an_address()
    revoked = await invited(bea, project, second_self.email, "MAINTAINER")
    await invited(ada, project, guest)
    match way_out:
        case "RemoveMember":
            await ada.call(way_out, project=project["id"], userId=bea.id)
        case "LeaveProject":
            await bea.call(way_out, project=project["id"])
        case _:
            await gone(stack, bea)
    assert await waiting(stack, project) == [guest]
    told = (await ada.call("ListActivities", project=project["id"]))["activities"]
    (activity,) = [each for each in told if each["verb"] == "invitation_revoked"]
    assert activity["changes"][0]["old"] == revoked["id"]
    await verified(stack, second_self)
    other = await ada.call("CreateProject", project={"title": "Other"})
    await invited(ada, other, second_self.email)
    await arrived(stack, other, second_self)
    assert await roles(stack, project) == {ada.id: "OWNER"}


async def test_an_administrator_who_is_gone_leaves_no_invitations_although_they_were_no_member(
    stack: Stack, door: Door, ada: Person, admin: Person, project: dict[str, Any]
) -> None:
    await signed_up_as(door, stack.identity_url, "ADMIN")  # there is always one
    await known(stack, admin)
    guest, own = an_address(), an_address()
    await invited(ada, project, own)
    await invited(admin, project, guest, "OWNER")
    assert await waiting(stack, project) == sorted([own, guest])
    await gone(stack, admin)
    assert await waiting(stack, project) == [own]
    assert (await verbs(stack, project["id"]))[-1] == "invitation_revoked"


@pytest.mark.parametrize("way_out", ["RemoveMember", "LeaveProject"])
async def test_who_is_removed_while_they_invite_leaves_no_invitation(
    monkeypatch: pytest.MonkeyPatch,
    stack: Stack,
    ada: Person,
    stranger: Person,
    project: dict[str, Any],
    way_out: str,
) -> None:
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="MAINTAINER")
    added, going_on = asyncio.Event(), asyncio.Event()
    add = store.add

    async def slowly(*invitation: Any, **more: Any) -> Any:
        outcome = await add(*invitation, **more)
        added.set()
        await going_on.wait()
        return outcome

    monkeypatch.setattr(store, "add", slowly)
    inviting = asyncio.create_task(invited(stranger, project, an_address()))
    await added.wait()
    out = {"RemoveMember": (ada, {"userId": stranger.id}), "LeaveProject": (stranger, {})}
    who, more = out[way_out]
    going = asyncio.create_task(who.call(way_out, project=project["id"], **more))
    await wait_for_a_lock(stack.work_url)
    going_on.set()
    await asyncio.gather(inviting, going)
    assert await waiting(stack, project) == []
    assert await roles(stack, project) == {ada.id: "OWNER"}


async def test_who_is_a_member_already_stays_what_they_are(
    stack: Stack, door: Door, ada: Person, project: dict[str, Any]
) -> None:
    bob = await verified(stack, await known(stack, await signed_up(door, "Bob")))
    await ada.call("AddMember", project=project["id"], userId=bob.id, role="VIEWER")
    await invited(ada, project, bob.email, "MAINTAINER")
    async with asyncio.timeout(20):
        while await waiting(stack, project):
            await asyncio.sleep(0.02)
    assert (await roles(stack, project))[bob.id] == "VIEWER"
    assert await verbs(stack, project["id"]) == ["project_created", "member_added", "member_invited"]


async def test_to_an_archived_project_people_come_when_it_is_opened(
    stack: Stack, door: Door, ada: Person, project: dict[str, Any]
) -> None:
    bob = await known(stack, await signed_up(door, "Bob"))
    await invited(ada, project, bob.email)
    await ada.call("ArchiveProject", project=project["id"])
    with refused("FAILED_PRECONDITION", "PROJECT_ARCHIVED"):
        await invited(ada, project, an_address())
    await verified(stack, bob)
    other = await ada.call("CreateProject", project={"title": "Other"})
    await invited(ada, other, bob.email)
    await arrived(stack, other, bob)
    assert await waiting(stack, project) == [bob.email]
    await ada.call("UnarchiveProject", project=project["id"])
    await invited(ada, other, an_address())  # something to wake up by
    assert await arrived(stack, project, bob) == "DEVELOPER"


@pytest.fixture
async def processes(stack: Stack) -> AsyncIterator[list[Arrivals]]:
    """Some more processes on the same database."""
    with recording("work") as recorded:
        settings = DatabaseSettings(database_url=SecretStr(stack.work_url), database_pool_size=2)
        async with AsyncExitStack() as opened:
            yield [
                Arrivals(await opened.enter_async_context(Database.opened(settings, recorded.telemetry)), SYSTEM_CLOCK)
                for _ in range(4)
            ]


async def test_an_invitation_is_used_by_one_process(
    stack: Stack, door: Door, ada: Person, processes: list[Arrivals]
) -> None:
    for _ in range(5):
        bob = await known(stack, await signed_up(door, "Bob"))
        made = [await ada.call("CreateProject", project={"title": "Apollo"}) for _ in range(3)]
        for project in made:
            await invited(ada, project, bob.email)
        told = profiles.update().where(profiles.c.user_id == bob.id).values(verified_email=bob.email)
        await change(stack.work_url, told)
        await asyncio.gather(*(process.settle() for process in processes))
        for project in made:
            assert await arrived(stack, project, bob) == "DEVELOPER"
            assert await verbs(stack, project["id"]) == ["project_created", "member_invited", "member_added"]


@pytest.mark.parametrize("state", [{"disabled": True}, {"deleted": True}])
async def test_nobody_comes_who_may_not_sign_in(
    stack: Stack, door: Door, ada: Person, project: dict[str, Any], processes: list[Arrivals], state: dict[str, bool]
) -> None:
    bob = await known(stack, await signed_up(door, "Bob"))
    told = profiles.update().where(profiles.c.user_id == bob.id).values(verified_email=bob.email, **state)
    await change(stack.work_url, told)
    await invited(ada, project, bob.email)
    await processes[0].settle()
    assert await roles(stack, project) == {ada.id: "OWNER"}
    assert await waiting(stack, project) == [bob.email]


async def test_one_learns_what_one_may_do(
    ada: Person, stranger: Person, admin: Person, project: dict[str, Any]
) -> None:
    async def held(person: Person, *permissions: str) -> list[str]:
        answer = await person.call("TestPermissions", project=project["slug"], permissions=permissions)
        found: list[str] = answer["permissions"]
        return found

    some = ("project.delete", "task.update", "project.read", "member.invite")
    assert await held(ada, *some) == list(some)
    assert await held(admin, *some) == list(some)
    await ada.call("AddMember", project=project["id"], userId=stranger.id, role="DEVELOPER")
    assert await held(stranger, *some) == ["task.update", "project.read"]
    assert len(await held(ada, *Permission)) == len(Permission)
    with refused("INVALID_ARGUMENT", "PERMISSION_UNKNOWN", field="permissions[1]"):
        await held(ada, "task.update", "task.paint")
