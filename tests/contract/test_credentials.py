"""Passwords, addresses, and what comes by mail: works once, and only for what it was made for. Through both doors."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import select

from chassis.ids import new_id
from identity_service.mail_tokens.domain import digest_of
from identity_service.tables import audit_events, feed, mail_tokens, mails, sessions, users
from tests.contract.test_accounts import new_address
from tests.support.databases import Databases
from tests.support.doors import Door, Refused, RestDoor, refused
from tests.support.imported import bcrypted, pbkdf2
from tests.support.mailbox import mails_to, token_to
from tests.support.people import PASSWORD, Person, signed_in, signed_up
from tests.support.sql import change, rows
from tests.support.stack import Stack, running_stack

NEW_PASSWORD = "four unusual words indeed"
invalid_token = ("INVALID_ARGUMENT", "MAIL_TOKEN_INVALID")


async def kinds(stack: Stack, address: str) -> list[str]:
    """What kinds of mail that address got, the newest first."""
    return [sent["kind"] for sent in await mails_to(stack, address)]


async def sessions_of(stack: Stack, person: Person) -> dict[str, str | None]:
    """Why each session of a person has ended, by id; None for those that have not."""
    found = await rows(stack.identity_url, select(sessions).where(sessions.c.user_id == person.id))
    return {str(row.id): row.revoke_reason for row in found}


async def reset_token(stack: Stack, person: Person) -> str:
    await person.door.call("RequestPasswordReset", email=person.email)
    return await token_to(stack, person.email, "RESET_PASSWORD")


# -- passwords


async def test_a_password_is_changed_by_who_knows_it(stack: Stack, ada: Person) -> None:
    elsewhere = await signed_in(ada.door, ada.email)
    await ada.call("ChangePassword", currentPassword=PASSWORD, newPassword=NEW_PASSWORD)
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await signed_in(ada.door, ada.email)
    await signed_in(ada.door, ada.email, NEW_PASSWORD)
    assert (await ada.call("GetMe"))["id"] == elsewhere.id, "the session that it was done with goes on"
    assert (await kinds(stack, ada.email))[0] == "PASSWORD_CHANGED"


async def test_the_other_sessions_end_when_the_password_changes(stack: Stack, ada: Person) -> None:
    await signed_in(ada.door, ada.email)
    await ada.call("ChangePassword", currentPassword=PASSWORD, newPassword=NEW_PASSWORD)
    endings = await sessions_of(stack, ada)
    assert sorted(map(str, endings.values())) == ["None", "PASSWORD_CHANGED"]
    (ended,) = [session for session, ending in endings.items() if ending]
    told = await rows(stack.identity_url, select(feed.c.kind).where(feed.c.subject == ended))
    assert [row.kind for row in told] == ["SESSION_ENDED"]


async def test_a_wrong_password_changes_nothing_and_is_remembered(stack: Stack, ada: Person) -> None:
    with refused("INVALID_ARGUMENT", "WRONG_PASSWORD", field="current_password"):
        await ada.call(
            "ChangePassword", currentPassword="not it", newPassword=NEW_PASSWORD, request_id=f"wrong-{ada.id}"
        )
    with refused("INVALID_ARGUMENT", "WRONG_PASSWORD", field="password"):
        await ada.call("ChangeEmail", password="not it", email=new_address())
    await signed_in(ada.door, ada.email)
    (kept,) = await rows(stack.identity_url, select(audit_events).where(audit_events.c.request_id == f"wrong-{ada.id}"))
    assert (kept.action, kept.outcome, kept.reason) == ("password.changed", "REFUSED", "WRONG_PASSWORD")


async def test_a_weak_new_password_is_refused_with_a_reason(stack: Stack, ada: Person) -> None:
    with refused("INVALID_ARGUMENT", "WEAK_PASSWORD", field="new_password") as said:
        await ada.call("ChangePassword", currentPassword=PASSWORD, newPassword=f"ada {ada.email}")
    assert "your name" in said[0].message
    token = await reset_token(stack, ada)
    with refused("INVALID_ARGUMENT", "WEAK_PASSWORD", field="new_password"):
        await ada.door.call("ResetPassword", token_=token, newPassword="passwordpassword")
    await ada.door.call("ResetPassword", token_=token, newPassword=NEW_PASSWORD)  # the token works on


@pytest.fixture
async def strict(databases: Databases) -> AsyncIterator[Stack]:
    """One's own password may be wrong twice there, and no time passes."""
    async with running_stack(databases, identity_settings={"own_password_attempts": 2}) as stack:
        stack.clock.stop()
        yield stack


