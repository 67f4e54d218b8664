"""What nobody needs any more is removed, a batch at a time."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import bindparam, func, insert, select, text
from sqlalchemy.dialects import postgresql

from chassis.database import Database
from chassis.ids import new_id
from identity_service.accounts.domain import UserId, UserNotFound
from identity_service.mail_tokens import commands as mail_tokens_commands
from identity_service.mail_tokens import store as mail_tokens_store
from identity_service.mail_tokens.commands import MailTokenSweeper
from identity_service.mail_tokens.domain import MailToken, Purpose, new_token
from identity_service.oauth import commands as oauth_commands
from identity_service.oauth.commands import AssertionSweeper
from identity_service.tables import (
    audit_events,
    client_assertions,
    feed,
    mail_tokens,
    service_accounts,
    sessions,
    throttles,
    users,
)
from identity_service.throttles import commands as throttles_commands
from identity_service.throttles.commands import Throttles
from identity_service.throttles.domain import Pace
from identity_service.users import commands as users_commands
from identity_service.users import store as users_store
from identity_service.users.commands import Retention
from identity_service.users.domain import Order, Wanted
from tests.support.clock import TestClock


async def test_mail_tokens_go_when_they_have_expired(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_tokens_commands, "_BATCH", 2)
    clock = TestClock()
    for hours in (1, 1, 1, 1, 1, 48):
        user_id, now = new_id(), clock.now()
        kept = MailToken(
            user_id=user_id,
            purpose=Purpose.VERIFY_EMAIL,
            email="a@example.com",
            credential_version=1,
            expire_time=now + timedelta(hours=hours),
        )
        async with db.transaction() as tx:
            await tx.execute(
                insert(users).values(
                    id=user_id, email=f"{user_id}@x", full_name="x", role="USER", create_time=now, update_time=now
                )
            )
            await mail_tokens_store.put(tx, kept, new_token(), now)
    clock.advance(hours=2)
    await MailTokenSweeper(db, clock).sweep()
    assert len(await db.fetch_all(select(mail_tokens))) == 1


async def test_what_was_counted_long_ago_is_forgotten(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttles_commands, "_BATCH", 2)
    clock = TestClock()
    counted = Throttles(db, clock)
    pace = Pace("registrations", 10, timedelta(hours=1))
    for number in range(5):
        await counted.take(pace, f"10.0.0.{number}")
    clock.advance(days=3)
    await counted.take(pace, "10.0.0.9")
    await counted.sweep()
    (row,) = await db.fetch_all(select(func.count().label("left")).select_from(throttles))
    assert row.left == 1


async def a_user(db: Database, now: datetime, **values: Any) -> UserId:
    """Somebody of whom everything is known."""
    user_id = UserId(new_id())
    known = {
        "id": user_id,
        "email": f"{user_id}@example.com",
        "email_verify_time": now,
        "username": f"u{user_id.hex[2:]}",
        "full_name": "Ada Lovelace",
        "role": "USER",
        "password_hash": "$argon2id$",
        "last_login_time": now,
        "create_time": now,
        "update_time": now,
    }
    async with db.transaction() as tx:
        await tx.execute(insert(users).values(known | values))
    return user_id


async def test_of_who_was_deleted_long_ago_nothing_is_left_but_the_id(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users_commands, "_BATCH", 2)
    clock = TestClock()
    now = clock.now()
    gone = {await a_user(db, now, delete_time=now - timedelta(days=30, seconds=1)) for _ in range(5)}
    recent = await a_user(db, now, delete_time=now - timedelta(days=29))
    there = await a_user(db, now)
    retention = Retention(db, clock, kept_for=timedelta(days=30))
    await retention.sweep()
    await retention.sweep()  # changes nothing
    kept = {row.id: row for row in await db.fetch_all(select(users))}
    assert set(kept) == gone | {recent, there}
    for row in (kept[user_id] for user_id in gone):
        assert (row.email, row.full_name) == ("", "")
        assert (row.username, row.password_hash, row.email_verify_time, row.last_login_time) == (None,) * 4
        assert row.delete_time is not None
    assert all(kept[user_id].full_name == "Ada Lovelace" for user_id in (recent, there))
    told = {row.subject: row.content for row in await db.fetch_all(select(feed))}
    assert set(told) == {str(user_id) for user_id in gone}, "others forget them as well"
    assert all(content["deleted"] and not content["full_name"] for content in told.values())
    remembered = await db.fetch_all(select(audit_events.c.action, audit_events.c.target_id))
    assert sorted(remembered) == sorted(("user.forgotten", str(user_id)) for user_id in gone)


async def test_who_was_forgotten_does_not_come_back(db: Database) -> None:
    clock = TestClock()
    gone = await a_user(db, clock.now(), delete_time=clock.now() - timedelta(days=31))
    await Retention(db, clock, kept_for=timedelta(days=30)).sweep()
    async with db.transaction() as tx:
        with pytest.raises(UserNotFound):
            await users_store.lock(tx, gone, deleted_too=True)
    with pytest.raises(UserNotFound):
        await users_store.get_user(db, gone, deleted_too=True)
    everybody = await users_store.list_users(db, Wanted(deleted_too=True), Order(), after=None, limit=10)
    assert everybody == []


async def test_sessions_go_when_they_have_ended_long_ago(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users_commands, "_BATCH_OF_SESSIONS", 2)
    clock = TestClock()
    now = clock.now()
    user_id, long_ago, soon = await a_user(db, now), now - timedelta(days=31), now + timedelta(days=1)
    ends = [(long_ago, soon, soon), (None, long_ago, soon), (None, long_ago, long_ago)] * 2
    lasting = [(now, soon, soon), (None, now, soon), (None, soon, soon)]
    async with db.transaction() as tx:
        for revoked, idle, expired in ends + lasting:
            times = dict.fromkeys(("create_time", "rotate_time"), long_ago)
            await tx.execute(
                insert(sessions).values(
                    id=new_id(),
                    user_id=user_id,
                    refresh_secret=b"",
                    revoke_time=revoked,
                    idle_expire_time=idle,
                    expire_time=expired,
                    **times,
                )
            )
    await Retention(db, clock, kept_for=timedelta(days=30)).sweep()
    left = await db.fetch_all(select(sessions.c.revoke_time, sessions.c.idle_expire_time, sessions.c.expire_time))
    assert sorted(map(str, left)) == sorted(map(str, lasting))


async def test_an_index_finds_what_begins_with_something(db: Database) -> None:
    """All three of them, whatever locale the database has. Few rows would be read without one."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own
    matches = users_store.begins_with_prefix(bindparam("prefix")).compile(dialect=dialect).string
    explained = text("EXPLAIN SELECT id FROM users WHERE " + matches.replace("%(prefix)s", "'ada_%'"))
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        plan = " ".join(row[0] for row in await tx.fetch_all(explained))
    for name in ("email", "username", "full_name"):
        assert f"Bitmap Index Scan on users_{name}_" in plan, plan
    assert "Seq Scan" not in plan


async def test_assertions_are_forgotten_when_they_would_not_be_taken_again(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is a little after they have expired: clocks differ, and in both directions."""
    monkeypatch.setattr(oauth_commands, "_BATCH", 2)
    clock, account = TestClock(), new_id()
    now = clock.now()
    async with db.transaction() as tx:
        await tx.execute(
            insert(service_accounts).values(
                id=account, name="robot", scopes=[], audiences=[], create_time=now, update_time=now
            )
        )
        for seconds in (0, 0, 0, 0, 0, 100, 1000):
            ends = now + timedelta(seconds=seconds)
            await tx.execute(
                insert(client_assertions).values(service_account_id=account, digest=new_id().bytes, expire_time=ends)
            )
    for ahead, left in ((50, 7), (20, 2), (80, 2), (20, 1)):
        clock.advance(seconds=ahead)
        await AssertionSweeper(db, clock).sweep()
        assert len(await db.fetch_all(select(client_assertions))) == left
