"""The feed between the services: what has happened, in order, for whoever comes and comes again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from sqlalchemy import delete, insert, select
from tandem.identity.v1 import feed_pb2, feed_pb2_grpc

from chassis.ids import new_id
from identity_service.feed import queries
from identity_service.tables import feed
from tests.contract.test_sessions import login
from tests.contract.test_tokens import parts
from tests.support.databases import Databases
from tests.support.doors import Door, grpc_refusal, refused
from tests.support.machines import machine_token, provisioned
from tests.support.people import Person, signed_up
from tests.support.sql import change, rows
from tests.support.stack import Stack, running_stack

LONGER_THAN_ANY_TOKEN_S = 3_900
PATIENCE_S = 20


async def machine(stack: Stack, *, scopes: Any = ("identity.read",)) -> str:
    name = f"reader-{new_id().hex}"
    secret = await provisioned(stack.identity_url, name, scopes=scopes, audiences=["identity"])
    return await machine_token(stack.doors["grpc"], name, secret)


class Reader:
    """Somebody who watches."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.cursor = ""

    async def next(self) -> feed_pb2.WatchResponse:
        message = await asyncio.wait_for(self._call.read(), PATIENCE_S)
        assert isinstance(message, feed_pb2.WatchResponse), "the stream goes on"
        self.cursor = message.cursor
        return message

    async def until_quiet(self) -> list[feed_pb2.WatchResponse]:
        """Everything up to the next sign of life."""
        events = []
        while (message := await self.next()).WhichOneof("event") is not None:
            events.append(message)
        return events

    async def next_event(self) -> feed_pb2.WatchResponse:
        while (message := await self.next()).WhichOneof("event") is None:
            pass
        return message

    async def ended(self) -> bool:
        """Whether the stream is over, once what is left of it has been read."""
        async with asyncio.timeout(PATIENCE_S):
            while (message := await self._call.read()) is not grpc.aio.EOF:
                self.cursor = message.cursor
        return True


@asynccontextmanager
async def watching(stack: Stack, cursor: str = "", *, token: str = "") -> AsyncIterator[Reader]:
    metadata = grpc.aio.Metadata(("authorization", f"Bearer {token or await machine(stack)}"))
    async with grpc.aio.insecure_channel(stack.identity_address) as channel:
        call = feed_pb2_grpc.FeedServiceStub(channel).Watch(feed_pb2.WatchRequest(cursor=cursor), metadata=metadata)
        yield Reader(call)
        call.cancel()


def sid(token: str) -> str:
    found: str = parts(token)[1]["sid"]
    return found


async def test_a_reader_gets_what_there_was_and_then_what_comes(stack: Stack, ada: Person) -> None:
    async with watching(stack) as reader:
        before = await reader.until_quiet()
        (profile,) = [event for event in before if event.profile_changed.profile.id == ada.id]
        assert profile.profile_changed.profile.full_name == "Ada"
        assert not profile.HasField("expire_time")
        await ada.call("Logout")
        event = await reader.next_event()
        assert event.session_ended.session_id == sid(ada.token)
        assert event.HasField("expire_time")


async def test_a_reader_that_returns_misses_nothing_and_gets_nothing_twice(stack: Stack, ada: Person) -> None:
    first, second, third = [await login(ada) for _ in range(3)]
    async with watching(stack) as reader:
        await reader.until_quiet()
        await ada.call("RevokeSession", sessionId=sid(first["accessToken"]))
        assert (await reader.next_event()).session_ended.session_id == sid(first["accessToken"])
        cursor = reader.cursor
    await ada.call("RevokeSession", sessionId=sid(second["accessToken"]))
    async with watching(stack, cursor) as reader:
        assert (await reader.next_event()).session_ended.session_id == sid(second["accessToken"])
        await ada.call("RevokeSession", sessionId=sid(third["accessToken"]))
        assert (await reader.next_event()).session_ended.session_id == sid(third["accessToken"])


