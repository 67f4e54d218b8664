"""Sessions: refreshed, stolen, ended. Through both doors."""

import asyncio
import base64
import json
import secrets
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from sqlalchemy import Row, select

import identity_service.app
from chassis.ids import new_id
from identity_service.sessions.domain import PresentedToken, Session
from identity_service.sessions.store import _KEPT
from identity_service.tables import sessions, users
from tests.contract.test_tokens import parts
from tests.support.databases import Databases
from tests.support.doors import Door, GrpcDoor, Json, Refused, RestDoor, refused
from tests.support.people import PASSWORD, Person, signed_up
from tests.support.sql import change, rows
from tests.support.stack import Stack, running_stack

DAY = 24 * 3600
TWO_WEEKS = 14 * DAY


async def login(person: Person) -> Json:
    """A session of its own for somebody who has an account."""
    return await person.door.call("Login", email=person.email, password=PASSWORD)


async def refresh(door: Door, token: str, **request: Any) -> Json:
    return await door.call("Refresh", refreshToken=token, **request)


async def session_of(stack: Stack, tokens: Json) -> Row[Any]:
    """What is stored of a session."""
    sid = parts(tokens["accessToken"])[1]["sid"]
    (row,) = await rows(stack.identity_url, select(sessions).where(sessions.c.id == sid))
    return row


async def is_signed_in(door: Door, tokens: Json) -> bool:
    """Whether the access token still opens something."""
    try:
        await door.call("GetMe", token=tokens["accessToken"])
    except Refused:
        return False
    return True


async def test_a_refresh_token_buys_the_next_tokens_of_its_session(stack: Stack, door: Door, ada: Person) -> None:
    first = await login(ada)
    second = await refresh(door, first["refreshToken"])
    assert second["tokenType"] == "Bearer"
    assert second["expiresIn"] == 600
    assert TWO_WEEKS - 1 <= second["refreshExpiresIn"] <= TWO_WEEKS
    assert second["refreshToken"] != first["refreshToken"]
    old, new = parts(first["accessToken"])[1], parts(second["accessToken"])[1]
    assert {name: new[name] for name in ("sub", "sid", "auth_time", "aud")} == {
        name: old[name] for name in ("sub", "sid", "auth_time", "aud")
    }
    assert new["jti"] != old["jti"]
    assert await is_signed_in(door, second)
    assert (await session_of(stack, second)).generation == 2


async def test_fifty_refreshes_of_one_token_are_one_step_and_get_one_answer(
    stack: Stack, door: Door, ada: Person
) -> None:
    first = await login(ada)
    answers = await asyncio.gather(*(refresh(door, first["refreshToken"]) for _ in range(50)))
    assert len({answer["refreshToken"] for answer in answers}) == 1
    assert (await session_of(stack, first)).generation == 2
    assert await is_signed_in(door, answers[-1])
    assert (await refresh(door, answers[0]["refreshToken"]))["refreshToken"] != answers[0]["refreshToken"]


async def test_attempts_under_different_names_are_one_step_as_well(stack: Stack, door: Door, ada: Person) -> None:
    first = await login(ada)
    answers = await asyncio.gather(
        *(refresh(door, first["refreshToken"], idempotencyKey=f"attempt-{number}") for number in range(20))
    )
    assert len({answer["refreshToken"] for answer in answers}) == 1
    assert (await session_of(stack, first)).generation == 2


async def test_a_lost_answer_is_given_again_for_thirty_seconds(stack: Stack, door: Door, ada: Person) -> None:
    first = await login(ada)
    second = await refresh(door, first["refreshToken"])
    stack.clock.advance(seconds=10)
    again = await refresh(door, first["refreshToken"])
    assert again["refreshToken"] == second["refreshToken"]
    assert again["accessToken"] != second["accessToken"], "fresh"
    assert again["expiresIn"] == 600
    assert again["refreshExpiresIn"] <= TWO_WEEKS - 10, "no step, no new fortnight"
    assert (await session_of(stack, first)).generation == 2


async def test_a_reused_token_ends_its_session_with_the_newest_token(stack: Stack, door: Door, ada: Person) -> None:
    first = await login(ada)
    second = await refresh(door, first["refreshToken"])
    stack.clock.advance(seconds=31)
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED") as said:
        await refresh(door, first["refreshToken"])
    assert first["refreshToken"] not in said[0].message
    kept = await session_of(stack, first)
    assert kept.revoke_time is not None, "committed, though the call was refused"
    assert kept.revoke_reason == "REUSE"
    for token in (second["refreshToken"], first["refreshToken"]):
        with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
            await refresh(door, token)


