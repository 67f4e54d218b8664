"""How work follows identity's feed: with an identity that can be made to break, to be silent, and to come back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import pytest
from sqlalchemy import select
from tandem.identity.v1 import feed_pb2, feed_pb2_grpc, profile_pb2, token_pb2

from chassis.auth import Principal
from chassis.clock import SYSTEM_CLOCK
from chassis.database import Database, DatabaseUnavailable
from chassis.ids import new_id
from chassis.revocations import Revocations
from standalone.ports import free_port
from tests.support.databases import Databases
from tests.support.recording import Recording, recording
from tests.support.sql import rows
from tests.support.stack import new_secret
from work_service.config import WorkSettings
from work_service.identity import Identity
from work_service.profiles import store
from work_service.profiles.feed import IdentityFeed
from work_service.tables import profiles

SIGN_OF_LIFE_S = 0.02
PATIENCE = timedelta(seconds=2)


class FakeIdentity(feed_pb2_grpc.FeedServiceServicer):
    """Tells what it is given, and misbehaves when told to."""

    def __init__(self) -> None:
        self.events: list[feed_pb2.WatchResponse] = []
        self.asked: list[str] = []
        """The cursor of every Watch."""
        self.sent: list[str] = []
        """The credentials of every Watch."""
        self.issued = 0
        self.silent = False
        self.refusal: grpc.StatusCode | None = None
        self.broken = asyncio.Event()

    async def IssueToken(self, _request: Any, _context: Any) -> token_pb2.IssueTokenResponse:
        self.issued += 1
        return token_pb2.IssueTokenResponse(access_token=f"token-{self.issued}", expires_in=900)

    async def GetJsonWebKeySet(self, _request: Any, _context: Any) -> token_pb2.GetJsonWebKeySetResponse:
        return token_pb2.GetJsonWebKeySetResponse(keys=[token_pb2.JsonWebKey(kid="k1")])

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[feed_pb2.WatchResponse]:
        self.asked.append(request.cursor)
        self.sent.append(dict(context.invocation_metadata())["authorization"])
        if self.refusal is not None:
            await context.abort(self.refusal, "for the test")
        place = int(request.cursor or 0)
        broken = self.broken
        while not broken.is_set():
            for event in self.events[place:]:
                place = int(event.cursor)
                yield event
            if not self.silent:
                yield feed_pb2.WatchResponse(cursor=str(place))
            await asyncio.sleep(SIGN_OF_LIFE_S)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "broken")

    def break_streams(self) -> None:
        self.broken.set()
        self.broken = asyncio.Event()

    def tell(self, **event: Any) -> None:
        told = feed_pb2.WatchResponse(cursor=str(len(self.events) + 1), **event)
        if told.WhichOneof("event") != "profile_changed":
            told.expire_time.FromDatetime(SYSTEM_CLOCK.now() + timedelta(minutes=10))
        self.events.append(told)

    def tell_profile(self, user_id: UUID, full_name: str, **more: Any) -> None:
        profile = profile_pb2.Profile(id=str(user_id), username=full_name.lower(), full_name=full_name)
        self.tell(profile_changed=feed_pb2.ProfileChanged(profile=profile, **more))


@asynccontextmanager
async def serving(identity: FakeIdentity, port: int = 0) -> AsyncIterator[int]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    feed_pb2_grpc.add_FeedServiceServicer_to_server(identity, server)
    tokens = token_pb2.DESCRIPTOR.services_by_name["TokenService"].full_name
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "IssueToken": grpc.unary_unary_rpc_method_handler(
            identity.IssueToken,
            request_deserializer=token_pb2.IssueTokenRequest.FromString,
            response_serializer=token_pb2.IssueTokenResponse.SerializeToString,
        ),
        "GetJsonWebKeySet": grpc.unary_unary_rpc_method_handler(
            identity.GetJsonWebKeySet,
            request_deserializer=token_pb2.GetJsonWebKeySetRequest.FromString,
            response_serializer=token_pb2.GetJsonWebKeySetResponse.SerializeToString,
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(tokens, handlers),))
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@dataclass
class Following:
    """A process that follows the feed."""

    identity: Identity
    feed: IdentityFeed
    revocations: Revocations
    url: str
    recorded: Recording

    def refuses_session(self, session: UUID) -> bool:
        return self.revocations.refuses(somebody(session=session), "k1")

    async def names(self) -> dict[UUID, str]:
        return {row.user_id: row.full_name for row in await rows(self.url, select(profiles))}

    def metric(self, name: str) -> Any:
        data = self.recorded.metrics.get_metrics_data()
        assert data is not None
        (point,) = [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
            if metric.name == name
        ]
        return getattr(point, "value", None)


def somebody(**known: Any) -> Principal:
    made: dict[str, Any] = {
        "subject": new_id(),
        "client_id": "tandem",
        "session": new_id(),
        "roles": frozenset(),
        "token_id": "j1",
        "expires_at": SYSTEM_CLOCK.now(),
        "token_version": 1,
    }
    return Principal(**made | known)


@asynccontextmanager
async def following(url: str, port: int, *, head_start: timedelta = timedelta(seconds=20)) -> AsyncIterator[Following]:
    settings = WorkSettings(
        database_url=url,
        secret_key=new_secret(),
        identity_address=f"127.0.0.1:{port}",
        client_secret="s",
    )
    async with AsyncExitStack() as stack:
        recorded = stack.enter_context(recording("work"))
        db = await stack.enter_async_context(Database.opened(settings, recorded.telemetry))
        identity = await stack.enter_async_context(Identity.opened(settings, SYSTEM_CLOCK, recorded.telemetry))
        revocations = Revocations(SYSTEM_CLOCK)
        feed = await stack.enter_async_context(
            IdentityFeed.opened(
                identity, db, revocations, recorded.telemetry.meter, patience=PATIENCE, head_start=head_start
            )
        )
        yield Following(identity, feed, revocations, url, recorded)


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await is_so():
            await asyncio.sleep(0.01)


@pytest.fixture
def identity() -> FakeIdentity:
    return FakeIdentity()


@pytest.fixture
def url(databases: Databases) -> str:
    return databases.clone("work")


async def test_a_process_knows_what_was_revoked_and_who_is_called_what_when_it_begins(
    identity: FakeIdentity, url: str
) -> None:
    session, subject, ada, bert = new_id(), new_id(), new_id(), new_id()
    identity.tell_profile(ada, "Ada", verified_email="ada@example.com")
    identity.tell(session_ended=feed_pb2.SessionEnded(session_id=str(session)))
    identity.tell(tokens_invalidated=feed_pb2.TokensInvalidated(subject=str(subject), token_version=2))
    identity.tell(token_revoked=feed_pb2.TokenRevoked(token_id="j7"))
    identity.tell(key_revoked=feed_pb2.KeyRevoked(kid="k7"))
    identity.tell_profile(bert, "Bert", disabled=True)
    async with serving(identity) as port, following(url, port) as here:
        assert here.refuses_session(session)
        assert here.revocations.refuses(somebody(subject=subject), "k1")
        assert not here.revocations.refuses(somebody(subject=subject, token_version=2), "k1")
        assert here.revocations.refuses(somebody(token_id="j7"), "k1")
        assert here.revocations.refuses(somebody(), "k7")
        assert not here.revocations.refuses(somebody(), "k1")
        kept = {row.user_id: row._asdict() for row in await rows(url, select(profiles))}
        assert kept[ada] == {
            "user_id": ada,
            "place": 1,
            "username": "ada",
            "full_name": "Ada",
            "verified_email": "ada@example.com",
            "disabled": False,
            "deleted": False,
            "leaving": False,
        }
        assert (kept[bert]["place"], kept[bert]["disabled"]) == (6, True)
        assert await here.feed.is_connected()
        assert here.metric("tandem.feed.connected") == 1
        assert identity.sent == ["Bearer token-1"]


async def test_what_happens_later_is_taken_as_it_comes(identity: FakeIdentity, url: str) -> None:
    ada, session = new_id(), new_id()
    identity.tell_profile(ada, "Ada")
    async with serving(identity) as port, following(url, port) as here:
        identity.tell_profile(ada, "Augusta")
        identity.tell_profile(ada, "Augusta Ada")
        identity.tell(session_ended=feed_pb2.SessionEnded(session_id=str(session)))

        async def known() -> bool:
            return here.refuses_session(session) and await here.names() == {ada: "Augusta Ada"}

        await eventually(known)


async def test_of_somebody_who_is_gone_nothing_is_kept_but_that_they_are(identity: FakeIdentity, url: str) -> None:
    ada = new_id()
    identity.tell_profile(ada, "Ada", verified_email="ada@example.com")
    identity.tell_profile(ada, "Ada", verified_email="ada@example.com", deleted=True)
    async with serving(identity) as port, following(url, port):
        (kept,) = await rows(url, select(profiles))
        assert kept == (ada, 2, "", "", "", False, True, True)


async def test_many_profiles_are_kept_together(identity: FakeIdentity, url: str) -> None:
    everybody = [new_id() for _ in range(1100)]
    for number, user_id in enumerate(everybody):
        identity.tell_profile(user_id, f"Person {number}")
    async with serving(identity) as port, following(url, port) as here:
        assert await here.names() == {user_id: f"Person {number}" for number, user_id in enumerate(everybody)}
        assert len([span for span in here.recorded.spans if span.name.startswith("INSERT")]) == 3


async def test_a_process_that_lags_behind_takes_nothing_back(identity: FakeIdentity, url: str) -> None:
    ada = new_id()
    identity.tell_profile(ada, "Ada")
    identity.tell_profile(ada, "Augusta")
    late = FakeIdentity()
    late.tell_profile(ada, "Ada")
    async with serving(identity) as port, following(url, port):
        pass
    async with serving(late) as port, following(url, port) as here:
        assert await here.names() == {ada: "Augusta"}


async def test_who_returns_with_the_last_cursor_misses_nothing(identity: FakeIdentity, url: str) -> None:
    ada, session = new_id(), new_id()
    identity.tell_profile(ada, "Ada")
    async with serving(identity) as port, following(url, port) as here:
        for number in (2, 3):
            identity.break_streams()
            identity.tell_profile(ada, f"Ada {number}")

            async def known(number: int = number) -> bool:
                return await here.names() == {ada: f"Ada {number}"}

            await eventually(known)
        identity.break_streams()
        identity.tell(session_ended=feed_pb2.SessionEnded(session_id=str(session)))

        async def refused() -> bool:
            return here.refuses_session(session)

        await eventually(refused)
        assert identity.asked == ["", "1", "2", "3"]
        assert here.metric("tandem.feed.reconnects") == 3


async def test_a_feed_that_says_nothing_is_lost_and_found_again(identity: FakeIdentity, url: str) -> None:
    session = new_id()
    async with serving(identity) as port, following(url, port) as here:
        identity.silent = True

        async def lost() -> bool:
            return not await here.feed.is_connected()

        await eventually(lost)
        assert here.metric("tandem.feed.connected") == 0
        identity.tell(session_ended=feed_pb2.SessionEnded(session_id=str(session)))
        identity.silent = False
        await eventually(here.feed.is_connected)
        assert here.refuses_session(session)
        assert here.metric("tandem.feed.connected") == 1


async def test_work_begins_without_identity_and_catches_up(identity: FakeIdentity, url: str) -> None:
    session, port = new_id(), free_port()
    identity.tell(session_ended=feed_pb2.SessionEnded(session_id=str(session)))
    async with following(url, port, head_start=timedelta(milliseconds=1)) as here:
        assert not await here.feed.is_connected()
        async with serving(identity, port):

            async def known() -> bool:
                return here.refuses_session(session)

            await eventually(known)
            assert await here.feed.is_connected()


async def test_keys_can_be_had_as_soon_as_identity_is_there(identity: FakeIdentity, url: str) -> None:
    port = free_port()
    in_vain = timedelta(milliseconds=500)
    async with following(url, port, head_start=in_vain) as here, serving(identity, port):
        (key,) = await here.identity.published_keys()
        assert key["kid"] == "k1"


async def test_a_token_that_is_refused_is_replaced(identity: FakeIdentity, url: str) -> None:
    identity.refusal = grpc.StatusCode.UNAUTHENTICATED
    async with serving(identity) as port, following(url, port, head_start=timedelta(milliseconds=1)) as here:

        async def refused() -> bool:
            return len(identity.sent) > 0

        await eventually(refused)
        identity.refusal = None
        await eventually(here.feed.is_connected)
        assert identity.sent[-1] != identity.sent[0]


async def test_what_cannot_be_kept_is_told_again(
    identity: FakeIdentity, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, session = new_id(), new_id()
    identity.tell_profile(ada, "Ada")
    identity.tell(session_ended=feed_pb2.SessionEnded(session_id=str(session)))
    keep, failures = store.keep, 0

    async def sometimes(db: Database, told: Iterable[Any]) -> None:
        nonlocal failures
        if failures < 2:
            failures += 1
            raise DatabaseUnavailable
        await keep(db, told)

    monkeypatch.setattr(store, "keep", sometimes)
    async with serving(identity) as port, following(url, port) as here:
        assert here.refuses_session(session), "what was revoked does not wait for the database"
        assert await here.names() == {ada: "Ada"}
        assert identity.asked == ["", "", ""]


@pytest.mark.parametrize("silent", [False, True])
async def test_a_process_that_ends_does_not_wait_for_the_feed(
    identity: FakeIdentity, url: str, *, silent: bool
) -> None:
    identity.silent = silent
    head_start = timedelta(milliseconds=1)
    async with serving(identity) as port, asyncio.timeout(20), following(url, port, head_start=head_start):
        pass