async def guess_twice(person: Person) -> None:
    for _ in range(2):
        with refused("INVALID_ARGUMENT", "WRONG_PASSWORD"):
            await person.call("ChangePassword", currentPassword="not it", newPassword=NEW_PASSWORD)


async def test_a_reset_forgets_what_was_guessed_with_somebody_elses_session(strict: Stack) -> None:
    for door in strict.doors.values():
        ada = await signed_up(door)
        await guess_twice(ada)
        await door.call("ResetPassword", token_=await reset_token(strict, ada), newPassword=NEW_PASSWORD)
        ada = await signed_in(door, ada.email, NEW_PASSWORD)
        await ada.call("ChangePassword", currentPassword=NEW_PASSWORD, newPassword=PASSWORD)


async def test_guessing_with_somebody_elses_session_gets_slower(strict: Stack) -> None:
    for door in strict.doors.values():
        ada = await signed_up(door)
        await guess_twice(ada)
        with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED") as said:
            await ada.call("ChangePassword", currentPassword=PASSWORD, newPassword=NEW_PASSWORD)
        assert said[0].retry_after
        strict.clock.advance(seconds=2)
        await ada.call("ChangePassword", currentPassword=PASSWORD, newPassword=NEW_PASSWORD)
        await guess_twice(ada)  # what was right has cleared what was wrong


@pytest.mark.parametrize("hashed", [bcrypted, pbkdf2])
async def test_a_password_from_elsewhere_is_hashed_anew_when_its_owner_signs_in(
    stack: Stack, ada: Person, hashed: Callable[[str], str]
) -> None:
    hers = users.c.id == ada.id
    imported = hashed("imported years ago")
    await change(stack.identity_url, users.update().values(password_hash=imported).where(hers))
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await signed_in(ada.door, ada.email, "imported years before")
    (row,) = await rows(stack.identity_url, select(users.c.password_hash).where(hers))
    assert row.password_hash == imported, "only by who knows it"
    for _ in range(2):
        await signed_in(ada.door, ada.email, "imported years ago")
        (row,) = await rows(stack.identity_url, select(users.c.password_hash).where(hers))
        assert row.password_hash.startswith("$argon2id$")


async def test_a_sign_in_costs_no_hash_when_nothing_has_changed(stack: Stack, ada: Person) -> None:
    before = await rows(stack.identity_url, select(users.c.password_hash).where(users.c.id == ada.id))
    await signed_in(ada.door, ada.email)
    assert await rows(stack.identity_url, select(users.c.password_hash).where(users.c.id == ada.id)) == before


# -- resetting


async def test_a_forgotten_password_is_reset_by_mail(stack: Stack, ada: Person) -> None:
    token = await reset_token(stack, ada)
    await ada.door.call("ResetPassword", token_=token, newPassword=NEW_PASSWORD)
    await signed_in(ada.door, ada.email, NEW_PASSWORD)
    endings = list((await sessions_of(stack, ada)).values())
    assert endings.count("PASSWORD_CHANGED") == 1
    told = {
        row.kind: row.content for row in await rows(stack.identity_url, select(feed).where(feed.c.subject == ada.id))
    }
    assert told["TOKENS_INVALIDATED"]["token_version"] == 2
    assert (await kinds(stack, ada.email))[0] == "PASSWORD_CHANGED"


async def test_a_reset_verifies_the_address(stack: Stack, ada: Person) -> None:
    await ada.door.call("ResetPassword", token_=await reset_token(stack, ada), newPassword=NEW_PASSWORD)
    me = await (await signed_in(ada.door, ada.email, NEW_PASSWORD)).call("GetMe")
    assert me["emailVerified"] is True
    (told,) = await rows(
        stack.identity_url, select(feed).where(feed.c.subject == ada.id, feed.c.kind == "PROFILE_CHANGED")
    )
    assert told.content["verified_email"] == ada.email


async def test_a_reset_token_works_once(stack: Stack, ada: Person) -> None:
    token = await reset_token(stack, ada)
    await ada.door.call("ResetPassword", token_=token, newPassword=NEW_PASSWORD)
    with refused(*invalid_token):
        await ada.door.call("ResetPassword", token_=token, newPassword=PASSWORD)


async def test_a_newer_token_takes_the_place_of_an_older_one(stack: Stack, ada: Person) -> None:
    older, newer = await reset_token(stack, ada), await reset_token(stack, ada)
    assert older != newer
    with refused(*invalid_token):
        await ada.door.call("ResetPassword", token_=older, newPassword=NEW_PASSWORD)
    await ada.door.call("ResetPassword", token_=newer, newPassword=NEW_PASSWORD)


