"""What is revoked is refused everywhere, and soon: work is told by identity's feed."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from identity_service.feed import queries, store
from identity_service.tables import feed
from tests.contract.test_tokens import parts
from tests.support.databases import Databases
from tests.support.doors import Door, Json, Refused, refused
from tests.support.people import PASSWORD, Person, known, signed_in, signed_up, signed_up_as, verified
from tests.support.sql import change, rows
from tests.support.stack import Stack, running_stack

OTHER_PASSWORD = "another battery staple"


async def is_refused_everywhere(person: Person) -> None:
    """Return once neither service takes the person's access token."""
    for rpc in ("ListSessions", "ListProjects"):
        async with asyncio.timeout(20):
            while True:
                try:
                    await person.call(rpc)
                except Refused as refusal:
                    assert (refusal.code, refusal.reason) == ("UNAUTHENTICATED", "TOKEN_REVOKED")
                    break
                await asyncio.sleep(0.05)


async def works_everywhere(person: Person) -> None:
    await person.call("GetMe")
    await person.call("ListProjects")


async def test_a_session_that_was_left_is_refused_everywhere_and_no_other_is(ada: Person) -> None:
    elsewhere = await signed_in(ada.door, ada.email)
    await works_everywhere(ada)
    await ada.call("Logout")
    await is_refused_everywhere(ada)
    await works_everywhere(elsewhere)


async def test_all_sessions_that_were_left_are_refused_everywhere(ada: Person) -> None:
    elsewhere = await signed_in(ada.door, ada.email)
    await ada.call("RevokeAllSessions")
    for left in (ada, elsewhere):
        await is_refused_everywhere(left)
    await works_everywhere(await signed_in(ada.door, ada.email))


async def test_another_password_ends_the_other_sessions_everywhere(ada: Person) -> None:
    elsewhere = await signed_in(ada.door, ada.email)
    await ada.call("ChangePassword", currentPassword=PASSWORD, newPassword=OTHER_PASSWORD)
    await is_refused_everywhere(elsewhere)
    await works_everywhere(ada)


async def test_a_session_that_was_revoked_is_refused_everywhere_and_no_other_is(ada: Person) -> None:
    elsewhere = await signed_in(ada.door, ada.email)
    await works_everywhere(elsewhere)
    await ada.call("RevokeSession", sessionId=parts(elsewhere.token)[1]["sid"])
    await is_refused_everywhere(elsewhere)
    await works_everywhere(ada)


@pytest.mark.parametrize(
    ("rpc", "more"),
    [
        ("UpdateUser", {"user": {"role": "MANAGER"}}),
        ("DisableUser", {}),
        ("DeleteUser", {}),
        ("RevokeUserSessions", {}),
    ],
)
async def test_what_administrators_do_to_people_is_done_to_their_tokens_everywhere(
    stack: Stack, door: Door, ada: Person, stranger: Person, rpc: str, more: Json
) -> None:
    admin = await signed_up_as(door, stack.identity_url, "ADMIN")
    await works_everywhere(await verified(stack, ada))
    await admin.call(rpc, userId=ada.id, **more)
    await is_refused_everywhere(ada)
    for other in (stranger, admin):
        await works_everywhere(other)


async def test_whoever_is_given_another_role_goes_on_with_the_next_token(stack: Stack, door: Door, ada: Person) -> None:
    admin = await signed_up_as(door, stack.identity_url, "ADMIN")
    mine = await door.call("Login", email=ada.email, password=PASSWORD)
    await admin.call("UpdateUser", userId=(await verified(stack, ada)).id, user={"role": "MANAGER"})
    await is_refused_everywhere(ada)
    next_token = (await door.call("Refresh", refreshToken=mine["refreshToken"]))["accessToken"]
    await works_everywhere(Person(ada.id, ada.email, next_token, door))
    await door.call("ListUsers", token=next_token)


async def test_a_feed_that_cannot_be_read_once_is_read_again(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Identity reads it for its own verifier, which must not miss anything for as long as the process lives."""
    stumbles = [RuntimeError("once"), RuntimeError("and once more")]
    original = store.read

    async def stumbling(*arguments: Any, **named: Any) -> Any:
        if stumbles:
            raise stumbles.pop()
        return await original(*arguments, **named)

    monkeypatch.setattr(store, "read", stumbling)
    async with running_stack(databases) as stack:
        ada = await signed_up(stack.doors["grpc"])
        await ada.call("Logout")
        await is_refused_everywhere(ada)
    assert stumbles == []


async def test_a_feed_that_does_not_answer_is_given_up_and_read_again(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the database's host has vanished without a word."""
    monkeypatch.setattr(queries, "_PATIENCE", timedelta(milliseconds=500))
    monkeypatch.setattr(queries, "_SIGN_OF_LIFE", timedelta(milliseconds=100))
    original = store.read
    stuck = [asyncio.Event(), asyncio.Event()]

    async def hanging(*arguments: Any, **named: Any) -> Any:
        if stuck:
            await stuck.pop().wait()
        return await original(*arguments, **named)

    monkeypatch.setattr(store, "read", hanging)
    async with running_stack(databases) as stack:
        ada = await signed_up(stack.doors["grpc"])
        await ada.call("Logout")
        await is_refused_everywhere(ada)


async def test_a_database_that_was_restored_under_those_who_read_is_read_from_its_beginning(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its places are given out once more, and nobody waits for those that are long gone.

    Those who read may have come further than whoever looks now and then has ever seen.
    """
    monkeypatch.setattr(queries, "_LOOKED_AT", timedelta(seconds=1))
    async with running_stack(databases) as stack:
        ada, grace = [await signed_up(stack.doors["grpc"], name) for name in ("Ada", "Grace")]
        for _ in range(5):
            await (await signed_in(ada.door, ada.email)).call("Logout")
        await change(stack.identity_url, delete(feed))
        back = select(func.setval(func.pg_get_serial_sequence("feed", "id"), 1))
        await rows(stack.identity_url, back)
        for person in (ada, grace):
            await person.call("Logout")
            await is_refused_everywhere(person)


async def test_work_learns_what_people_are_called(stack: Stack, ada: Person) -> None:
    await ada.call("UpdateMe", user={"fullName": "Augusta Ada King"})
    await known(stack, ada, "Augusta Ada King")


async def test_without_identity_tokens_are_good_until_they_expire(databases: Databases) -> None:
    async with running_stack(databases) as stack:
        ada = await signed_up(stack.doors["rest"])
        await ada.call("ListProjects")
        await stack.stop_identity()
        stack.clock.advance(minutes=9, seconds=30)
        await ada.call("ListProjects")
        stack.clock.advance(minutes=1)
        with refused("UNAUTHENTICATED", "TOKEN_EXPIRED"):
            await ada.call("ListProjects")