async def test_what_a_process_tells_itself_is_heard_at_once(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_LOOKED_AT", timedelta(days=1))
    monkeypatch.setattr(queries, "_SIGN_OF_LIFE", timedelta(days=1))
    async with running_stack(databases) as running:
        ada = await signed_up(running.doors["grpc"], "Ada")
        async with watching(running) as reader:
            await reader.until_quiet()
            await ada.call("Logout")
            assert (await reader.next_event()).session_ended.session_id == sid(ada.token)


async def test_what_another_process_tells_is_heard_soon(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_SIGN_OF_LIFE", timedelta(days=1))
    async with running_stack(databases) as running, watching(running) as reader:
        await reader.until_quiet()
        now = running.clock.now()
        told = insert(feed).values(
            kind="KEY_REVOKED",
            subject="of another process",
            content={},
            create_time=now,
            expire_time=now + timedelta(hours=1),
        )
        await change(running.identity_url, told)
        assert (await reader.next_event()).key_revoked.kid == "of another process"


async def test_a_quiet_feed_gives_signs_of_life(stack: Stack) -> None:
    async with watching(stack) as reader:
        await reader.until_quiet()
        assert (await reader.next()).WhichOneof("event") is None


async def test_of_each_subject_the_newest_is_told_only(stack: Stack, ada: Person) -> None:
    for name in ("Ada L.", "Ada Lovelace"):
        await ada.call("UpdateMe", user={"fullName": name})
    async with watching(stack) as reader:
        told = [
            event.profile_changed.profile.full_name
            for event in await reader.until_quiet()
            if event.profile_changed.profile.id == ada.id
        ]
    assert told == ["Ada Lovelace"]


async def test_all_sessions_end_by_one_event(stack: Stack, ada: Person) -> None:
    for _ in range(3):
        await login(ada)
    async with watching(stack) as reader:
        await reader.until_quiet()
        await ada.call("RevokeAllSessions")
        event = await reader.next_event()
        assert event.tokens_invalidated == feed_pb2.TokensInvalidated(subject=ada.id, token_version=2)
        assert await reader.until_quiet() == []


async def test_events_are_told_in_the_order_in_which_they_were_committed(stack: Stack, door: Door) -> None:
    people = [await signed_up(door, "Crowd") for _ in range(5)]
    async with watching(stack) as reader:
        await reader.until_quiet()
        cursor = reader.cursor
        await asyncio.gather(*(person.call("UpdateMe", user={"fullName": "x"}) for person in people))
        live = [(await reader.next_event()).profile_changed.profile.id for _ in people]
    async with watching(stack, cursor) as reader:
        again = [event.profile_changed.profile.id for event in await reader.until_quiet()]
    assert live == again
    assert set(live) == {person.id for person in people}


async def test_a_cursor_from_before_a_backup_was_restored_begins_at_the_beginning(stack: Stack, ada: Person) -> None:
    async with watching(stack, "999999999999") as reader:
        assert ada.id in {event.profile_changed.profile.id for event in await reader.until_quiet()}


async def test_what_has_expired_is_not_told_and_is_swept(stack: Stack, databases: Databases) -> None:
    async with running_stack(databases) as running:
        ada = await signed_up(running.doors["grpc"], "Ada")
        await ada.call("Logout")
        running.clock.advance(seconds=LONGER_THAN_ANY_TOKEN_S)
        async with watching(running) as reader:
            assert [event.WhichOneof("event") for event in await reader.until_quiet()] == ["profile_changed"]


@pytest.mark.parametrize("cursor", ["-1", "one", "1.0", "1 ", "9" * 19, "9" * 65])
async def test_a_cursor_that_nobody_gave_out_is_refused_by_name(stack: Stack, cursor: str) -> None:
    with refused("INVALID_ARGUMENT", field="cursor"):
        async with watching(stack, cursor) as reader:
            try:
                await reader.next()
            except grpc.aio.AioRpcError as error:
                raise grpc_refusal(error) from None


async def test_the_feed_is_for_services_that_may_read_it(stack: Stack, ada: Person) -> None:
    for token, code, reason in (
        (ada.token, "PERMISSION_DENIED", "MACHINES_ONLY"),
        (await machine(stack, scopes=["work.read"]), "PERMISSION_DENIED", "INSUFFICIENT_SCOPE"),
        ("nonsense", "UNAUTHENTICATED", "TOKEN_INVALID"),
    ):
        with refused(code, reason):
            async with watching(stack, token=token) as reader:
                try:
                    await reader.next()
                except grpc.aio.AioRpcError as error:
                    raise grpc_refusal(error) from None


async def test_whoever_may_not_read_any_more_hears_no_more(stack: Stack, admin: Person) -> None:
    name = f"reader-{new_id().hex}"
    secret = await provisioned(stack.identity_url, name, scopes=["identity.read"], audiences=["identity"])
    token = await machine_token(stack.doors["grpc"], name, secret)
    async with watching(stack, token=token) as reader:
        await reader.until_quiet()
        await admin.call("DisableServiceAccount", serviceAccount=name)
        with refused("UNAUTHENTICATED", "TOKEN_REVOKED"):
            try:
                await reader.ended()
            except grpc.aio.AioRpcError as error:
                raise grpc_refusal(error) from None


async def test_a_stream_ends_with_its_token(databases: Databases) -> None:
    async with running_stack(databases) as running, watching(running) as reader:
        await reader.until_quiet()
        running.clock.advance(minutes=16)
        assert await reader.ended()


async def test_a_server_that_stops_lets_its_readers_go(databases: Databases) -> None:
    async with running_stack(databases) as running, watching(running) as reader:
        await reader.until_quiet()
        _, ended = await asyncio.gather(running.stop_identity(), reader.ended())
        assert ended


async def test_whoever_fails_tells_nothing(stack: Stack, ada: Person) -> None:
    """An event is part of the transaction that it tells of."""
    places = select(feed.c.id).order_by(feed.c.id)
    before = await rows(stack.identity_url, places)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await ada.call("UpdateMe", user={"fullName": "x"}, etag="99")
    assert await rows(stack.identity_url, places) == before


async def test_a_feed_that_was_emptied_goes_on(databases: Databases) -> None:
    """Removing the newest rows is no going back: their places are not given out again."""
    async with running_stack(databases) as running:
        ada = await signed_up(running.doors["grpc"], "Ada")
        async with watching(running) as reader:
            await reader.until_quiet()
            cursor = reader.cursor
        await change(running.identity_url, delete(feed))
        await ada.call("UpdateMe", user={"fullName": "Ada Lovelace"})
        async with watching(running, cursor) as reader:
            assert (await reader.next_event()).profile_changed.profile.full_name == "Ada Lovelace"
