"""What changes signing keys: the schedule, and those who cannot wait for it."""

import asyncio
from dataclasses import replace
from datetime import datetime

import structlog

from chassis.clock import Clock
from chassis.database import Database, Transaction
from identity_service.audit import store as audit
from identity_service.audit.domain import SYSTEM, Action, Actor, AuditEvent, actor
from identity_service.feed import store as feed
from identity_service.feed.domain import KeyRevoked
from identity_service.keys import store
from identity_service.keys.domain import Schedule, SigningKey, SigningKeyNotFound, State, Step, WrongKeyState, due
from identity_service.keys.ring import KeyRing
from identity_service.sealing import Sealer

log = structlog.get_logger()


class KeyCommands:
    """One method per use case. One transaction at a time changes keys, whoever's it is."""

    def __init__(self, db: Database, clock: Clock, ring: KeyRing, sealer: Sealer, *, schedule: Schedule) -> None:
        """`ring` is told when keys have changed."""
        self._db = db
        self._clock = clock
        self._ring = ring
        self._sealer = sealer
        self._schedule = schedule

    async def rotate(self) -> None:
        """Do what the schedule has to be done by now. Done twice, or by two at once, it is done once."""
        spare = None
        while True:
            async with self._db.transaction() as tx:
                await store.lock(tx)
                now = self._clock.now()
                step = due(await store.published(tx), self._schedule, now=now)
                match step:
                    case Step.RETIRE, SigningKey() as key:
                        await self._retire(tx, SYSTEM, key, now)
                    case Step.ACTIVATE, SigningKey() as key:
                        await self._activate(tx, SYSTEM, key, now)
                    case Step.MAKE, None if spare is not None:
                        await self._add(tx, SYSTEM, spare, now)
            if step is None:
                return
            if step == (Step.MAKE, None):
                # It takes a while: nobody waits for it under the lock.
                spare = await self._made(self._schedule.algorithm) if spare is None else None
            self._ring.reload()

    async def create(self, algorithm: str) -> SigningKey:
        """Make a key and publish it. It does not sign yet."""
        by, key = actor(), await self._made(algorithm or self._schedule.algorithm)
        async with self._db.transaction() as tx:
            await store.lock(tx)
            published = await self._add(tx, by, key, self._clock.now())
        self._ring.reload()
        return published

    async def activate(self, kid: str) -> SigningKey:
        """Let a published key sign from now on. One that signs already goes on.

        Raises:
            SigningKeyNotFound: There is none of that name.
            WrongKeyState: It is not waiting to sign.
            KeyNotKnownYet: Verifiers may not have seen it.
        """
        by, now = actor(), self._clock.now()
        async with self._db.transaction() as tx:
            key = await self._locked(tx, kid)
            if key.state is State.ACTIVE:
                return key
            key.check_may_sign(self._schedule, now=now)
            activated = await self._activate(tx, by, key, now)
        self._ring.reload()
        return activated

    async def retire(self, kid: str) -> SigningKey:
        """Publish a key no more. One that is gone already stays so.

        Raises:
            SigningKeyNotFound: There is none of that name.
            WrongKeyState: It signs, or was revoked.
            KeyStillNeeded: Tokens that it has signed may be good.
        """
        by, now = actor(), self._clock.now()
        async with self._db.transaction() as tx:
            key = await self._locked(tx, kid)
            if key.state is State.RETIRED:
                return key
            key.check_may_go(self._schedule, now=now)
            retired = await self._retire(tx, by, key, now)
        self._ring.reload()
        return retired

    async def revoke(self, kid: str) -> SigningKey:
        """Withdraw a key at once. If it signs, another one takes its place, known to verifiers or not.

        Raises:
            SigningKeyNotFound: There is none of that name.
            WrongKeyState: It is published no more.
        """
        by, successor = actor(), await self._made(self._schedule.algorithm)
        now = self._clock.now()
        async with self._db.transaction() as tx:
            key = await self._locked(tx, kid)
            if key.state is State.REVOKED:
                return key
            if key.state is State.RETIRED:
                raise WrongKeyState(key.state, "published")
            revoked = key.revoked(now=now)
            await store.save(tx, revoked, replacing=key.state)
            if key.state is State.ACTIVE:
                waiting = [other for other in await store.published(tx) if other.state is State.PENDING]
                if not waiting:
                    await self._add(tx, by, successor, now)
                await self._activate(tx, by, waiting[0] if waiting else successor, now)
            await audit.record(tx, _event(by, Action.SIGNING_KEY_REVOKED, key, now))
            await feed.append(tx, KeyRevoked(subject=kid, until=now + self._schedule.memory), now)
        self._ring.reload()
        return revoked

    async def _made(self, algorithm: str) -> SigningKey:
        """A new key. RSA takes its time, which others have better uses for."""
        return await asyncio.to_thread(SigningKey.made, algorithm, self._sealer, now=self._clock.now())

    async def _locked(self, tx: Transaction, kid: str) -> SigningKey:
        await store.lock(tx)
        key = await store.find(tx, kid)
        if key is None:
            raise SigningKeyNotFound
        return key

    async def _add(self, tx: Transaction, by: Actor, key: SigningKey, now: datetime) -> SigningKey:
        """Publish it. Its time begins now, however long it took to make it: nobody could see it before."""
        published = replace(key, create_time=now)
        await store.add(tx, published)
        await audit.record(tx, _event(by, Action.SIGNING_KEY_CREATED, key, now))
        return published

    async def _activate(self, tx: Transaction, by: Actor, key: SigningKey, now: datetime) -> SigningKey:
        """Let it sign in place of whichever does."""
        for other in await store.published(tx):
            if other.state is State.ACTIVE:
                await store.save(tx, other.retiring(now=now), replacing=State.ACTIVE)
        activated = key.activated(now=now)
        await store.save(tx, activated, replacing=State.PENDING)
        await audit.record(tx, _event(by, Action.SIGNING_KEY_ACTIVATED, key, now))
        return activated

    async def _retire(self, tx: Transaction, by: Actor, key: SigningKey, now: datetime) -> SigningKey:
        retired = key.retired(now=now)
        await store.save(tx, retired, replacing=key.state)
        await audit.record(tx, _event(by, Action.SIGNING_KEY_RETIRED, key, now))
        return retired


def _event(by: Actor, action: Action, key: SigningKey, now: datetime) -> AuditEvent:
    log.info("signing key", action=action.value, kid=key.kid)
    return AuditEvent(
        action=action,
        actor=by,
        target_type="signing_key",
        target_id=key.kid,
        metadata={"algorithm": key.algorithm},
        at=now,
    )
