"""What changes service accounts."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.database import Database, Transaction
from chassis.errors import FieldViolation, InvalidArgument
from chassis.etags import expect_etag
from chassis.ids import new_id
from chassis.secret import Secret
from identity_service.access_tokens import good_until
from identity_service.audit import store as audit
from identity_service.audit.domain import SYSTEM, Action, Actor, AuditEvent, actor
from identity_service.feed import store as feed
from identity_service.feed.domain import TokensInvalidated
from identity_service.service_accounts import store
from identity_service.service_accounts.domain import (
    LIVE_PUBLIC_KEYS,
    LIVE_SECRETS,
    AccountKey,
    KeptSecret,
    KeyNotFound,
    NameTaken,
    NewServiceAccount,
    Provision,
    SecretRevoked,
    ServiceAccount,
    ServiceAccountEdit,
    ServiceAccountId,
    TooManyKeys,
    digest_of,
    new_secret,
    public_key,
    surplus,
)


class Provisioned(Enum):
    """What it took to make a service account what it ought to be."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class ServiceAccountCommands:
    """One method per use case."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Change `db`."""
        self._db = db
        self._clock = clock

    async def provision(self, wanted: Provision) -> Provisioned:
        """Make the account what it ought to be. Those who do it at the same time queue.

        A secret that works already changes nothing. A new one is added beside the newest, and the oldest has to go. An
        account that somebody has disabled stays so, and a secret that was revoked. Tokens that hold more than it ought
        to have are good no more.

        Raises:
            SecretRevoked: It was, by an administrator.
        """
        now, digest = self._clock.now(), digest_of(wanted.secret)
        new = _new_account(wanted.name, "", wanted.scopes, wanted.audiences, now)
        async with self._db.transaction() as tx:
            is_new = await store.add(tx, new)
            before = await store.get_locked(tx, wanted.name)
            after = before.changed(now=now, scopes=wanted.scopes, audiences=wanted.audiences)
            if is_new:
                await _remember(tx, SYSTEM, Action.SERVICE_ACCOUNT_CREATED, after, now)
            if after is not before:
                await store.save(tx, after)
                await _remember(tx, SYSTEM, Action.SERVICE_ACCOUNT_UPDATED, after, now)
            kept = await store.secrets_of(tx, after.id)
            has_secret = any(secret.digest == digest and secret.is_live(now) for secret in kept)
            if not has_secret:
                if await store.was_revoked(tx, after.id, digest):
                    raise SecretRevoked
                await self._replace(tx, after, digest, surplus(kept, now=now), now)
            await _tell(tx, before, after, now, until=good_until(now))
        if is_new:
            return Provisioned.CREATED
        return Provisioned.UNCHANGED if after is before and has_secret else Provisioned.CHANGED

    async def _replace(
        self, tx: Transaction, account: ServiceAccount, digest: bytes, surplus: Sequence[KeptSecret], now: datetime
    ) -> None:
        for old in surplus:
            await store.remove_secret(tx, old.id)
            await _remember(tx, SYSTEM, Action.SERVICE_ACCOUNT_KEY_REVOKED, account, now, key=str(old.id))
        key_id = new_id()
        await store.add_secret(tx, key_id, account.id, digest, now)
        await _remember(tx, SYSTEM, Action.SERVICE_ACCOUNT_KEY_CREATED, account, now, key=str(key_id))