async def test_a_token_from_before_the_password_changed_works_no_more(stack: Stack, ada: Person) -> None:
    reset = await reset_token(stack, ada)
    verify = await token_to(stack, ada.email, "VERIFY_EMAIL")
    await ada.call("ChangePassword", currentPassword=PASSWORD, newPassword=NEW_PASSWORD)
    with refused(*invalid_token):
        await ada.door.call("ResetPassword", token_=reset, newPassword=PASSWORD)
    with refused(*invalid_token):
        await ada.door.call("VerifyEmail", token_=verify)


async def test_a_token_from_before_the_address_changed_works_no_more(stack: Stack, ada: Person) -> None:
    reset = await reset_token(stack, ada)
    other = new_address()
    await ada.call("ChangeEmail", password=PASSWORD, email=other)
    await ada.door.call("VerifyEmail", token_=await token_to(stack, other, "VERIFY_EMAIL"))
    with refused(*invalid_token):
        await ada.door.call("ResetPassword", token_=reset, newPassword=NEW_PASSWORD)


async def test_even_a_token_that_was_left_behind_is_bound_to_address_and_credentials(stack: Stack, ada: Person) -> None:
    """The rows are cleared as well: this is about the second line of defence."""
    for spoiled in ({"email": new_address()}, {"credential_version": 7}):
        token = await reset_token(stack, ada)
        mine = mail_tokens.c.digest == digest_of(token)
        await change(stack.identity_url, mail_tokens.update().values(**spoiled).where(mine))
        with refused(*invalid_token):
            await ada.door.call("ResetPassword", token_=token, newPassword=NEW_PASSWORD)


async def test_a_token_is_good_for_its_own_purpose_only(stack: Stack, ada: Person) -> None:
    with refused(*invalid_token):
        await ada.door.call(
            "ResetPassword", token_=await token_to(stack, ada.email, "VERIFY_EMAIL"), newPassword=NEW_PASSWORD
        )
    with refused(*invalid_token):
        await ada.door.call("VerifyEmail", token_=await reset_token(stack, ada))
    with refused(*invalid_token):
        await ada.door.call("VerifyEmail", token_=ada.token[:256])
    for rpc, more in (("VerifyEmail", {}), ("ResetPassword", {"newPassword": NEW_PASSWORD})):
        with refused(*invalid_token):
            await ada.door.call(rpc, token_="tdm_nonsense", **more)


async def test_whoever_may_not_sign_in_cannot_reset_either(stack: Stack, ada: Person) -> None:
    token = await reset_token(stack, ada)
    await change(stack.identity_url, users.update().values(disabled=True).where(users.c.id == ada.id))
    with refused(*invalid_token):
        await ada.door.call("ResetPassword", token_=token, newPassword=NEW_PASSWORD)
    sent = await kinds(stack, ada.email)
    await ada.door.call("RequestPasswordReset", email=ada.email)
    assert await kinds(stack, ada.email) == sent


async def test_asking_for_a_reset_does_the_same_for_known_and_unknown_addresses(stack: Stack, ada: Person) -> None:
    answers, work = [], []
    for email in (ada.email, new_address()):
        stack.clear()
        answers.append(await ada.door.call("RequestPasswordReset", email=email))
        work.append(stack.identity.statements)
    assert answers == [{}, {}]
    assert work[0] == work[1]


async def test_who_asks_for_a_reset_of_an_unknown_address_is_remembered_and_the_address_is_not(
    stack: Stack, door: Door
) -> None:
    unknown, request_id = new_address(), str(new_id())
    await door.call("RequestPasswordReset", email=unknown, request_id=request_id)
    assert await mails_to(stack, unknown) == []
    (kept,) = await rows(stack.identity_url, select(audit_events).where(audit_events.c.request_id == request_id))
    assert (kept.action, kept.reason, kept.target_id) == ("password.reset_requested", "USER_NOT_FOUND", "")
    assert unknown not in str(tuple(kept))


# -- addresses


async def test_an_address_is_verified_by_mail(stack: Stack, ada: Person) -> None:
    token = await token_to(stack, ada.email, "VERIFY_EMAIL")
    assert await ada.door.call("VerifyEmail", token_=token) == {"email": ada.email}
    me = await ada.call("GetMe")
    assert me["emailVerified"] is True
    (told,) = await rows(
        stack.identity_url, select(feed).where(feed.c.subject == ada.id, feed.c.kind == "PROFILE_CHANGED")
    )
    assert told.content["verified_email"] == ada.email
    with refused(*invalid_token):
        await ada.door.call("VerifyEmail", token_=token)


