"""Sessions as their owners see them, and who is let in to open one. Through both doors."""

import asyncio
import itertools
import threading
from collections import Counter
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from chassis.ids import new_id
from identity_service import hashes
from identity_service.passwords import Passwords
from identity_service.tables import audit_events, feed, sessions, users
from tests.contract.test_sessions import login, refresh
from tests.contract.test_tokens import parts
from tests.support.databases import Databases
from tests.support.doors import Door, Json, Refused, refused
from tests.support.mailbox import mails_to
from tests.support.people import PASSWORD, Person, known, signed_up, signed_up_as
from tests.support.sql import change, rows
from tests.support.stack import Stack, running_stack

WRONG = "incorrect zebra paperclip harbour"


async def listed(person: Person, **request: Any) -> list[Json]:
    answer = await person.call("ListSessions", **request)
    found: list[Json] = answer["sessions"]
    return found


def sid(tokens: Json) -> str:
    found: str = parts(tokens["accessToken"])[1]["sid"]
    return found


async def test_sessions_are_listed_with_where_and_what_they_are_used_from(door: Door, ada: Person) -> None:
    other = await login(ada)
    found = await listed(ada)
    assert [session["current"] for session in found] == [False, True]
    assert [session["id"] for session in found] == [sid(other), sid({"accessToken": ada.token})]
    for session in found:
        assert session["address"] == "127.0.0.1"
        assert session["userAgent"].startswith("python-httpx" if door.name == "rest" else "grpc-python-asyncio")
        assert session["createTime"] == session["lastUseTime"] < session["expireTime"]


async def test_the_session_that_was_used_last_comes_first(ada: Person) -> None:
    first = await login(ada)
    second = await login(ada)
    await refresh(ada.door, first["refreshToken"])
    assert [session["id"] for session in await listed(ada)][:2] == [sid(first), sid(second)]


async def test_sessions_come_a_page_at_a_time(ada: Person) -> None:
    tokens = [await login(ada) for _ in range(3)]
    page = await ada.call("ListSessions", pageSize=2)
    rest = await ada.call("ListSessions", pageSize=2, pageToken=page["nextPageToken"])
    found = [session["id"] for session in page["sessions"] + rest["sessions"]]
    assert found == [*reversed([sid(each) for each in tokens]), sid({"accessToken": ada.token})]
    assert rest.get("nextPageToken", "") == ""


async def test_listing_sessions_costs_one_statement(stack: Stack, ada: Person) -> None:
    await login(ada)
    stack.clear()
    await listed(ada)
    assert stack.identity.statements == ["SELECT sessions"]


async def test_a_session_that_is_revoked_has_ended(ada: Person) -> None:
    other = await login(ada)
    await ada.call("RevokeSession", sessionId=sid(other))
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(ada.door, other["refreshToken"])
    assert sid(other) not in [session["id"] for session in await listed(ada)]
    with refused("NOT_FOUND", "SESSION_NOT_FOUND"):
        await ada.call("RevokeSession", sessionId=sid(other))


async def test_nobody_revokes_the_session_of_somebody_else(ada: Person, stranger: Person) -> None:
    theirs = await login(stranger)
    said = []
    for session in (sid(theirs), str(new_id())):
        with refused("NOT_FOUND", "SESSION_NOT_FOUND") as refusal:
            await ada.call("RevokeSession", sessionId=session)
        said.append(refusal[0].message)
    assert said[0] == said[1]
    await refresh(stranger.door, theirs["refreshToken"])


async def test_all_sessions_end_but_the_one_that_is_kept(ada: Person) -> None:
    others = [await login(ada) for _ in range(2)]
    assert (await ada.call("RevokeAllSessions", keepCurrent=True))["revokedCount"] == 2
    for tokens in others:
        with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
            await refresh(ada.door, tokens["refreshToken"])
    assert [session["current"] for session in await listed(ada)] == [True]


async def test_all_sessions_end_with_the_callers_own(stack: Stack, ada: Person) -> None:
    other = await login(ada)
    assert (await ada.call("RevokeAllSessions"))["revokedCount"] == 2
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(ada.door, other["refreshToken"])
    live = select(sessions.c.id).where(sessions.c.user_id == ada.id, sessions.c.revoke_time.is_(None))
    assert await rows(stack.identity_url, live) == []


