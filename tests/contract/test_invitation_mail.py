"""Who is invited is told by mail. Through both doors."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from chassis.ids import new_id
from tests.contract.test_invitations import an_address, invited, verified
from tests.support.databases import Databases
from tests.support.doors import Door, refused
from tests.support.machines import machine_token, provisioned
from tests.support.mailbox import mails_to
from tests.support.people import Person, known, signed_up
from tests.support.sql import change, rows
from tests.support.stack import Stack, running_stack
from work_service.tables import invitation_mails, invitations


async def told(stack: Stack, email: str, how_often: int = 1) -> list[dict[str, Any]]:
    """What the address was told, once it was told so often."""
    async with asyncio.timeout(20):
        while len(found := await mails_to(stack, email, "PROJECT_INVITATION")) < how_often:
            await asyncio.sleep(0.02)
    return found


async def settled(stack: Stack, email: str) -> None:
    """Return once nothing is left to be told to that address."""
    waiting = select(invitation_mails.c.id).where(
        invitation_mails.c.email == email, invitation_mails.c.next_attempt_time.is_not(None)
    )
    async with asyncio.timeout(20):
        while await rows(stack.work_url, waiting):
            await asyncio.sleep(0.02)


async def test_who_is_invited_is_told_by_whom_and_to_what(stack: Stack, ada: Person) -> None:
    project = await ada.call("CreateProject", project={"title": "Apollo\nwww.evil.example"})
    email = an_address()
    await invited(ada, project, email)
    (mail,) = await told(stack, email)
    assert mail == {"kind": "PROJECT_INVITATION", "inviter": "Ada", "project": "Apollo www. evil. example"}


async def test_who_is_invited_again_is_told_again_after_a_day(
    stack: Stack, ada: Person, project: dict[str, Any]
) -> None:
    email = an_address()
    first = await invited(ada, project, email)
    await told(stack, email)
    await invited(ada, project, email)
    await invited(ada, project, email, "VIEWER")
    await ada.call("RevokeInvitation", project=project["id"], invitationId=first["id"])
    await invited(ada, project, email)
    await settled(stack, email)
    assert len(await told(stack, email)) == 1
    yesterday = {"create_time": stack.clock.now().replace(year=2020)}
    await change(stack.work_url, invitation_mails.update().where(invitation_mails.c.email == email).values(yesterday))
    await invited(ada, project, email)
    assert len(await told(stack, email, 2)) == 2


async def test_an_archived_project_tells_nobody(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    email = an_address()
    first = await invited(ada, project, email)
    await told(stack, email)
    yesterday = {"create_time": stack.clock.now().replace(year=2020)}
    await change(stack.work_url, invitation_mails.update().where(invitation_mails.c.email == email).values(yesterday))
    await ada.call("ArchiveProject", project=project["id"])
    assert await invited(ada, project, email) == first, "that changes nothing"
    await settled(stack, email)
    assert len(await told(stack, email)) == 1
    await ada.call("UnarchiveProject", project=project["id"])
    await invited(ada, project, email)
    assert len(await told(stack, email, 2)) == 2


async def test_each_project_tells(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    email, other = an_address(), await ada.call("CreateProject", project={"title": "Gemini"})
    await invited(ada, project, email)
    await invited(ada, other, email)
    assert {mail["project"] for mail in await told(stack, email, 2)} == {"Apollo", "Gemini"}


async def test_a_call_that_is_tried_again_tells_once(stack: Stack, ada: Person, project: dict[str, Any]) -> None:
    email = an_address()
    attempt = {"idempotencyKey": str(new_id()), "project": project["id"], "email": email, "role": "VIEWER"}
    await asyncio.gather(*(ada.call("InviteMember", **attempt) for _ in range(5)))
    await settled(stack, email)
    assert len(await told(stack, email)) == 1


async def test_who_has_shown_that_the_address_is_theirs_comes_and_is_not_told(
    stack: Stack, door: Door, ada: Person, project: dict[str, Any]
) -> None:
    bob = await verified(stack, await known(stack, await signed_up(door, "Bob")))
    other = await ada.call("CreateProject", project={"title": "Gemini"})
    async with asyncio.timeout(20):
        while not any(
            member["userId"] == bob.id for member in (await ada.call("ListMembers", project=other["id"]))["members"]
        ):
            await invited(ada, other, bob.email)  # until work has heard of it
            await asyncio.sleep(0.05)
    before = len(await mails_to(stack, bob.email, "PROJECT_INVITATION"))
    await invited(ada, project, bob.email)
    await settled(stack, bob.email)
    assert len(await mails_to(stack, bob.email, "PROJECT_INVITATION")) == before


async def test_to_invite_does_the_same_for_known_and_unknown_addresses(
    stack: Stack, door: Door, ada: Person, project: dict[str, Any]
) -> None:
    known_address = (await verified(stack, await known(stack, await signed_up(door, "Bob")))).email
    work = []
    for email in (known_address, an_address()):
        stack.clear()
        await invited(ada, project, email)
        work.append((stack.work.statements, stack.identity.statements))
    assert work[0] == work[1]
    assert work[0][0].count("INSERT invitation_mails") == 1
    assert work[0][1] == [], "identity is asked afterwards"


async def test_who_invites_too_many_gets_the_same_answer_and_the_invitations_stay(databases: Databases) -> None:
    settings = {"invitations_per_day": 2, "invitation_mails_per_day": 1}
    async with running_stack(databases, identity_settings=settings) as stack:
        ada = await known(stack, await signed_up(stack.doors["rest"], "Ada"))
        projects = [await ada.call("CreateProject", project={"title": "Apollo"}) for _ in range(2)]
        addresses = [an_address() for _ in range(4)]
        answers = []
        for email in addresses:
            answers.append(await invited(ada, projects[0], email))
            await settled(stack, email)
        await invited(ada, projects[1], addresses[0])
        await settled(stack, addresses[0])
        assert [len(await mails_to(stack, email)) for email in addresses] == [1, 1, 0, 0]
        assert len({frozenset(answer) for answer in answers}) == 1
        assert len(await rows(stack.work_url, select(invitations))) == 5


async def test_without_identity_people_are_invited_and_told_later(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        ada = await known(stack, await signed_up(stack.doors["grpc"], "Ada"))
        project = await ada.call("CreateProject", project={"title": "Apollo"})
        await stack.stop_identity()
        email = an_address()
        assert (await invited(ada, project, email))["email"] == email
        async with asyncio.timeout(20):
            while not (await rows(stack.work_url, select(invitation_mails)))[0].attempts:
                await asyncio.sleep(0.02)
        (mail,) = await rows(stack.work_url, select(invitation_mails))
        assert mail.next_attempt_time is not None
        assert await mails_to(stack, email) == []


@pytest.mark.parametrize("scopes", [["identity.read"], ["identity.admin"], ["work.read", "work.write"]])
async def test_only_who_may_have_people_told_does(stack: Stack, ada: Person, scopes: list[str]) -> None:
    door, email = stack.doors["grpc"], an_address()
    request = {"mailId": str(new_id()), "email": email, "inviterId": ada.id, "projectTitle": "Apollo"}
    name = f"machine-{new_id().hex}"
    secret = await provisioned(stack.identity_url, name, scopes=scopes, audiences=["identity", "work"])
    with refused("PERMISSION_DENIED", "INSUFFICIENT_SCOPE"):
        await door.call("SendInvitation", token=await machine_token(door, name, secret), **request)
    with refused("PERMISSION_DENIED"):
        await door.call("SendInvitation", token=ada.token, **request)
    assert await mails_to(stack, email) == []
    name = f"machine-{new_id().hex}"
    secret = await provisioned(stack.identity_url, name, scopes=["identity.mail"], audiences=["identity"])
    assert await door.call("SendInvitation", token=await machine_token(door, name, secret), **request) == {}
    assert len(await mails_to(stack, email)) == 1