async def test_a_token_can_be_sent_again_until_the_address_is_verified(stack: Stack, ada: Person) -> None:
    older = await token_to(stack, ada.email, "VERIFY_EMAIL")
    await ada.call("SendVerificationEmail")
    with refused(*invalid_token):
        await ada.door.call("VerifyEmail", token_=older)
    await ada.door.call("VerifyEmail", token_=await token_to(stack, ada.email, "VERIFY_EMAIL"))
    sent = await kinds(stack, ada.email)
    await ada.call("SendVerificationEmail")
    assert await kinds(stack, ada.email) == sent, "there is nothing to verify"


async def test_an_address_is_changed_once_the_new_one_is_shown_to_be_theirs(stack: Stack, ada: Person) -> None:
    other = new_address()
    await ada.call("ChangeEmail", password=PASSWORD, email=other)
    assert (await ada.call("GetMe"))["email"] == ada.email, "not yet"
    requested = (await mails_to(stack, ada.email))[0]
    assert (requested["kind"], requested["email"]) == ("EMAIL_CHANGE_REQUESTED", other)
    assert await ada.door.call("VerifyEmail", token_=await token_to(stack, other, "VERIFY_EMAIL")) == {"email": other}
    me = await ada.call("GetMe")
    assert (me["email"], me["emailVerified"]) == (other, True)
    changed = (await mails_to(stack, ada.email))[0]
    assert (changed["kind"], changed["email"]) == ("EMAIL_CHANGED", other), "told at the address of before"
    await signed_in(ada.door, other)


async def test_the_address_of_somebody_else_is_no_different(stack: Stack, ada: Person, stranger: Person) -> None:
    answers, work = [], []
    for email in (new_address(), stranger.email):
        stack.clear()
        answers.append(await ada.call("ChangeEmail", password=PASSWORD, email=email))
        work.append(stack.identity.statements)
    assert answers == [{}, {}]
    assert work[0] == work[1]
    assert await kinds(stack, stranger.email) == ["VERIFY_EMAIL"], "that of their own registration"


async def test_an_address_that_somebody_got_first_stays_theirs(stack: Stack, ada: Person) -> None:
    other = new_address()
    await ada.call("ChangeEmail", password=PASSWORD, email=other)
    token = await token_to(stack, other, "VERIFY_EMAIL")
    await ada.door.call("Register", email=other, password=PASSWORD, fullName="Grace")
    with refused(*invalid_token):
        await ada.door.call("VerifyEmail", token_=token)
    assert (await ada.call("GetMe"))["email"] == ada.email


async def test_the_own_address_is_no_new_one_but_its_spelling_may_be(stack: Stack, ada: Person) -> None:
    with refused("INVALID_ARGUMENT", "EMAIL_UNCHANGED", field="email"):
        await ada.call("ChangeEmail", password=PASSWORD, email=ada.email)
    other = ada.email.replace("ada", "Ada")
    await ada.call("ChangeEmail", password=PASSWORD, email=other)
    await ada.door.call("VerifyEmail", token_=await token_to(stack, other, "VERIFY_EMAIL"))
    assert (await ada.call("GetMe"))["email"] == other


async def test_a_token_expires(databases: Databases) -> None:
    async with running_stack(databases) as own:
        for door in own.doors.values():
            ada = await signed_up(door)
            verify, reset = await token_to(own, ada.email, "VERIFY_EMAIL"), await reset_token(own, ada)
            own.clock.advance(minutes=31)
            with refused(*invalid_token):
                await door.call("ResetPassword", token_=reset, newPassword=NEW_PASSWORD)
            own.clock.advance(hours=24)
            with refused(*invalid_token):
                await door.call("VerifyEmail", token_=verify)


async def test_a_scanner_that_opens_the_link_spends_nothing(stack: Stack) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    ada = await signed_up(door)
    token = await token_to(stack, ada.email, "VERIFY_EMAIL")
    for path in ("/api/v1/auth:verifyEmail", "/verify-email", "/api/v1/auth:resetPassword"):
        for verb in ("GET", "HEAD"):
            response = await door.client.request(verb, path, params={"token": token})
            assert response.status_code in {404, 405}, (verb, path)
    assert await door.call("VerifyEmail", token_=token) == {"email": ada.email}


# -- how much may be asked for


