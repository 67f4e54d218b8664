"""What introspection finds in the database, before anybody has been told: whether what a token rests on is there."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from chassis.auth import Principal, SubjectType
from chassis.database import Database
from chassis.ids import new_id
from identity_service.feed import store as feed
from identity_service.feed.domain import TokenRevoked
from identity_service.oauth import store
from identity_service.tables import service_accounts, sessions, users
from tests.support.clock import TestClock

CLOCK = TestClock()


async def added(db: Database, table: Any, **values: Any) -> UUID:
    row_id = new_id()
    async with db.transaction() as tx:
        await tx.execute(insert(table).values(id=row_id, create_time=CLOCK.now(), **values))
    return row_id


async def user(db: Database) -> UUID:
    return await added(db, users, email=f"{new_id()}@x", full_name="x", role="USER", update_time=CLOCK.now())


@pytest.fixture
async def persons(db: Database) -> Principal:
    """A person's token of today."""
    now, of = CLOCK.now(), await user(db)
    times = {"rotate_time": now, "idle_expire_time": now, "expire_time": now}
    session = await added(db, sessions, user_id=of, refresh_secret=b"x", **times)
    return Principal(of, "tandem", session, frozenset({"USER"}), str(new_id()), now, token_version=1)


@pytest.fixture
async def machines(db: Database) -> Principal:
    """A machine's token of today."""
    now = CLOCK.now()
    of = await added(db, service_accounts, name="robot", scopes=[], audiences=[], update_time=now)
    return Principal(
        of, "robot", None, frozenset(), str(new_id()), now, subject_type=SubjectType.SERVICE, token_version=1
    )


async def test_a_token_is_good_while_what_it_rests_on_is_there(
    db: Database, persons: Principal, machines: Principal
) -> None:
    for principal in (persons, machines):
        assert await store.is_good(db, principal)
        assert await store.is_good(db, replace(principal, token_version=2)), "a replica that knows more has issued it"


@pytest.mark.parametrize("change", [{"disabled": True}, {"delete_time": CLOCK.now()}, {"token_version": 2}])
async def test_a_token_is_as_good_as_its_subject(
    db: Database, persons: Principal, machines: Principal, change: dict[str, Any]
) -> None:
    for table, principal in ((users, persons), (service_accounts, machines)):
        async with db.transaction() as tx:
            await tx.execute(update(table).values(change).where(table.c.id == principal.subject))
        assert not await store.is_good(db, principal)


async def test_a_persons_token_is_as_good_as_its_session(db: Database, persons: Principal) -> None:
    assert not await store.is_good(db, replace(persons, session=new_id()))
    assert not await store.is_good(db, replace(persons, subject=await user(db))), "it is somebody else's"
    async with db.transaction() as tx:
        ended = {"revoke_time": CLOCK.now(), "revoke_reason": "LOGOUT"}
        await tx.execute(update(sessions).values(ended).where(sessions.c.id == persons.session))
    assert not await store.is_good(db, persons)


async def test_a_machines_token_rests_on_no_person(db: Database, persons: Principal, machines: Principal) -> None:
    assert not await store.is_good(db, replace(machines, subject=persons.subject))
    assert not await store.is_good(db, replace(persons, subject=machines.subject))


async def test_a_token_that_was_revoked_is_not_good_and_the_next_one_is(
    db: Database, persons: Principal, machines: Principal
) -> None:
    for principal in (persons, machines):
        revoked = TokenRevoked(subject=principal.token_id, until=CLOCK.now() + timedelta(minutes=15))
        async with db.transaction() as tx:
            await feed.append(tx, revoked, CLOCK.now())
        assert not await store.is_good(db, principal)
        assert await store.is_good(db, replace(principal, token_id=str(new_id())))
