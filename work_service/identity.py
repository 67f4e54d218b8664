"""What work asks of identity, and the token that it asks with."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import grpc
import grpc.aio
import structlog
from google.protobuf.message import Message
from tandem.identity.v1 import (
    feed_pb2,
    feed_pb2_grpc,
    mail_pb2,
    mail_pb2_grpc,
    profile_pb2,
    profile_pb2_grpc,
    token_pb2,
    token_pb2_grpc,
)

from chassis import call
from chassis.client import connected
from chassis.clock import Clock
from chassis.errors import NotFound, Unavailable
from chassis.ids import new_id
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
        self._mail = mail_pb2_grpc.MailServiceStub(channel)
        self._feed = feed_pb2_grpc.FeedServiceStub(channel)
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
        """The JSON Web Keys that verify identity's tokens. Nobody is let in without, so this waits for a connection."""
        answer = await self._tokens.GetJsonWebKeySet(
            token_pb2.GetJsonWebKeySetRequest(), timeout=_TIMEOUT_S, wait_for_ready=True
        )
        return [{field.name: value for field, value in key.ListFields()} for key in answer.keys]

    async def find_user(self, kind: Kind, name: str) -> UserId:
        """Who has that id, username, or verified e-mail address.

        Raises:
            UserNotFound: Nobody.
            IdentityUnavailable: Identity cannot say.
        """
        request = profile_pb2.LookupProfileRequest(**{kind: name})
        try:
            answer: profile_pb2.LookupProfileResponse = await self._answer(
                self._profiles.LookupProfile, request, call.current().request_id
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise UserNotFound from None
            raise _unavailable(error) from error
        return UserId(UUID(answer.profile.id))

    async def send_invitation(self, mail_id: UUID, email: str, inviter_id: UserId, project_title: str) -> None:
        """Have an address told that it is invited, once for each `mail_id`.

        Raises:
            IdentityUnavailable: It is not certain that identity will.
        """
        request = mail_pb2.SendInvitationRequest(
            mail_id=str(mail_id), email=email, inviter_id=str(inviter_id), project_title=project_title
        )
        try:
            await self._answer(self._mail.SendInvitation, request, str(new_id()))
        except grpc.aio.AioRpcError as error:
            raise _unavailable(error) from error

    async def _answer(self, method: Callable[..., Awaitable[Any]], request: Message, request_id: str) -> Any:
        """The answer. A token that is refused although it is not old is replaced, once: keys can be revoked."""
        sent = await self._credentials(request_id)
        try:
            return await method(request, timeout=_TIMEOUT_S, metadata=sent)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                raise
        self._token = _Token("", _FOREVER_AGO)
        return await method(request, timeout=_TIMEOUT_S, metadata=await self._credentials(request_id))

    async def watch(self, cursor: str) -> AsyncGenerator[feed_pb2.WatchResponse, None]:
        """What identity's feed tells after `cursor`, until identity ends the stream. Close what this gives.

        Raises:
            IdentityUnavailable: The stream cannot be had, or breaks.
        """
        sent = await self._credentials(str(new_id()))
        stream = self._feed.Watch(feed_pb2.WatchRequest(cursor=cursor), metadata=sent)
        try:
            async for told in stream:
                yield told
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                self._token = _Token("", _FOREVER_AGO)
            raise _unavailable(error) from error
        finally:
            stream.cancel()

    async def _credentials(self, request_id: str) -> tuple[tuple[str, str], ...]:
        """What says that it is us, on behalf of which request."""
        async with self._issuing:  # many may need a token; one fetches it
            if self._token.expires_at <= self._clock.now() + _REFRESH_BEFORE:
                self._token = await self._issued()
        return ("authorization", f"Bearer {self._token.text}"), ("x-request-id", request_id)

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
