"""Server streams over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.asgi.door import Door
from tests.integration.gateway.conftest import Library, Running, connected, gateway_to, serving

EVENTS = {"accept": "text/event-stream"}


def lines(answer: httpx.Response) -> list[Any]:
    return [json.loads(line) for line in answer.text.splitlines()]


def events(text: str) -> list[dict[str, str]]:
    """What a browser would make of it."""
    return [
        dict(line.partition(": ")[::2] for line in block.split("\n") if not line.startswith(":"))
        for block in text.split("\n\n")
        if block.strip(":\n")
    ]


@asynccontextmanager
async def connection(gateway: Running, path: str, accept: str) -> AsyncIterator[asyncio.StreamReader]:
    """A client that reads only when it is told to."""
    async with connected(gateway) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode())
        yield reader


@pytest.mark.parametrize("accept", ["*/*", "application/x-ndjson", "text/event-stream;q=0.1, application/x-ndjson"])
async def test_a_line_per_message(client: httpx.AsyncClient, accept: str) -> None:
    answer = await client.get("/v1/watch?count=2", headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert "content-length" not in answer.headers
    assert [(line["number"], line["book"]["title"]) for line in lines(answer)] == [
        ("1", "line\nbreak 1"),
        ("2", "line\nbreak 2"),
    ]


async def test_an_event_per_message_with_its_id_and_an_end(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/watch/books?count=2", headers=EVENTS)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")
    one, two, end = events(answer.text)
    assert (one["id"], json.loads(one["data"])["title"]) == ("1", "line\nbreak 1")
    assert two["id"] == "2"
    assert end == {"event": "end", "data": "{}"}


async def test_a_client_that_connects_again_goes_on_where_it_was(gateway: Running) -> None:
    answer = await gateway.client.get("/v1/watch?after=3&count=1", headers={**EVENTS, "last-event-id": "7"})
    assert events(answer.text)[0]["id"] == "8"
    answer = await gateway.client.get("/v1/watch?after=3&count=1", headers={**EVENTS, "last-event-id": ""})
    assert events(answer.text)[0]["id"] == "4"
    for sent in (b"x", b"\xff"):
        answer = await gateway.client.get("/v1/watch", headers=[(b"last-event-id", sent)])
        assert answer.status_code == 400
        assert "Last-Event-ID" in answer.text
    answer = await gateway.client.post("/v1/watch", json={"after": "3"}, headers={"last-event-id": "7"})
    assert answer.status_code == 400


async def test_a_stream_of_nothing_is_empty(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/watch")
    assert (answer.status_code, answer.content) == (200, b"")
    assert events((await client.get("/v1/watch", headers=EVENTS)).text) == [{"event": "end", "data": "{}"}]


async def test_what_the_server_refuses_at_once_has_its_own_status(client: httpx.AsyncClient) -> None:
    for headers in ({}, EVENTS):
        answer = await client.get("/v1/watch?code=PERMISSION_DENIED", headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (403, "PERMISSION_DENIED")
    answer = await client.get("/v1/downloads?code=NOT_FOUND")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


async def test_a_failure_amid_a_stream_is_its_last_word(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/watch?count=1&code=ABORTED", headers={"x-request-id": "r-1"})
    one, last = lines(answer)
    assert one["number"] == "1"
    assert last == {
        "error": {"code": 409, "message": "no more", "status": "ABORTED", "details": [], "requestId": "r-1"}
    }
    answer = await client.get("/v1/watch?count=1&code=UNAVAILABLE", headers=EVENTS)
    one, last = map(dict, events(answer.text))
    assert last["event"] == "error"
    assert json.loads(last["data"])["details"][-1]["retryDelay"] == "1s"


async def test_a_message_that_does_not_fit_the_contract_ends_the_stream(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/watch?count=1&garbage=true")
    assert lines(answer)[-1]["error"]["details"][0]["reason"] == "ANSWER_UNREADABLE"


async def test_raw_messages_follow_each_other_without_anything_between(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/downloads?count=3", headers={"accept": "text/csv"})
    assert (answer.headers["content-type"], answer.text) == ("text/csv", "1\n2\n3\n")
    answer = await client.get("/v1/downloads")
    assert (answer.headers["content-type"], answer.content) == ("application/octet-stream", b"")


async def test_a_raw_stream_that_fails_is_broken_off(gateway: Running) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await gateway.client.get("/v1/downloads?count=1&code=ABORTED")
    await gateway.recording.ended()


async def test_a_form_that_there_is_not_is_406(gateway: Running) -> None:
    answer = await gateway.client.get("/v1/watch", headers={"accept": "application/json"})
    assert answer.status_code == 406
    assert answer.json()["message"] == "answers are application/x-ndjson or text/event-stream"
    assert not gateway.library.calls


async def test_head_has_no_messages_and_lets_the_call_go(gateway: Running) -> None:
    answer = await gateway.client.head("/v1/watch?hang=true", headers=EVENTS)
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "text/event-stream", b"")
    async with asyncio.timeout(10):
        await gateway.library.cancelled.wait()
    await gateway.recording.ended()


async def test_a_silent_stream_begins_and_has_heartbeats(descriptors: Path) -> None:
    library = Library()
    async with (
        serving(library) as address,
        gateway_to(library, address, descriptors, heartbeat_s=0.05) as gateway,
        asyncio.timeout(10),
    ):
        async with connection(gateway, "/v1/watch?hang=true", "text/event-stream") as reader:
            assert b" 200 " in await reader.readline()
            for _ in range(3):
                await reader.readuntil(b":\n\n")
            assert not library.waking.is_set()
        await library.cancelled.wait()


async def test_a_client_that_leaves_cancels_the_stream(gateway: Running) -> None:
    async with asyncio.timeout(10):
        async with connection(gateway, "/v1/watch?count=1&hang=true", "*/*") as reader:
            await reader.readuntil(b'"number":"1"')
        await gateway.library.cancelled.wait()
    await gateway.recording.ended()


async def test_a_client_that_does_not_read_slows_the_server_down(gateway: Running) -> None:
    async with asyncio.timeout(60), connection(gateway, "/v1/watch?count=100000&padding=10000", "*/*") as reader:
        await reader.readline()
        sent = -1
        while sent != gateway.library.sent or sent == 0:
            sent = gateway.library.sent
            await asyncio.sleep(0.5)
        assert sent < 10_000  # of a thousand million bytes, a few that are under way
    await gateway.recording.ended()


async def test_a_stream_has_a_longest_life_and_the_client_may_want_less(descriptors: Path) -> None:
    library = Library()
    async with (
        serving(library) as address,
        gateway_to(library, address, descriptors, longest_stream_s=2, deadline_s=0.1) as gateway,
    ):
        answer = await gateway.client.get("/v1/watch?count=1&hang=true")
        assert lines(answer)[-1]["error"]["status"] == "DEADLINE_EXCEEDED"
        answer = await gateway.client.get("/v1/watch?count=1&hang=true", headers={**EVENTS, "grpc-timeout": "1S"})
        assert events(answer.text)[-1]["event"] == "error"


async def test_streams_are_told_that_the_gateway_goes(descriptors: Path) -> None:
    library = Library()
    async with serving(library) as address, asyncio.timeout(20), AsyncExitStack() as stack:
        async with gateway_to(library, address, descriptors, grace_s=15) as gateway:
            url = f"http://127.0.0.1:{gateway.port}/v1/watch?count=1&hang=true"
            patient = await stack.enter_async_context(httpx.AsyncClient())
            answer = await stack.enter_async_context(patient.stream("GET", url))
            told = answer.aiter_lines()
            await anext(told)
        *_, last = [json.loads(line) async for line in told if line]
        assert (last["error"]["code"], last["error"]["details"][0]["reason"]) == (503, "SHUTTING_DOWN")


async def test_no_stream_begins_while_the_gateway_goes(descriptors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that was told asks again at once, on the same connection."""
    library = Library()
    async with serving(library) as address, asyncio.timeout(20), AsyncExitStack() as stack:
        doors: list[Door] = []
        begin = Door.__init__

        def remembered(self: Door, *given: Any, **more: Any) -> None:
            begin(self, *given, **more)
            doors.append(self)

        monkeypatch.setattr(Door, "__init__", remembered)
        gateway = await stack.enter_async_context(gateway_to(library, address, descriptors))
        (door,) = doors
        door.end_streams()
        answer = await gateway.client.get("/v1/watch?count=1&hang=true")
        assert (answer.status_code, answer.headers["connection"]) == (503, "close")
        assert answer.json()["details"][0]["reason"] == "SHUTTING_DOWN"
        assert (await gateway.client.get("/v1/shelves/a/books")).status_code == 200


async def test_a_stream_is_in_the_trace_with_how_it_ended(gateway: Running) -> None:
    await gateway.client.get("/v1/watch?count=1&code=ABORTED")
    async with asyncio.timeout(10):
        while len(gateway.recording.spans) < 2:
            await asyncio.sleep(0.01)
    found = {span.name: dict(span.attributes or {}) for span in gateway.recording.spans}
    assert found["library.v1.Library/Watch"]["rpc.response.status_code"] == "ABORTED"
    assert found["GET /v1/watch"]["http.response.status_code"] == 200
