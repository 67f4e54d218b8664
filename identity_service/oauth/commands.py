"""What clients ask for: tokens, and what is to be known or done about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import NoReturn

import jwt

from chassis.auth import EXPIRED_FOR_ALL, Principal, TokenExpired, TokenInvalid, TokenRevoked, TokenVerifier
from chassis.clock import Clock
from chassis.database import Database
from chassis.errors import FieldViolation
from chassis.secret import Secret
from identity_service.access_tokens import AccessToken, AccessTokens
from identity_service.audit import store as audit
from identity_service.audit.domain import Action, ActorType, AuditEvent, actor
from identity_service.feed import domain as events
from identity_service.feed import store as feed
from identity_service.oauth import store
from identity_service.oauth.domain import (
    CLIENT_CREDENTIALS,
    Client,
    Credentials,
    Introspection,
    InvalidClient,
    InvalidRequest,
    Key,
    Metadata,
    UnauthorizedClient,
    UnsupportedGrantType,
    claimed_client,
    verified,
)
from identity_service.service_accounts.domain import ServiceAccount, digest_of, is_one_of
from identity_service.throttles.commands import Throttles
from identity_service.throttles.domain import Pace

_USE_IS_NOTED_AFTER = timedelta(hours=1)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class MachineToken:
    """An access token, and the scopes that it holds."""

    access: AccessToken = field(repr=False)
    scopes: frozenset[str]


class OAuthCommands:
    """One method per use case. Every client says first who it is."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        tokens: AccessTokens,
        verifiers: Mapping[str, TokenVerifier],
        metadata: Metadata,
        throttles: Throttles,
        *,
        refusals: Pace,
    ) -> None:
        """`verifiers` are by the audience that a token is meant for; `refusals` are for each network address."""
        self._db = db
        self._clock = clock
        self._tokens = tokens
        self._verifiers = verifiers
        self._metadata = metadata
        self._throttles = throttles
        self._refusals = refusals

    async def issue(self, client: Credentials, grant_type: str, scope: str, audience: str) -> MachineToken:
        """An access token for a service account.

        Raises:
            UnsupportedGrantType: Something else is shown than client credentials.
            InvalidClient: There is no such account, it shows something else, or it is disabled: one answer, and the
                same work is done for it.
            TooManyRequests: The same, too often from one place.
            InvalidScope: The account does not have one of the scopes that are asked for.
            InvalidRequest: The account's tokens are not meant for that audience.
        """
        if not grant_type:
            raise InvalidRequest(FieldViolation("grant_type", "is missing"))
        if grant_type != CLIENT_CREDENTIALS:
            raise UnsupportedGrantType
        account = await self._authenticated(client)
        scopes = account.granted(scope)
        if audience and audience not in account.audiences:
            raise InvalidRequest(FieldViolation("audience", "is none of this service account's"))
        access = await self._tokens.issue_to_machine(
            subject=account.id,
            token_version=account.token_version,
            client_id=account.name,
            audiences=[audience] if audience else account.audiences,
            scopes=scopes,
        )
        return MachineToken(access, scopes)

    async def introspect(self, client: Credentials, token: Secret) -> Introspection | None:
        """What a token says, if it is good and meant for one of the client's audiences.

        Raises:
            InvalidClient: As for `issue`.
        """
        account = await self._authenticated(client)
        principal = await self._find_principal(account, token)
        # The leeway of verifiers is for clocks of others: this one has issued the token.
        if principal is None or principal.expires_at <= self._clock.now():
            return None
        if not await store.is_good(self._db, principal):
            return None
        return Introspection(claims=jwt.decode(token, options={"verify_signature": False}))  # it is verified above

    async def revoke(self, client: Credentials, token: Secret) -> None:
        """Let a token of the client's own work no more. One that is not good anyway is no error.

        Raises:
            InvalidClient: As for `issue`.
            UnauthorizedClient: It is somebody else's.
        """
        by = actor()
        account = await self._authenticated(client)
        principal = await self._find_principal(account, token)
        if principal is None:
            return
        if principal.subject != account.id:
            raise UnauthorizedClient(FieldViolation("token", "was issued to another client"))
        now = self._clock.now()
        async with self._db.transaction() as tx:
            await audit.record(
                tx,
                AuditEvent(
                    action=Action.TOKEN_REVOKED,
                    actor=replace(by, type=ActorType.SERVICE, id=account.id),
                    target_type="service_account",
                    target_id=str(account.id),
                    metadata={"token": principal.token_id},
                    at=now,
                ),
            )
            revoked = events.TokenRevoked(subject=principal.token_id, until=principal.expires_at + EXPIRED_FOR_ALL)
            await feed.append(tx, revoked, now)

    async def _find_principal(self, account: ServiceAccount, token: Secret) -> Principal | None:
        """Whom a token speaks of that is meant for one of the account's audiences; None for any other."""
        for audience in sorted(account.audiences):
            try:
                return await self._verifiers[audience].verify(token)
            except TokenInvalid:
                continue
            except (TokenExpired, TokenRevoked):
                return None
        return None

    async def _authenticated(self, client: Credentials) -> ServiceAccount:
        """The service account that a client proves to be."""
        client.check()
        now = self._clock.now()
        if client.assertion:
            return await self._by_assertion(client)
        found = await store.find_with_secrets(self._db, client.client_id, now)
        digests = [key.digest for key in found.keys if key.digest is not None] if found is not None else []
        has_secret = is_one_of(client.client_secret, digests)
        if found is None or not has_secret or found.account.disabled:
            await self._refuse(found)
        shown = digest_of(client.client_secret)
        await self._note_use(next(key for key in found.keys if key.digest == shown))
        return found.account

    async def _by_assertion(self, client: Credentials) -> ServiceAccount:
        now = self._clock.now()
        name = claimed_client(client.assertion)
        if client.client_id and client.client_id != name:
            raise InvalidRequest(FieldViolation("client_id", "is not who has signed the assertion"))
        found = await store.find_with_public_keys(self._db, name, now)
        if found is None or found.account.disabled:
            await self._refuse(found)
        try:
            assertion = verified(client.assertion, found.keys, audiences=self._metadata.audiences, now=now)
        except InvalidClient:
            await self._refuse(found)
        async with self._db.transaction() as tx:
            is_first = await store.remember(tx, found.account.id, assertion)
            if is_first and self._is_to_be_noted(assertion.key):
                await store.used(tx, assertion.key, now)
        if not is_first:
            await self._refuse(found)
        return found.account

    async def _note_use(self, key: Key) -> None:
        if self._is_to_be_noted(key):
            async with self._db.transaction() as tx:
                await store.used(tx, key, self._clock.now())

    def _is_to_be_noted(self, key: Key) -> bool:
        return key.last_use_time is None or key.last_use_time <= self._clock.now() - _USE_IS_NOTED_AFTER

    async def _refuse(self, client: Client | None) -> NoReturn:
        """Remember that somebody could not sign in, and say so: the same for all reasons.

        Nobody guesses a secret; but what is remembered stays, so that only so much of it comes from one place.
        """
        by = actor()
        await self._throttles.take(self._refusals, by.network)
        async with self._db.transaction() as tx:
            await audit.record(
                tx,
                AuditEvent(
                    action=Action.SERVICE_ACCOUNT_SIGNED_IN,
                    actor=by,
                    target_type="service_account" if client is not None else "",
                    target_id=str(client.account.id) if client is not None else "",
                    reason=InvalidClient.reason,
                    at=self._clock.now(),
                ),
            )
        raise InvalidClient


class AssertionSweeper:
    """Forgets assertions that would not be taken any more anyway."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Sweep `db`."""
        self._db = db
        self._clock = clock

    async def sweep(self) -> None:
        """Forget those that have expired on any clock. A batch at a time: nobody waits long."""
        await self._db.in_batches(
            lambda tx: store.sweep(tx, before=self._clock.now() - EXPIRED_FOR_ALL, most=_BATCH), most=_BATCH
        )