async def test_a_token_before_the_last_is_a_reuse_however_soon(stack: Stack, door: Door, ada: Person) -> None:
    first = await login(ada)
    second = await refresh(door, first["refreshToken"])
    third = await refresh(door, second["refreshToken"])
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"):
        await refresh(door, first["refreshToken"])
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(door, third["refreshToken"])


async def test_a_theft_ends_one_session_and_no_other(stack: Stack, door: Door, ada: Person) -> None:
    robbed, other = await login(ada), await login(ada)
    stolen = await refresh(door, (await refresh(door, robbed["refreshToken"]))["refreshToken"])
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"):
        await refresh(door, robbed["refreshToken"])
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(door, stolen["refreshToken"])
    assert await is_signed_in(door, await refresh(door, other["refreshToken"]))


async def test_the_same_attempt_gets_the_same_answer_until_somebody_has_gone_further(
    stack: Stack, door: Door, ada: Person
) -> None:
    first = await login(ada)
    second = await refresh(door, first["refreshToken"], idempotencyKey="my-attempt")
    stack.clock.advance(minutes=5)
    again = await refresh(door, first["refreshToken"], idempotencyKey="my-attempt")
    assert again["refreshToken"] == second["refreshToken"]
    await refresh(door, second["refreshToken"])
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"):
        await refresh(door, first["refreshToken"], idempotencyKey="my-attempt")


@pytest.mark.parametrize("key", ["", "another-attempt"])
async def test_after_the_grace_another_attempt_is_a_reuse(stack: Stack, door: Door, ada: Person, key: str) -> None:
    first = await login(ada)
    await refresh(door, first["refreshToken"], idempotencyKey="my-attempt")
    stack.clock.advance(seconds=31)
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"):
        await refresh(door, first["refreshToken"], idempotencyKey=key)


async def test_a_name_that_is_empty_is_no_name(stack: Stack, door: Door, ada: Person) -> None:
    first = await login(ada)
    await refresh(door, first["refreshToken"], idempotencyKey="")
    stack.clock.advance(seconds=31)
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"):
        await refresh(door, first["refreshToken"], idempotencyKey="")


async def test_refreshes_within_one_second_form_one_chain(stack: Stack, door: Door, ada: Person) -> None:
    tokens = await login(ada)
    chain = [tokens["refreshToken"]]
    for _ in range(15):
        chain.append((await refresh(door, chain[-1]))["refreshToken"])
    assert len(set(chain)) == 16
    assert (await session_of(stack, tokens)).generation == 16
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"):
        await refresh(door, chain[-3])
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(door, chain[-1])


async def test_thieves_who_come_together_are_all_refused(stack: Stack, door: Door, ada: Person) -> None:
    first = await login(ada)
    newest = await refresh(door, (await refresh(door, first["refreshToken"]))["refreshToken"])

    async def stolen(token: str) -> str:
        try:
            await refresh(door, token)
        except Refused as refusal:
            return refusal.reason
        return "OK"

    said = await asyncio.gather(*(stolen(first["refreshToken"]) for _ in range(20)))
    assert set(said) <= {"REFRESH_TOKEN_REUSED", "REFRESH_TOKEN_INVALID"}
    assert "REFRESH_TOKEN_REUSED" in said
    assert await stolen(newest["refreshToken"]) == "REFRESH_TOKEN_INVALID"