async def test_however_many_sessions_end_it_costs_the_same(stack: Stack, ada: Person) -> None:
    for rpc, request in (
        ("RevokeAllSessions", {"keepCurrent": True}),
        ("ChangePassword", {"currentPassword": PASSWORD, "newPassword": WRONG}),
    ):
        ended = [await ada.door.call("Login", email=ada.email, password=PASSWORD) for _ in range(3)]
        stack.clear()
        await ada.call(rpc, **request)
        assert stack.identity.statements.count("INSERT feed") == 1
        told = select(feed.c.subject).where(feed.c.subject.in_([sid(each) for each in ended]))
        assert len(await rows(stack.identity_url, told)) == 3, "each of them is told"


@pytest.mark.parametrize("name", ["grpc", "rest"])
async def test_with_one_session_too_many_the_one_that_was_not_used_for_longest_ends(
    databases: Databases, name: str
) -> None:
    async with running_stack(databases, identity_settings={"sessions_per_user": 3}) as running:
        ada = await signed_up(running.doors[name])
        first, second = await login(ada), await login(ada)
        first = await refresh(ada.door, first["refreshToken"])
        third = await login(ada)
        assert await ended_sessions(running, ada) == [sid({"accessToken": ada.token})]
        fourth = await login(ada)
        assert await ended_sessions(running, ada) == [sid({"accessToken": ada.token}), sid(second)]
        with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
            await refresh(ada.door, second["refreshToken"])
        told = select(feed.c.subject).where(feed.c.kind == "SESSION_ENDED").order_by(feed.c.id)
        assert [row.subject for row in await rows(running.identity_url, told)] == await ended_sessions(running, ada)
        kept = select(audit_events.c.metadata).where(audit_events.c.action == "session.ended")
        assert [row.metadata for row in await rows(running.identity_url, kept)] == [
            {"ending": "DISPLACED", "count": "1"}
        ] * 2
        for tokens in (first, third, fourth):
            await refresh(ada.door, tokens["refreshToken"])


async def ended_sessions(running: Stack, person: Person) -> list[str]:
    ended = (
        select(sessions.c.id)
        .where(sessions.c.user_id == person.id, sessions.c.revoke_reason == "DISPLACED")
        .order_by(sessions.c.revoke_time)
    )
    return [str(row.id) for row in await rows(running.identity_url, ended)]


