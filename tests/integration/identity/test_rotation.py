"""Signing keys that come and go by themselves, with several replicas and every kind of verifier; and their sealing."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import select, update

from chassis.auth import LEEWAY, KeysUnavailable, PublishedKeys, TokenInvalid, TokenRevoked, TokenVerifier
from chassis.config import ConfigError
from chassis.database import Database
from chassis.ids import new_id
from chassis.revocations import Revocations
from identity_service.access_tokens import AccessTokens
from identity_service.app import MAX_AGE, key_schedule
from identity_service.config import IdentitySettings
from identity_service.keys import store
from identity_service.keys.commands import KeyCommands
from identity_service.keys.domain import PURPOSE, Schedule, SigningKey, State
from identity_service.keys.ring import KEPT_FOR, KeyRing
from identity_service.sealing import Sealer
from identity_service.tables import audit_events, signing_keys
from tests.support.clock import TestClock
from tests.support.stack import ISSUER, new_secret

SETTINGS = IdentitySettings(database_url="postgresql://nowhere/identity", secret_key=new_secret(), issuer=ISSUER)
SCHEDULE = key_schedule(SETTINGS)
A_WHILE = timedelta(minutes=42)  # for a period: while caches and verifiers are in the middle of theirs
SECRET = SETTINGS.secret_keys[0]


class Replica:
    """One of several identity services: what it signs with, and what keeps the keys in order."""

    def __init__(
        self, db: Database, clock: TestClock, schedule: Schedule, *, secrets: Sequence[bytes] = (SECRET,)
    ) -> None:
        sealer = Sealer(secrets, PURPOSE)
        self.ring = KeyRing(db, clock, sealer, Revocations(clock), algorithm=schedule.algorithm)
        self.commands = KeyCommands(db, clock, self.ring, sealer, schedule=schedule)
        self._tokens = AccessTokens(
            self.ring,
            clock,
            issuer=ISSUER,
            lifetime=SETTINGS.access_token_lifetime,
            service_lifetime=SETTINGS.service_token_lifetime,
        )

    async def token(self) -> str:
        issued = await self._tokens.issue_to_machine(
            subject=new_id(), token_version=1, client_id="robot", audiences=["work"], scopes=["work.read"]
        )
        return issued.token


class Cache:
    """Between a replica and a verifier: gives the answer that it has for as long as it may."""

    def __init__(self, ring: KeyRing, clock: TestClock) -> None:
        self._ring = ring
        self._clock = clock
        self._fetched_at: datetime | None = None
        self._answer: Sequence[Mapping[str, str]] = ()

    async def published(self) -> Sequence[Mapping[str, str]]:
        if self._fetched_at is None or self._clock.now() - self._fetched_at >= MAX_AGE:
            self._answer, self._fetched_at = await self._ring.published(), self._clock.now()
        return self._answer


def verifier(fetch: Any, clock: TestClock) -> TokenVerifier:
    return TokenVerifier(PublishedKeys(fetch, clock), clock, issuer=ISSUER, audience="work")


async def keys_of(db: Database) -> dict[str, str]:
    """What every key is doing, the oldest first."""
    return {row.kid: row.state for row in await db.fetch_all(select(signing_keys).order_by(signing_keys.c.create_time))}


async def under_load(db: Database, schedule: Schedule, *, lasting: timedelta) -> set[str]:
    """The keys that have signed tokens on two replicas, each of which every verifier has taken all its life long.

    Raises:
        TokenInvalid: One of them has not.
    """
    clock = TestClock()
    replicas = [Replica(db, clock, schedule) for _ in range(2)]
    for replica in replicas:
        await replica.ring.prepare()
    first, second = replicas
    warm = verifier(first.ring.published, clock)
    stale = verifier(Cache(second.ring, clock).published, clock)
    step, lifetime = timedelta(seconds=20), SETTINGS.service_token_lifetime + LEEWAY - timedelta(seconds=5)
    good: list[tuple[datetime, str]] = []
    signed = set()
    for turn in range(lasting // step):
        clock.advance(seconds=step.total_seconds())
        await asyncio.gather(*(replica.commands.rotate() for replica in replicas))
        for replica in replicas:
            good.append((clock.now() + lifetime, await replica.token()))
            signed.add((await replica.ring.signing())[0])
        good = [(until, token) for until, token in good if until > clock.now()]
        cold = verifier(replicas[turn % 2].ring.published, clock)
        for checking in (cold, warm, stale, *(verifier(replica.ring.published, clock) for replica in replicas)):
            for _, token in (*good[:2], *good[-2:]):  # about to end, and new
                await checking.verify(token)
    return signed


async def test_nobody_is_refused_while_keys_rotate(db: Database) -> None:
    schedule = replace(SCHEDULE, period=A_WHILE)
    signed = await under_load(db, schedule, lasting=timedelta(minutes=100))
    assert len(signed) == 3
    states = await keys_of(db)
    assert list(states.values()).count("ACTIVE") == 1
    assert set(states.values()) >= {"ACTIVE", "RETIRED"}


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param(replace(SCHEDULE, period=A_WHILE, lead=timedelta(seconds=30)), id="it comes too early"),
        pytest.param(replace(SCHEDULE, period=A_WHILE, overlap=timedelta(minutes=10)), id="it goes too early"),
    ],
)
async def test_the_same_load_finds_out_when_a_key_does_not_keep_its_time(db: Database, schedule: Schedule) -> None:
    with pytest.raises(TokenInvalid):
        await under_load(db, schedule, lasting=timedelta(minutes=100))


async def test_each_step_is_taken_once_however_many_take_it(db: Database) -> None:
    clock = TestClock()
    replicas = [Replica(db, clock, SCHEDULE) for _ in range(4)]
    await asyncio.gather(*(replica.ring.prepare() for replica in replicas))
    assert list((await keys_of(db)).values()) == ["ACTIVE"]

    async def all_rotate() -> list[str]:
        await asyncio.gather(*(replica.commands.rotate() for replica in replicas))
        return list((await keys_of(db)).values())

    assert await all_rotate() == ["ACTIVE"], "there is nothing to do yet"
    clock.advance(days=30, seconds=-SCHEDULE.lead.total_seconds())
    assert await all_rotate() == ["ACTIVE", "PENDING"]
    clock.advance(seconds=SCHEDULE.lead.total_seconds() - 10)
    assert await all_rotate() == ["ACTIVE", "PENDING"]
    clock.advance(seconds=20)
    assert await all_rotate() == ["RETIRING", "ACTIVE"]
    clock.advance(seconds=SCHEDULE.overlap.total_seconds() - 10)
    assert await all_rotate() == ["RETIRING", "ACTIVE"]
    clock.advance(seconds=20)
    assert await all_rotate() == ["RETIRED", "ACTIVE"]
    events = await db.fetch_all(select(audit_events).order_by(audit_events.c.id))
    assert [event.action for event in events] == [f"signing_key.{did}" for did in ("created", "activated", "retired")]
    assert {event.actor_type for event in events} == {"system"}


async def test_a_service_that_was_away_for_long_gives_verifiers_the_time_that_they_need(db: Database) -> None:
    clock = TestClock()
    await Replica(db, clock, SCHEDULE).ring.prepare()
    clock.advance(days=90)
    replica = Replica(db, clock, SCHEDULE)
    await replica.ring.prepare()
    await replica.commands.rotate()
    assert list((await keys_of(db)).values()) == ["ACTIVE", "PENDING"]
    clock.advance(seconds=SCHEDULE.lead.total_seconds())
    await replica.commands.rotate()
    assert list((await keys_of(db)).values()) == ["RETIRING", "ACTIVE"]


async def is_taken_while_identity_is_away(db: Database, memory: timedelta) -> bool:
    """Whether a verifier that heard of the revocation, and then of nothing, takes at last what a thief has signed.

    It has the key from a cache that was as old as it may be, and goes on trusting it for as long as it may.
    """
    clock = TestClock()
    replica = Replica(db, clock, SCHEDULE)
    await replica.ring.prepare()
    cache, revocations = Cache(replica.ring, clock), Revocations(clock)
    is_away = False

    async def fetch() -> Sequence[Mapping[str, str]]:
        if is_away:
            raise ConnectionError
        return await cache.published()

    keys = PublishedKeys(fetch, clock)
    checking = TokenVerifier(keys, clock, issuer=ISSUER, audience="work", revocations=revocations)
    kid, algorithm, private = await replica.ring.signing()
    claims = jwt.decode(await replica.token(), options={"verify_signature": False})
    forged = jwt.encode(
        claims | {"exp": claims["exp"] + 86_400}, private, algorithm, headers={"kid": kid, "typ": "at+jwt"}
    )
    await cache.published()
    revocations.key_revoked(kid, clock.now() + memory)
    clock.advance(seconds=MAX_AGE.total_seconds() - 5)
    outcomes = []
    for _ in range(80):
        try:
            await checking.verify(forged)
        except (TokenRevoked, KeysUnavailable) as refusal:
            outcomes.append(type(refusal))
        else:
            return True
        is_away = True
        clock.advance(minutes=1)
        revocations.token_revoked("another", clock.now() + LEEWAY)  # what has expired is forgotten when more comes
    assert outcomes[0] is TokenRevoked
    assert outcomes[-1] is KeysUnavailable
    return False


async def test_a_revoked_key_is_known_to_be_for_as_long_as_anybody_trusts_it(db: Database) -> None:
    assert not await is_taken_while_identity_is_away(db, SCHEDULE.memory)
    assert await is_taken_while_identity_is_away(db, SCHEDULE.overlap), "that would be too short"


async def test_another_algorithm_takes_over_as_a_rotation_does(db: Database) -> None:
    clock = TestClock()
    await Replica(db, clock, SCHEDULE).ring.prepare()
    replica = Replica(db, clock, replace(SCHEDULE, algorithm="RS256"))
    await replica.ring.prepare()
    await replica.commands.rotate()
    assert (await replica.ring.signing())[1] == "ES256"
    clock.advance(seconds=SCHEDULE.lead.total_seconds())
    await replica.commands.rotate()
    assert (await replica.ring.signing())[1] == "RS256"
    assert list((await keys_of(db)).values()) == ["RETIRING", "ACTIVE"]


async def test_a_keys_time_begins_when_it_is_published(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when somebody began to make it, which takes a while."""
    clock = TestClock()
    replica = Replica(db, clock, SCHEDULE)
    await replica.ring.prepare()
    made, times = SigningKey.made, []

    def slowly_made(*args: Any, **more: Any) -> SigningKey:
        key = made(*args, **more)
        clock.advance(minutes=5)
        times.append(clock.now())
        return key

    monkeypatch.setattr(SigningKey, "made", slowly_made)
    clock.advance(days=30, seconds=-SCHEDULE.lead.total_seconds())
    await replica.commands.rotate()
    _, waiting = await store.published(db)
    assert [waiting.create_time >= at for at in times] == [True], "one is made, and one is enough"