@asynccontextmanager
async def another_replica(stack: Stack) -> AsyncIterator[Door]:
    """What a restart leaves: new processes on the same database, with the same settings."""
    async with (
        identity_service.app.running(
            stack.identity_settings, clock=stack.clock, telemetry=stack.identity.telemetry
        ) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield GrpcDoor({"tandem.identity.v1": channel})


async def test_a_restart_changes_nothing_about_what_is_accepted(stack: Stack, door: Door, ada: Person) -> None:
    lively, robbed, left = await login(ada), await login(ada), await login(ada)
    second = await refresh(door, lively["refreshToken"])
    third = await refresh(door, second["refreshToken"])
    robbed_newest = await refresh(door, (await refresh(door, robbed["refreshToken"]))["refreshToken"])
    await door.call("Logout", refreshToken=left["refreshToken"])
    async with another_replica(stack) as restarted:
        assert (await refresh(restarted, second["refreshToken"]))["refreshToken"] == third["refreshToken"]
        assert await is_signed_in(restarted, await refresh(restarted, third["refreshToken"]))
        with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"):
            await refresh(restarted, robbed["refreshToken"])
        for token in (robbed_newest["refreshToken"], left["refreshToken"]):
            with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
                await refresh(restarted, token)
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(door, robbed_newest["refreshToken"])


async def test_replicas_that_are_asked_at_once_take_one_step(stack: Stack, ada: Person) -> None:
    first = await login(ada)
    async with another_replica(stack) as other:
        answers = await asyncio.gather(
            *(refresh((ada.door, other)[number % 2], first["refreshToken"]) for number in range(20))
        )
    assert len({answer["refreshToken"] for answer in answers}) == 1
    assert (await session_of(stack, first)).generation == 2


def with_checksum(sealed: bytes) -> str:
    return "tdr_" + base64.urlsafe_b64encode(sealed + zlib.crc32(sealed).to_bytes(4)).rstrip(b"=").decode()


async def test_everything_that_is_no_refresh_token_gets_one_answer(stack: Stack, door: Door, ada: Person) -> None:
    mine, other = await login(ada), await login(ada)
    genuine = mine["refreshToken"]
    row = await session_of(stack, mine)
    kept = Session(**{name: getattr(row, name) for name in _KEPT})
    presented = PresentedToken.read(genuine)
    others = PresentedToken.read(other["refreshToken"])
    assert presented is not None
    assert others is not None
    bad = {
        "junk": "junk",
        "prefix alone": "tdr_",
        "an access token": mine["accessToken"],
        "a mistyped token": genuine[:-6] + ("A" if genuine[-6] != "A" else "B") + genuine[-5:],
        "a forged MAC": with_checksum(presented.content + secrets.token_bytes(16)),
        "another session's MAC": with_checksum(presented.content + others.mac),
        "made from a dump of the database": kept.refresh_token(secrets.token_bytes(32)),
        "an unknown session": with_checksum(b"\1" + new_id().bytes + (1).to_bytes(8) + presented.mac),
        "a later generation": with_checksum(presented.content[:-8] + (2).to_bytes(8) + presented.mac),
        "another version": with_checksum(b"\2" + presented.content[1:] + presented.mac),
    }
    said = set()
    for kind, token in bad.items():
        with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID") as refusal:
            await refresh(door, token)
        said.add((refusal[0].message, str(refusal[0].metadata)))
        assert token not in refusal[0].message, kind
    assert len(said) == 1
    assert (await session_of(stack, mine)).revoke_time is None, "a forgery ends nobody's session"
    await refresh(door, genuine)


async def test_a_refresh_token_is_no_access_token(door: Door, ada: Person) -> None:
    tokens = await login(ada)
    with refused("UNAUTHENTICATED", "TOKEN_INVALID"):
        await door.call("GetMe", token=tokens["refreshToken"])


@pytest.mark.parametrize("column", ["disabled", "delete_time"])
async def test_who_may_not_sign_in_may_not_refresh(stack: Stack, door: Door, ada: Person, column: str) -> None:
    first = await login(ada)
    gone = {"disabled": True} if column == "disabled" else {"delete_time": stack.clock.now()}
    back = {"disabled": False} if column == "disabled" else {"delete_time": None}
    await change(stack.identity_url, users.update().values(**gone).where(users.c.id == ada.id))
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(door, first["refreshToken"])
    assert (await session_of(stack, first)).generation == 1, "no step"
    await change(stack.identity_url, users.update().values(**back).where(users.c.id == ada.id))
    second = await refresh(door, first["refreshToken"])
    await change(stack.identity_url, users.update().values(**gone).where(users.c.id == ada.id))
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(door, first["refreshToken"])  # nor is a lost answer given again
    await change(stack.identity_url, users.update().values(**back).where(users.c.id == ada.id))
    assert await is_signed_in(door, await refresh(door, second["refreshToken"]))


async def test_a_new_role_is_in_the_next_token(stack: Stack, door: Door, ada: Person) -> None:
    first = await login(ada)
    await change(stack.identity_url, users.update().values(role="MANAGER").where(users.c.id == ada.id))
    second = await refresh(door, first["refreshToken"])
    assert parts(second["accessToken"])[1]["roles"] == ["MANAGER"]


async def test_a_session_takes_thirty_steps_a_minute_and_repeats_are_none(
    stack: Stack, door: Door, ada: Person
) -> None:
    newest = (await login(ada))["refreshToken"]
    before = newest
    for _ in range(100):  # it pauses for two seconds after the first thirty; we take less than that for each
        try:
            before, newest = newest, (await refresh(door, newest))["refreshToken"]
        except Refused as refusal:
            too_fast = refusal
            break
    else:
        pytest.fail("a hundred steps were taken")
    assert (too_fast.code, too_fast.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert too_fast.retry_after
    if too_fast.http is not None:
        assert too_fast.http.status_code == 429
        assert 1 <= int(too_fast.http.headers["retry-after"]) <= 2
    for _ in range(5):
        assert (await refresh(door, before))["refreshToken"] == newest
    stack.clock.advance(seconds=2)
    await refresh(door, newest)


async def test_refreshing_costs_few_statements(stack: Stack, door: Door, ada: Person) -> None:
    first = await login(ada)
    stack.clear()
    second = await refresh(door, first["refreshToken"])
    assert stack.identity.statements == ["SELECT sessions users", "UPDATE sessions"], "a step"
    stack.clear()
    await refresh(door, first["refreshToken"])
    assert stack.identity.statements == ["SELECT sessions users"], "the same again"
    await refresh(door, second["refreshToken"])
    stack.clear()
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"):
        await refresh(door, first["refreshToken"])
    assert stack.identity.statements == [
        "SELECT sessions users",
        "UPDATE sessions",
        "INSERT mails",
        "INSERT audit_events",
        "INSERT feed",
    ], "a theft"
    stack.clear()
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(door, "junk")
    assert stack.identity.statements == [], "junk"


async def test_logging_out_by_refresh_token_ends_its_session(stack: Stack, door: Door, ada: Person) -> None:
    mine, other = await login(ada), await login(ada)
    second = await refresh(door, mine["refreshToken"])
    for _ in range(2):  # it may be said twice
        assert await door.call("Logout", refreshToken=second["refreshToken"]) == {}
    assert (await session_of(stack, mine)).revoke_reason == "LOGOUT"
    for token in (second["refreshToken"], mine["refreshToken"]):
        with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
            await refresh(door, token)
    assert await is_signed_in(door, await refresh(door, other["refreshToken"])), "the other session goes on"


async def test_logging_out_by_access_token_ends_the_callers_session(stack: Stack, door: Door, ada: Person) -> None:
    mine, other = await login(ada), await login(ada)
    await door.call("Logout", token=mine["accessToken"])
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(door, mine["refreshToken"])
    await refresh(door, other["refreshToken"])


async def test_logging_out_again_is_no_error_although_the_access_token_is_refused_by_now(
    stack: Stack, door: Door, ada: Person
) -> None:
    mine = await login(ada)
    await door.call("Logout", token=mine["accessToken"])
    async with asyncio.timeout(20):
        while await is_signed_in(door, mine):
            await asyncio.sleep(0.05)
    await door.call("Logout", token=mine["accessToken"], refreshToken=mine["refreshToken"])
    with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
        await door.call("Logout", token=mine["accessToken"])  # by itself it is no token any more


async def test_the_refresh_token_says_which_session_when_both_are_sent(stack: Stack, door: Door, ada: Person) -> None:
    mine, other = await login(ada), await login(ada)
    await door.call("Logout", token=mine["accessToken"], refreshToken=other["refreshToken"])
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(door, other["refreshToken"])
    await refresh(door, mine["refreshToken"])


async def test_logging_out_of_nothing_is_no_error_and_ends_nothing(stack: Stack, door: Door, ada: Person) -> None:
    mine = await login(ada)
    presented = PresentedToken.read(mine["refreshToken"])
    assert presented is not None
    forged = with_checksum(presented.content + secrets.token_bytes(16))
    unknown = with_checksum(b"\1" + new_id().bytes + (1).to_bytes(8) + presented.mac)
    for token in ("junk", forged, unknown, mine["accessToken"]):
        await door.call("Logout", refreshToken=token)
    await refresh(door, mine["refreshToken"])


async def test_logging_out_says_of_what(door: Door, ada: Person) -> None:
    with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
        await door.call("Logout")


async def test_a_token_that_need_not_be_sent_has_to_be_good_when_it_is(door: Door, ada: Person) -> None:
    mine = await login(ada)
    with refused("UNAUTHENTICATED", "TOKEN_INVALID"):
        await door.call("Logout", token="nonsense", refreshToken=mine["refreshToken"])
    await refresh(door, mine["refreshToken"])


async def test_who_logs_out_late_may_send_a_token_whose_key_is_gone(stack: Stack, door: Door, ada: Person) -> None:
    mine = await login(ada)
    header, claims, signature = mine["accessToken"].split(".")
    head = json.loads(base64.urlsafe_b64decode(header + "==")) | {"kid": "last year's"}
    header = base64.urlsafe_b64encode(json.dumps(head).encode()).rstrip(b"=").decode()
    gone = f"{header}.{claims}.{signature}"
    with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
        await door.call("Logout", token=gone)  # it says nothing by itself
    await door.call("Logout", token=gone, refreshToken=mine["refreshToken"])
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(door, mine["refreshToken"])


async def test_logging_out_beside_refreshes_ends_the_session(stack: Stack, door: Door, ada: Person) -> None:
    mine = await login(ada)
    newest = [mine["refreshToken"]]

    async def keep_refreshing() -> None:
        try:
            for _ in range(10):
                newest.append((await refresh(door, newest[-1]))["refreshToken"])
        except Refused as refusal:
            assert refusal.reason == "REFRESH_TOKEN_INVALID", refusal

    await asyncio.gather(keep_refreshing(), door.call("Logout", refreshToken=mine["refreshToken"]))
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(door, newest[-1])


@pytest.fixture(scope="module")
async def years(databases: Databases) -> AsyncIterator[Stack]:
    """A system whose time may pass by days."""
    async with running_stack(databases) as stack:
        yield stack


@pytest.fixture(params=["grpc", "rest"])
async def far(request: Any, years: Stack) -> Door:
    return years.doors[request.param]


async def newcomer(door: Door) -> Json:
    """The tokens of somebody new."""
    email = f"{secrets.token_hex(8)}@example.com"
    await door.call("Register", email=email, password=PASSWORD, fullName="New")
    return await door.call("Login", email=email, password=PASSWORD)


async def test_a_session_that_is_not_refreshed_for_a_fortnight_ends(years: Stack, far: Door) -> None:
    tokens = await newcomer(far)
    years.clock.advance(days=14, seconds=-60)
    tokens = await refresh(far, tokens["refreshToken"])
    years.clock.advance(days=14, seconds=1)
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(far, tokens["refreshToken"])


async def test_a_session_ends_after_thirty_days_whatever_happens(years: Stack, far: Door) -> None:
    tokens = await newcomer(far)
    for _ in range(2):
        years.clock.advance(days=13)
        tokens = await refresh(far, tokens["refreshToken"])
    assert 4 * DAY - 60 < tokens["refreshExpiresIn"] <= 4 * DAY
    years.clock.advance(days=4, minutes=-5)
    tokens = await refresh(far, tokens["refreshToken"])
    assert 0 < tokens["expiresIn"] <= 300, "the access token does not outlive it either"
    assert 0 < tokens["refreshExpiresIn"] <= 300
    years.clock.advance(minutes=5, seconds=1)
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(far, tokens["refreshToken"])


async def test_the_same_attempt_is_not_answered_when_its_session_is_over(years: Stack, far: Door) -> None:
    tokens = await newcomer(far)
    await refresh(far, tokens["refreshToken"], idempotencyKey="mine")
    years.clock.advance(days=14, seconds=1)
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(far, tokens["refreshToken"], idempotencyKey="mine")


async def test_an_operator_may_take_every_second_use_for_a_theft(databases: Databases) -> None:
    async with running_stack(databases, identity_settings={"refresh_grace_s": 0}) as stack:
        door = stack.doors["grpc"]
        tokens = await newcomer(door)
        await refresh(door, tokens["refreshToken"])
        with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"):
            await refresh(door, tokens["refreshToken"])


async def test_what_rest_answers(stack: Stack, ada: Person) -> None:
    door = stack.doors["rest"]
    assert isinstance(door, RestDoor)
    tokens = await login(ada)
    answer = await door.send("Refresh", refreshToken=tokens["refreshToken"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    refusal = await door.send("Refresh", refreshToken="junk")
    assert refusal.status_code == 401
    ended = await door.send("Logout", refreshToken=tokens["refreshToken"])
    assert (ended.status_code, ended.content) == (204, b"")


async def test_a_token_that_has_expired_does_not_keep_a_session_from_ending(databases: Databases) -> None:
    """Clients send the token that they have with every call."""
    async with running_stack(databases) as stack:
        for door in stack.doors.values():
            ada = await signed_up(door)
            tokens = await door.call("Login", email=ada.email, password=PASSWORD)
            stack.clock.advance(minutes=12)
            await door.call("Logout", token=tokens["accessToken"], refreshToken=tokens["refreshToken"])
            with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
                await door.call("Refresh", refreshToken=tokens["refreshToken"])
            with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
                await door.call("Logout", token=tokens["accessToken"])
