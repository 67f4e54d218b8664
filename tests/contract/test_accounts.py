"""Accounts: registering tells nobody who has one; people say of themselves what they like. Through both doors."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from chassis.ids import new_id
from identity_service.passwords import Passwords
from identity_service.tables import audit_events, feed, users
from tests.support.databases import Databases
from tests.support.doors import Door, RestDoor, refused
from tests.support.machines import machine_token, provisioned
from tests.support.mailbox import mails_to, token_to
from tests.support.people import PASSWORD, Person, signed_in, signed_up
from tests.support.sql import change, rows
from tests.support.stack import Stack, running_stack


def new_address() -> str:
    return f"{new_id()}@example.com"


async def register(door: Door, email: str, **more: Any) -> None:
    await door.call("Register", **{"email": email, "password": PASSWORD, "fullName": "Grace Hopper"} | more)


async def test_a_new_address_gets_mail_with_a_token(stack: Stack, door: Door) -> None:
    email = new_address()
    await register(door, email)
    (sent,) = await mails_to(stack, email)
    assert sent["kind"] == "VERIFY_EMAIL"
    assert sent["full_name"] == "Grace Hopper"
    assert sent["token"].startswith("tdm_")


async def test_the_owner_of_a_known_address_is_told_a_few_times_a_day(stack: Stack, door: Door, ada: Person) -> None:
    for _ in range(5):
        await register(door, ada.email.upper(), fullName="Eve")
    told = [sent["kind"] for sent in await mails_to(stack, ada.email)]
    assert told == ["ACCOUNT_EXISTS"] * 2 + ["VERIFY_EMAIL"], "three in all"
    assert all("Eve" not in str(sent) for sent in await mails_to(stack, ada.email)), "strangers put no words into it"


async def test_who_wants_a_username_that_is_taken_again_and_again_gets_mail_all_the_same(
    stack: Stack, door: Door, ada: Person
) -> None:
    email, taken = new_address(), f"taken-{new_id().hex[-12:]}"
    await ada.call("UpdateMe", user={"username": taken})
    for _ in range(3):
        with refused("ALREADY_EXISTS", "USERNAME_TAKEN"):
            await register(door, email, username=taken)
    await register(door, email)
    assert [sent["kind"] for sent in await mails_to(stack, email)] == ["VERIFY_EMAIL"]


async def test_registering_does_the_same_work_for_known_and_unknown_addresses(
    stack: Stack, door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    hash_ = Passwords.hash

    async def counted(self: Passwords, password: str) -> str:
        hashed.append("hash")
        return await hash_(self, password)

    monkeypatch.setattr(Passwords, "hash", counted)
    work = []
    unknown = new_address()
    for email in (unknown, ada.email):
        stack.clear()
        hashed.clear()
        await register(door, email)
        work.append((hashed.copy(), stack.identity.statements))
    assert work[0] == work[1]
    assert work[0][0] == ["hash"]


async def test_a_live_token_of_the_owner_survives_that_somebody_registers_their_address(
    stack: Stack, door: Door, ada: Person
) -> None:
    token = await token_to(stack, ada.email, "VERIFY_EMAIL")
    await register(door, ada.email)
    assert (await door.call("VerifyEmail", token_=token))["email"] == ada.email


async def test_the_domain_of_an_address_has_no_case(stack: Stack, door: Door) -> None:
    name = str(new_id())
    await register(door, f"Grace.{name}@EXAMPLE.com")
    me = await (await signed_in(door, f"grace.{name}@example.com")).call("GetMe")
    assert me["email"] == f"Grace.{name}@example.com"
    await register(door, f"GRACE.{name}@example.COM", fullName="Eve")
    assert [sent["kind"] for sent in await mails_to(stack, me["email"])] == ["ACCOUNT_EXISTS", "VERIFY_EMAIL"]


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short one", "at least 15 characters"),
        ("passwordpassword", "repeats"),
        ("qwertyuiopasdfgh", "commonly used"),
        ("grace hopper 1906", "your name"),
        ("Tandem Grace 2026", "your name"),
    ],
)
async def test_a_weak_password_is_refused_with_a_reason(door: Door, password: str, why: str) -> None:
    with refused("INVALID_ARGUMENT", "WEAK_PASSWORD", field="password") as said:
        await register(door, new_address(), password=password)
    assert why in said[0].message
    assert password not in said[0].message


async def test_a_password_is_taken_exactly(door: Door) -> None:
    """No composition rules, nothing cut off, no Unicode normalisation, spaces at the ends are part of it."""
    password = " Å" + "long and unlikely sentences, " * 8
    email = new_address()
    await register(door, email, password=password)
    await signed_in(door, email, password)
    for other in (password.strip(), password[:-1], " A\u030a" + password[2:]):
        with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
            await signed_in(door, email, other)


async def test_registering_is_paced_by_network_address(databases: Databases) -> None:
    async with running_stack(databases, identity_settings={"registrations_per_hour": 2}) as stack:
        for door in stack.doors.values():
            await register(door, new_address())
        for door in stack.doors.values():
            with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED") as said:
                await register(door, new_address())
            assert said[0].retry_after
        stack.clock.advance(minutes=31)
        await register(stack.doors["grpc"], new_address())


async def test_a_refused_password_counts_and_who_is_told_to_wait_has_none_judged(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []
    original = Passwords.expect_strong

    async def counted(self: Passwords, password: str, **more: Any) -> None:
        judged.append(password)
        await original(self, password, **more)

    monkeypatch.setattr(Passwords, "expect_strong", counted)
    async with running_stack(databases, identity_settings={"registrations_per_hour": 2}) as stack:
        for door in stack.doors.values():
            with refused("INVALID_ARGUMENT", "WEAK_PASSWORD"):
                await register(door, new_address(), password="passwordpassword")
        for door in stack.doors.values():
            with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
                await register(door, new_address(), password="passwordpassword")
    assert len(judged) == 2


async def test_people_say_what_they_are_called(stack: Stack, ada: Person) -> None:
    username = f"ada-{new_id().hex[:20]}"
    before = await ada.call("GetMe")
    me = await ada.call("UpdateMe", user={"fullName": "Ada King", "username": username})
    assert (me["fullName"], me["username"]) == ("Ada King", username)
    assert me["etag"] != before["etag"]
    assert await ada.call("GetMe") == me
    assert await ada.call("UpdateMe", user={"fullName": "Ada King"}) == me, "the same again changes nothing"
    without = await ada.call("UpdateMe", user={"username": ""})
    assert without["username"] == ""


async def test_other_services_are_told_and_it_is_remembered(stack: Stack, ada: Person) -> None:
    await ada.call("UpdateMe", user={"fullName": "Ada King"}, request_id=f"rename-{ada.id}")
    (event,) = await rows(
        stack.identity_url, select(feed).where(feed.c.subject == ada.id, feed.c.kind == "PROFILE_CHANGED")
    )
    assert event.content["full_name"] == "Ada King"
    assert event.content["verified_email"] == "", "nobody can be found by an address that is not verified"
    (kept,) = await rows(
        stack.identity_url, select(audit_events).where(audit_events.c.request_id == f"rename-{ada.id}")
    )
    assert (kept.action, kept.target_id, str(kept.actor_id)) == ("user.updated", ada.id, ada.id)
    assert kept.metadata == {"fields": "full_name"}


async def test_what_has_changed_meanwhile_is_not_overwritten(ada: Person) -> None:
    seen = (await ada.call("GetMe"))["etag"]
    await ada.call("UpdateMe", user={"fullName": "Ada King"}, etag=seen)
    for rpc, request in (("UpdateMe", {"user": {"fullName": "Eve"}}), ("DeleteMe", {})):
        with refused("ABORTED", "ETAG_MISMATCH") as said:
            await ada.call(rpc, **request, etag=seen)
        assert said[0].metadata["currentEtag"] == (await ada.call("GetMe"))["etag"]
    assert (await ada.call("GetMe"))["fullName"] == "Ada King"


async def test_if_match_guards_the_profile_over_rest(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada = await signed_up(door)
    etag = (await door.send("GetMe", token=ada.token)).headers["etag"]
    for sent, status in ((etag, 200), (etag, 412)):
        response = await door.send(
            "UpdateMe", token=ada.token, user={"fullName": f"Ada {status}"}, headers={"if-match": sent}
        )
        assert response.status_code == status, response.text


async def test_what_the_server_sets_cannot_be_set(ada: Person) -> None:
    before = await ada.call("GetMe")
    user = {"role": "ADMIN", "emailVerified": True, "email": "other@example.com", "disabled": True, "id": str(new_id())}
    assert await ada.call("UpdateMe", user=user) == before


async def test_a_username_of_somebody_else_is_refused(ada: Person, stranger: Person) -> None:
    username = f"taken-{new_id().hex[:20]}"
    await ada.call("UpdateMe", user={"username": username})
    with refused("ALREADY_EXISTS", "USERNAME_TAKEN"):
        await stranger.call("UpdateMe", user={"username": username})


async def test_names_are_told_for_ids_in_the_order_in_which_they_are_asked_for(
    stack: Stack, ada: Person, stranger: Person
) -> None:
    await ada.call("UpdateMe", user={"username": f"ada-{new_id().hex[:20]}"})
    gone = await signed_up(ada.door)
    await gone.call("DeleteMe")
    disabled = await signed_up(ada.door, "Disabled")
    await change(stack.identity_url, users.update().values(disabled=True).where(users.c.id == disabled.id))
    wanted = [stranger.id, str(new_id()), ada.id, gone.id, disabled.id]
    stack.clear()
    profiles = (await ada.call("BatchGetProfiles", userIds=wanted))["profiles"]
    assert len(stack.identity.statements) == 1
    assert [profile["fullName"] for profile in profiles] == ["Stranger", "Ada", "Disabled"]
    assert set(profiles[0]) == {"id", "username", "fullName"}, "nothing else is anybody's business"


async def test_a_deleted_account_is_gone_and_its_names_are_free(stack: Stack, ada: Person) -> None:
    username = f"gone-{new_id().hex[:20]}"
    await ada.call("UpdateMe", user={"username": username})
    await ada.call("DeleteMe")
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await signed_in(ada.door, ada.email)
    told = {
        row.kind: row.content for row in await rows(stack.identity_url, select(feed).where(feed.c.subject == ada.id))
    }
    assert told["PROFILE_CHANGED"]["deleted"] is True
    assert "TOKENS_INVALIDATED" in told, "access tokens that were issued already"
    await register(ada.door, ada.email, username=username)
    assert (await signed_in(ada.door, ada.email)).id != ada.id


async def test_the_last_administrator_stays(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        for door in stack.doors.values():
            first, second = await signed_up(door), await signed_up(door)
            for somebody in (first, second):
                await change(stack.identity_url, users.update().values(role="ADMIN").where(users.c.id == somebody.id))
            await first.call("DeleteMe")
            with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
                await second.call("DeleteMe")
            await change(stack.identity_url, users.update().values(role="USER").where(users.c.id == second.id))


async def test_one_address_registered_many_times_at_once_makes_one_account(stack: Stack, door: Door) -> None:
    email = new_address()
    await asyncio.gather(*(register(door, email) for _ in range(8)))
    assert len(await rows(stack.identity_url, select(users).where(users.c.email == email))) == 1
    sent = [mail["kind"] for mail in await mails_to(stack, email)]
    assert sorted(sent) == ["ACCOUNT_EXISTS"] * 2 + ["VERIFY_EMAIL"] or sorted(sent) == ["ACCOUNT_EXISTS"] * 3


async def test_machines_that_may_read_identities_are_told_names(stack: Stack, door: Door, ada: Person) -> None:
    secret = await provisioned(stack.identity_url, "names", scopes=["identity.read"], audiences=["identity"])
    token = await machine_token(stack.doors["grpc"], "names", secret)
    answer = await door.call("BatchGetProfiles", token=token, userIds=[ada.id, ada.id])
    assert [profile["id"] for profile in answer["profiles"]] == [ada.id, ada.id]