# -- the secret key, with which private halves are sealed


async def with_a_key_that_waits(replica: Replica, clock: TestClock) -> None:
    await replica.ring.prepare()
    clock.advance(days=30, seconds=-SCHEDULE.lead.total_seconds())
    await replica.commands.rotate()


async def test_keys_are_read_twice_a_minute_however_many_ask(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = TestClock()
    replica = Replica(db, clock, SCHEDULE)
    await replica.ring.prepare()
    read = 0

    async def counted(db: Database) -> Sequence[SigningKey]:
        nonlocal read
        read += 1
        return await published(db)

    published = store.published
    monkeypatch.setattr(store, "published", counted)
    for expected in (0, 1, 2):
        for _ in range(20):
            await replica.token()
            await replica.ring.published()
        assert read == expected
        clock.advance(seconds=(KEPT_FOR + timedelta(seconds=1)).total_seconds())


async def test_another_secret_key_takes_over_while_the_one_before_it_is_given(db: Database) -> None:
    """Replicas one after another: with the new one beside it, in the place of it, and alone."""
    clock, new = TestClock(), new_secret().encode()
    before = Replica(db, clock, SCHEDULE)
    await with_a_key_that_waits(before, clock)
    kid = (await before.ring.signing())[0]
    beside = Replica(db, clock, SCHEDULE, secrets=[SECRET, new])
    for replica in (beside, Replica(db, clock, SCHEDULE, secrets=[new, SECRET])):
        await replica.ring.prepare()
        assert (await replica.ring.signing())[0] == kid
    beside.ring.reload()
    assert (await beside.ring.signing())[0] == kid, "who starts later opens what was sealed anew"
    alone = Replica(db, clock, SCHEDULE, secrets=[new])
    await alone.ring.prepare()
    assert (await alone.ring.signing())[0] == kid
    sealer = Sealer([new], PURPOSE)
    for key in await store.published(db):
        assert sealer.resealed(key.sealed_private_key, key.kid) is None
    with pytest.raises(ConfigError, match="IDENTITY_SECRET_KEY"):
        await Replica(db, clock, SCHEDULE).ring.prepare()


async def test_what_has_gone_meanwhile_is_not_sealed_anew(db: Database) -> None:
    clock = TestClock()
    await with_a_key_that_waits(Replica(db, clock, SCHEDULE), clock)
    active, waiting = await store.published(db)
    async with db.transaction() as tx:
        await store.save(tx, waiting.revoked(now=clock.now()), replacing=State.PENDING)
    async with db.transaction() as tx:
        for key in (active, waiting):
            await store.reseal(tx, key, b"anew")
    kept = await db.fetch_all(select(signing_keys).order_by(signing_keys.c.create_time))
    assert [key.sealed_private_key for key in kept] == [b"anew", b""]


async def test_a_sealed_key_opens_under_its_own_name_only(db: Database) -> None:
    """Whoever writes to the database cannot put one key in the place of another."""
    clock = TestClock()
    await with_a_key_that_waits(Replica(db, clock, SCHEDULE), clock)
    _, other = await store.published(db)
    async with db.transaction() as tx:
        await tx.execute(
            update(signing_keys)
            .values(sealed_private_key=other.sealed_private_key)
            .where(signing_keys.c.state == State.ACTIVE.value)
        )
    with pytest.raises(ConfigError):
        await Replica(db, clock, SCHEDULE).ring.prepare()