async def test_who_ends_all_sessions_waits_for_the_user_before_taking_any(stack: Stack, ada: Person) -> None:
    """As whoever changes the user does: in another order the two would wait for each other."""
    changing_the_user = select(users.c.id).where(users.c.id == ada.id).with_for_update(key_share=True)
    their_sessions = select(sessions.c.id).where(sessions.c.user_id == ada.id).with_for_update(nowait=True)
    waiting = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    engine = create_async_engine(stack.identity_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(changing_the_user)
        ending = asyncio.create_task(ada.call("RevokeAllSessions"))
        async with asyncio.timeout(20):
            while not await rows(stack.identity_url, waiting):
                await asyncio.sleep(0.02)
        assert len((await connection.execute(their_sessions)).all()) == 1
    assert (await ending)["revokedCount"] == 1


async def test_signing_in_is_remembered(stack: Stack, ada: Person) -> None:
    tokens = await login(ada)
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await ada.door.call("Login", email=ada.email, password=WRONG)
    events = await rows(
        stack.identity_url,
        select(audit_events)
        .where(audit_events.c.target_id == ada.id, audit_events.c.action == "session.opened")
        .order_by(audit_events.c.id.desc()),
    )
    refusal, success = events[0], events[1]
    assert (refusal.outcome, refusal.reason, refusal.metadata) == ("REFUSED", "INVALID_CREDENTIALS", {})
    assert (success.outcome, success.metadata) == ("SUCCEEDED", {"session": sid(tokens)})
    assert refusal.actor_type == success.actor_type == "nobody"
    assert refusal.address == "127.0.0.1"
    assert WRONG not in str(events)
    assert PASSWORD not in str(events)


async def test_who_is_robbed_is_told_by_mail(stack: Stack, ada: Person) -> None:
    first = await login(ada)
    second = await refresh(ada.door, first["refreshToken"])
    await refresh(ada.door, second["refreshToken"])
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED"):
        await refresh(ada.door, first["refreshToken"])
    (mail,) = await mails_to(stack, ada.email, "SESSION_STOLEN")
    assert mail["address"] == "127.0.0.1"
    with refused("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID"):
        await refresh(ada.door, first["refreshToken"])
    assert len(await mails_to(stack, ada.email, "SESSION_STOLEN")) == 1, "once for each session"


async def test_every_refused_login_does_the_same_work(
    stack: Stack, door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown, wrong, disabled, without a password: by statements and by hashes, because clocks would lie."""
    disabled = await signed_up(door, "Disabled")
    await change(stack.identity_url, update(users).values(disabled=True).where(users.c.id == disabled.id))
    invited = await signed_up(door, "Invited")
    await change(stack.identity_url, update(users).values(password_hash=None).where(users.c.id == invited.id))
    hashed: list[str] = []
    original = hashes.matches

    def counted(*arguments: Any) -> bool:
        hashed.append("hash")
        return original(*arguments)

    monkeypatch.setattr(hashes, "matches", counted)
    work = []
    for email, password in (
        (f"{new_id()}@example.com", PASSWORD),
        (ada.email, WRONG),
        (disabled.email, PASSWORD),
        (invited.email, PASSWORD),
    ):
        stack.clear()
        hashed.clear()
        with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS") as refusal:
            await door.call("Login", email=email, password=password)
        work.append((stack.identity.statements, len(hashed), refusal[0].message))
    assert work[0] == work[1] == work[2] == work[3]
    assert work[0][:2] == (["INSERT throttles", "INSERT throttles", "SELECT users", "INSERT audit_events"], 1)


@pytest.mark.parametrize("change", ["password", "disabled", "deleted"])
async def test_nobody_is_let_in_by_what_was_true_when_they_knocked(
    stack: Stack, door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Passwords are compared outside of a transaction, and what ends all sessions may come meanwhile."""
    admin = await signed_up_as(door, stack.identity_url, "ADMIN")
    compared, changed = asyncio.Event(), asyncio.Event()
    original = Passwords.matches

    async def slow(passwords: Passwords, stored: str | None, password: str) -> bool:
        matches = await original(passwords, stored, password)
        if not compared.is_set():
            compared.set()
            await changed.wait()
        return matches

    monkeypatch.setattr(Passwords, "matches", slow)
    knocking = asyncio.create_task(login(ada))
    await compared.wait()
    match change:
        case "password":
            await ada.call("ChangePassword", currentPassword=PASSWORD, newPassword=WRONG)
        case "disabled":
            await admin.call("DisableUser", userId=ada.id)
        case "deleted":
            await ada.call("DeleteMe")
    changed.set()
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await knocking
    live = select(sessions.c.id).where(sessions.c.user_id == ada.id, sessions.c.revoke_time.is_(None))
    kept = [str(row.id) for row in await rows(stack.identity_url, live)]
    assert kept == ([sid({"accessToken": ada.token})] if change == "password" else [])


@pytest.fixture
async def strict(databases: Databases) -> Any:
    """A system that takes few attempts."""
    limits = {"login_attempts": 3, "most_login_attempts": 6, "logins_per_five_minutes": 1_000_000}
    async with running_stack(databases, identity_settings=limits) as running:
        running.clock.stop()  # or attempts are forgiven while the machine is busy
        yield running


@pytest.mark.parametrize("name", ["grpc", "rest"])
async def test_guesses_have_to_wait_longer_and_longer_whether_or_not_there_is_an_account(
    strict: Stack, name: str
) -> None:
    door = strict.doors[name]
    known = await signed_up(door, "Known")
    waits: dict[str, list[str]] = {}
    for email in (known.email, "nobody@example.com"):
        said = waits[email] = []
        for step in range(12):
            strict.clear()
            with pytest.raises(Refused) as refusal:
                await door.call("Login", email=email, password=WRONG)
            said.append(refusal.value.reason)
            strict.clock.advance(seconds=2.0**step)
    assert waits[known.email] == waits["nobody@example.com"]
    assert waits[known.email] == ["INVALID_CREDENTIALS"] * 6 + ["RATE_LIMITED"] * 6


async def test_a_throttled_account_costs_the_same_whether_or_not_it_is_one(strict: Stack) -> None:
    door = strict.doors["rest"]
    known = await signed_up(door, "Known")
    work = []
    for email in (known.email, "nobody@example.com"):
        for _ in range(3):
            with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
                await door.call("Login", email=email, password=WRONG)
        strict.clear()
        with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED") as refusal:
            await door.call("Login", email=email, password=WRONG)
        assert refusal[0].retry_after
        work.append(strict.identity.statements)
    assert work[0] == work[1] == ["INSERT throttles", "INSERT throttles", "SELECT throttles"]


async def test_an_account_has_no_second_name_to_be_guessed_under(door: Door) -> None:
    ivy = await signed_up(door, "Ivy")
    await door.call("Login", email=ivy.email.upper(), password=PASSWORD)
    other = ivy.email.replace("i", "\u0130", 1)  # whose small letter is an i to PostgreSQL, and two letters to Python
    with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
        await door.call("Login", email=other, password=PASSWORD)


async def test_the_right_password_forgets_the_wrong_ones(strict: Stack) -> None:
    door = strict.doors["grpc"]
    known = await signed_up(door, "Known")
    for _ in range(3):
        for _ in range(2):
            with refused("UNAUTHENTICATED", "INVALID_CREDENTIALS"):
                await door.call("Login", email=known.email, password=WRONG)
        await login(known)


async def test_one_network_address_has_so_many_logins(databases: Databases) -> None:
    async with running_stack(databases, identity_settings={"logins_per_five_minutes": 5}) as running:
        door = running.doors["rest"]
        running.clock.stop()
        ada = await signed_up(door, "Ada")
        for _ in range(4):
            await login(ada)
        with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED") as refusal:
            await login(ada)
        assert refusal[0].http is not None
        assert refusal[0].http.status_code == 429
        assert int(refusal[0].http.headers["retry-after"]) == 60
        running.clock.advance(seconds=60)
        await login(ada)


@pytest.mark.parametrize("name", ["grpc", "rest"])
async def test_a_crowd_that_signs_in_stands_in_nobodys_way(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """However many come: two are looked at, sixteen wait, and all others are sent away at no cost."""
    async with running_stack(databases, identity_settings={"password_hashers": 2}) as running:
        door = running.doors[name]
        ada = await known(running, await signed_up(door, "Ada"))
        go_on = threading.Event()
        looked_at = []
        original = hashes.matches

        def slow(*arguments: Any) -> bool:
            looked_at.append(threading.current_thread().name)
            assert go_on.wait(60)
            return original(*arguments)

        monkeypatch.setattr(hashes, "matches", slow)
        running.clear()
        crowd = [
            asyncio.create_task(door.call("Login", email=f"{number}@example.com", password=WRONG))
            for number in range(200)
        ]
        try:
            for answer in itertools.islice(asyncio.as_completed(crowd), 200 - 18):
                with refused("RESOURCE_EXHAUSTED", "TOO_MANY_SIGN_INS") as refusal:
                    await answer
                assert refusal[0].retry_after
            assert await is_ready(running)
            await ada.call("GetMe")
            await ada.call("ListSessions")
            await ada.call("ListProjects")
            await door.call("GetJsonWebKeySet")
            assert running.identity.statements.count("INSERT throttles") == 2 * 18
        finally:
            go_on.set()
        answers = await asyncio.gather(*crowd, return_exceptions=True)
        assert Counter(answer.reason for answer in answers if isinstance(answer, Refused)) == {
            "TOO_MANY_SIGN_INS": 200 - 18,
            "INVALID_CREDENTIALS": 18,
        }
        assert len(looked_at) == 18
        assert len(set(looked_at)) <= 2, "as many threads as there is memory for"
        await login(ada)


async def is_ready(running: Stack) -> bool:
    async with grpc.aio.insecure_channel(running.identity_address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service="readiness"))
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
