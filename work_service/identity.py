"""What work asks of identity, and the token that it asks with."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import grpc
import grpc.aio
import structlog
from tandem.identity.v1 import profile_pb2, profile_pb2_grpc, token_pb2, token_pb2_grpc

from chassis import call
from chassis.client import connected
from chassis.clock import Clock
from chassis.errors import NotFound, Unavailable
from chassis.telemetry import Telemetry
from work_service.access import UserId
from work_service.config import WorkSettings

log = structlog.get_logger()

_TIMEOUT_S = 2.0
_REFRESH_BEFORE = timedelta(minutes=1)  # a token that is sent must not expire on the way
_FOREVER_AGO = datetime.min.replace(tzinfo=UTC)

Kind = Literal["user_id", "username", "email"]


class UserNotFound(NotFound):
    """There is no such user."""

    reason = "USER_NOT_FOUND"


class IdentityUnavailable(Unavailable):
    """The identity service cannot be reached."""

    reason = "IDENTITY_UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    expires_at: datetime


class Identity:
    """The identity service, seen from here."""

    def __init__(self, channel: grpc.aio.Channel, settings: WorkSettings, clock: Clock) -> None:
        """Use `opened`."""
        self._tokens = token_pb2_grpc.TokenServiceStub(channel)
        self._profiles = profile_pb2_grpc.ProfileServiceStub(channel)
        self._settings = settings
        self._clock = clock
        self._token = _Token("", _FOREVER_AGO)
        self._issuing = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: WorkSettings, clock: Clock, telemetry: Telemetry) -> AsyncIterator["Identity"]:
        """Identity, until the block is left."""
        async with connected(settings.identity_address, telemetry) as channel:
            yield cls(channel, settings, clock)

    async def published_keys(self) -> Sequence[Mapping[str, Any]]:
        """The JSON Web Keys that verify identity's tokens."""
        answer = await self._tokens.GetJsonWebKeySet(token_pb2.GetJsonWebKeySetRequest(), timeout=_TIMEOUT_S)
        return [{field.name: value for field, value in key.ListFields()} for key in answer.keys]

    async def find_user(self, kind: Kind, name: str) -> UserId:
        """Who has that id, username, or verified e-mail address.

        Raises:
            UserNotFound: Nobody.
            IdentityUnavailable: Identity cannot say.
        """
        request = profile_pb2.LookupProfileRequest(**{kind: name})
        try:
            answer = await self._looked_up(request)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise UserNotFound from None
            raise _unavailable(error) from error
        return UserId(UUID(answer.profile.id))

    async def _looked_up(self, request: profile_pb2.LookupProfileRequest) -> profile_pb2.LookupProfileResponse:
        """The answer. A token that is refused although it is not old is replaced, once: keys can be revoked."""
        sent = await self._credentials()
        try:
            return await self._profiles.LookupProfile(request, timeout=_TIMEOUT_S, metadata=sent)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                raise
        self._token = _Token("", _FOREVER_AGO)
        return await self._profiles.LookupProfile(request, timeout=_TIMEOUT_S, metadata=await self._credentials())

    async def _credentials(self) -> tuple[tuple[str, str], ...]:
        """What says that it is us, on behalf of which request."""
        async with self._issuing:  # many may need a token; one fetches it
            if self._token.expires_at <= self._clock.now() + _REFRESH_BEFORE:
                self._token = await self._issued()
        return ("authorization", f"Bearer {self._token.text}"), ("x-request-id", call.current().request_id)

    async def _issued(self) -> _Token:
        request = token_pb2.IssueTokenRequest(
            grant_type="client_credentials",
            client_id=self._settings.client_id,
            client_secret=self._settings.client_secret.get_secret_value(),
        )
        now = self._clock.now()
        try:
            answer = await self._tokens.IssueToken(request, timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error
        return _Token(answer.access_token, now + timedelta(seconds=answer.expires_in))


def _unavailable(error: grpc.aio.AioRpcError) -> IdentityUnavailable:
    """Whatever is wrong between us and identity is nothing that our caller can mend."""
    if error.code() not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        log.error("identity refuses our call", code=error.code().name, message=error.details())
    return IdentityUnavailable(retry_after=timedelta(seconds=1))