async def test_mail_to_one_address_is_paced_whether_or_not_anybody_has_it(door: Door, ada: Person) -> None:
    for email in (ada.email, new_address()):
        for _ in range(3):
            await door.call("RequestPasswordReset", email=email)
        with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED") as said:
            await door.call("RequestPasswordReset", email=email.upper())
        assert said[0].retry_after
    for _ in range(3):
        await ada.call("SendVerificationEmail")
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await ada.call("SendVerificationEmail")
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await ada.call("ChangeEmail", password=PASSWORD, email=ada.email)  # the same mailbox


async def test_nobody_keeps_another_one_from_resetting_by_wanting_their_address(
    stack: Stack, ada: Person, stranger: Person
) -> None:
    for _ in range(3):
        await stranger.call("ChangeEmail", password=PASSWORD, email=ada.email)
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await stranger.call("ChangeEmail", password=PASSWORD, email=ada.email)
    await ada.door.call("ResetPassword", token_=await reset_token(stack, ada), newPassword=NEW_PASSWORD)


@pytest.mark.parametrize(
    ("setting", "rpc", "request_", "reason"),
    [
        ("mail_requests_per_hour", "RequestPasswordReset", {}, ""),
        ("mail_tokens_per_hour", "VerifyEmail", {"token_": "tdm_nonsense"}, "MAIL_TOKEN_INVALID"),
        (
            "mail_tokens_per_hour",
            "ResetPassword",
            {"token_": "tdm_nonsense", "newPassword": NEW_PASSWORD},
            "MAIL_TOKEN_INVALID",
        ),
    ],
)
async def test_each_network_address_is_paced(
    databases: Databases, setting: str, rpc: str, request_: dict[str, Any], reason: str
) -> None:
    async with running_stack(databases, identity_settings={setting: 2}) as stack:
        doors = itertools.cycle(stack.doors.values())
        for _ in range(2):
            request = request_ or {"email": new_address()}
            if reason:
                with refused("INVALID_ARGUMENT", reason):
                    await next(doors).call(rpc, **request)
            else:
                await next(doors).call(rpc, **request)
        for _ in range(2):
            with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
                await next(doors).call(rpc, **(request_ or {"email": new_address()}))


async def test_the_database_holds_no_token(stack: Stack, ada: Person) -> None:
    token = await reset_token(stack, ada)
    dumped = str(
        [
            tuple(row)
            for table in (mail_tokens, mails, audit_events, feed)
            for row in await rows(stack.identity_url, select(table))
        ]
    )
    assert ada.id in dumped.replace("UUID(", "")
    assert token not in dumped
    assert token.removeprefix("tdm_") not in dumped


# -- all at once


async def outcomes_of(calls: list[Any]) -> list[str]:
    """The reason of each refusal, or ok, in any order."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    return sorted(answer.reason if isinstance(answer, Refused) else "ok" for answer in answers)


@pytest.mark.parametrize("rpc", ["VerifyEmail", "ResetPassword"])
async def test_a_token_that_is_shown_many_times_at_once_works_once(stack: Stack, ada: Person, rpc: str) -> None:
    if rpc == "VerifyEmail":
        token, more = await token_to(stack, ada.email, "VERIFY_EMAIL"), {}
    else:
        token, more = await reset_token(stack, ada), {"newPassword": NEW_PASSWORD}
    outcomes = await outcomes_of([ada.door.call(rpc, token_=token, **more) for _ in range(8)])
    assert outcomes == ["MAIL_TOKEN_INVALID"] * 7 + ["ok"]


async def test_one_password_is_changed_by_one_of_many(ada: Person) -> None:
    wanted = [f"{NEW_PASSWORD} {number}" for number in range(5)]
    outcomes = await outcomes_of(
        [ada.call("ChangePassword", currentPassword=PASSWORD, newPassword=password) for password in wanted]
    )
    assert outcomes == ["WRONG_PASSWORD"] * 4 + ["ok"]


async def test_guesses_that_are_made_at_once_are_counted_one_by_one(databases: Databases) -> None:
    async with running_stack(databases, identity_settings={"own_password_attempts": 3}) as stack:
        stack.clock.stop()
        for door in stack.doors.values():
            ada = await signed_up(door)
            outcomes = await outcomes_of(
                [ada.call("ChangePassword", currentPassword=f"guess {n}", newPassword=NEW_PASSWORD) for n in range(10)]
            )
            assert outcomes == ["RATE_LIMITED"] * 7 + ["WRONG_PASSWORD"] * 3