class ServiceAccountAdministration:
    """What administrators do with service accounts: one method per use case."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Change `db`."""
        self._db = db
        self._clock = clock

    async def create(self, new: NewServiceAccount) -> ServiceAccount:
        """Make a service account.

        Raises:
            InvalidArgument: It could do nothing, or its name cannot be one.
            NameTaken: Another one has the name.
        """
        new.check()
        by, now = actor(), self._clock.now()
        account = _new_account(new.name, new.description, new.scopes, new.audiences, now)
        async with self._db.transaction() as tx:
            if not await store.add(tx, account):
                raise NameTaken
            await _remember(tx, by, Action.SERVICE_ACCOUNT_CREATED, account, now)
        return account

    async def update(self, ref: ServiceAccountId | str, edit: ServiceAccountEdit, *, etag: str) -> ServiceAccount:
        """Change what an account may do, or what it is said to be for."""
        return await self._change(ref, Action.SERVICE_ACCOUNT_UPDATED, etag=etag, **edit)

    async def disable(self, ref: ServiceAccountId | str, *, etag: str) -> ServiceAccount:
        """Keep an account from signing in; its tokens are good no more."""
        return await self._change(ref, Action.SERVICE_ACCOUNT_DISABLED, etag=etag, disabled=True)

    async def enable(self, ref: ServiceAccountId | str, *, etag: str) -> ServiceAccount:
        """Let an account sign in again."""
        return await self._change(ref, Action.SERVICE_ACCOUNT_ENABLED, etag=etag, disabled=False)

    async def delete(self, ref: ServiceAccountId | str, *, etag: str) -> None:
        """Delete an account; its tokens are good no more."""
        await self._change(ref, Action.SERVICE_ACCOUNT_DELETED, etag=etag, delete_time=self._clock.now())

    async def create_key(
        self, ref: ServiceAccountId | str, public_jwk: str, expire_time: datetime | None
    ) -> tuple[AccountKey, Secret]:
        """Give an account a public key of its own, or a secret that is made here and shown by this only.

        Raises:
            InvalidArgument: The key cannot be used, or would have expired.
            KeyExists: It has this key already.
            TooManyKeys: It has as many as may work at a time.
        """
        by, now = actor(), self._clock.now()
        if expire_time is not None and expire_time <= now:
            raise InvalidArgument(FieldViolation("expire_time", "must be in the future"))
        secret = Secret("") if public_jwk else new_secret()
        jwk = public_key(public_jwk) if public_jwk else None
        key = AccountKey(id=new_id(), public_jwk=jwk, create_time=now, expire_time=expire_time)
        async with self._db.transaction() as tx:
            account = await store.get_locked(tx, ref)
            alike = [
                other for other in await store.list_keys(tx, account.id) if (other.public_jwk is None) == (jwk is None)
            ]
            if sum(other.is_live(now) for other in alike) >= (LIVE_SECRETS if jwk is None else LIVE_PUBLIC_KEYS):
                raise TooManyKeys
            if jwk is None:
                await store.add_secret(tx, key.id, account.id, digest_of(secret), now, expire_time=expire_time)
            else:
                for other in alike:
                    if not other.is_live(now) and (other.public_jwk or {}).get("kid") == jwk["kid"]:
                        await store.revoke_key(tx, account.id, other.id, now)  # it is to work again
                await store.add_public_key(tx, key, account.id, jwk)
            await _remember(tx, by, Action.SERVICE_ACCOUNT_KEY_CREATED, account, now, key=str(key.id))
        return key, secret

    async def revoke_key(self, ref: ServiceAccountId | str, key_id: UUID) -> None:
        """Let a key work no more, nor the tokens that the account has.

        Raises:
            KeyNotFound: The account has no such key that works.
        """
        by, now = actor(), self._clock.now()
        async with self._db.transaction() as tx:
            account = await store.get_locked(tx, ref)
            if not await store.revoke_key(tx, account.id, key_id, now):
                raise KeyNotFound
            after = replace(account, token_version=account.token_version + 1)
            await store.save(tx, after)
            await _remember(tx, by, Action.SERVICE_ACCOUNT_KEY_REVOKED, account, now, key=str(key_id))
            await _tell(tx, account, after, now, until=good_until(now))

    async def _change(self, ref: ServiceAccountId | str, action: Action, *, etag: str, **values: Any) -> ServiceAccount:
        by, now = actor(), self._clock.now()
        async with self._db.transaction() as tx:
            before = await store.get_locked(tx, ref)
            expect_etag(etag, before.etag)
            after = before.changed(now=now, **values)
            if after is before:
                return before
            await store.save(tx, after)
            await _remember(tx, by, action, after, now)
            await _tell(tx, before, after, now, until=good_until(now))
        return after


def _new_account(
    name: str, description: str, scopes: frozenset[str], audiences: frozenset[str], now: datetime
) -> ServiceAccount:
    return ServiceAccount(
        id=ServiceAccountId(new_id()),
        name=name,
        description=description,
        scopes=scopes,
        audiences=audiences,
        disabled=False,
        create_time=now,
        update_time=now,
    )


async def _tell(
    tx: Transaction, before: ServiceAccount, after: ServiceAccount, now: datetime, *, until: datetime
) -> None:
    """Last in the transaction: which tokens are good no more."""
    if after.token_version != before.token_version:
        event = TokensInvalidated(subject=after.id, token_version=after.token_version, until=until)
        await feed.append(tx, event, now)


async def _remember(
    tx: Transaction, by: Actor, action: Action, account: ServiceAccount, now: datetime, **more: str
) -> None:
    await audit.record(
        tx,
        AuditEvent(
            action=action,
            actor=by,
            target_type="service_account",
            target_id=str(account.id),
            metadata={"name": account.name, **more},
            at=now,
        ),
    )
