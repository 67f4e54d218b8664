"""Connections of clients that are slow, that leave, or that would rather speak something else."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.asgi import door, server
from tests.integration.gateway.conftest import Library, Running, connected, gateway_to, serving

STREAM = b"GET /v1/watch?count=1&hang=true HTTP/1.1\r\nHost: x\r\n\r\n"
LIST = b"GET /v1/shelves/a/books HTTP/1.1\r\nHost: x\r\n\r\n"
JSON_TO_ECHO = b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
BODY = b'{"text":"all of it"}'


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of the next one."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


async def reason(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Status and reason of the next refusal, which is the last word on this connection."""
    status, body = await answer(reader)
    assert await reader.read() == b""
    return status, json.loads(body)["details"][0]["reason"]


@pytest.mark.parametrize("at_once", [True, False])
async def test_who_leaves_with_another_request_behind_the_stream_leaves_the_stream(
    gateway: Running,
    at_once: bool,  # noqa: FBT001  a column of the table
) -> None:
    async with connected(gateway) as (reader, writer):
        writer.write(STREAM + (LIST if at_once else b""))
        await reader.readuntil(b'"number":"1"')
        await gateway.library.sleeping.wait()
        if not at_once:
            await asyncio.sleep(0.1)
            writer.write(LIST)
            await asyncio.sleep(0.1)
    async with asyncio.timeout(20):
        await gateway.library.cancelled.wait()
    await gateway.recording.ended()


async def test_what_is_no_request_does_not_speak_into_the_answer_before_it(gateway: Running) -> None:
    async with connected(gateway) as (reader, writer):
        writer.write(STREAM)
        await reader.readuntil(b'"number":"1"')
        writer.write(b"this is not HTTP\r\n\r\n")
        assert b"HTTP/1.1 400" not in await reader.read()
        await gateway.library.cancelled.wait()
    await gateway.recording.ended()


@pytest.mark.parametrize("behind", [b"}", b"x y\r\n\r\n"])
async def test_what_is_behind_a_request_takes_its_answer_from_nobody(gateway: Running, behind: bytes) -> None:
    """A length in characters, where bytes are meant: what was asked for may be done."""
    async with connected(gateway) as (reader, writer):
        writer.write(JSON_TO_ECHO + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY + behind)
        assert (await answer(reader))[0] == 200
        assert await reader.read() == b""
    assert len(gateway.library.calls) == 1


async def test_a_body_that_was_not_asked_for_is_no_request(gateway: Running) -> None:
    """The client may send it or not once it has its answer: nobody knows, so nothing follows (RFC 9110, 10.1.1)."""
    expecting = b"Content-Length: 20\r\nExpect: 100-continue\r\n\r\n"
    async with connected(gateway) as (reader, writer):
        writer.write(b"POST /nope HTTP/1.1\r\nHost: x\r\n" + expecting)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 404")
        assert b"connection: close\r\n" in head
        writer.write(LIST)
        await reader.read()
    assert not gateway.library.calls
    async with connected(gateway) as (reader, writer):
        writer.write(JSON_TO_ECHO + expecting)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(BODY)
        assert (await answer(reader))[0] == 200
        writer.write(LIST)
        assert (await answer(reader))[0] == 200


async def test_a_body_that_does_not_begin_is_408(descriptors: Path) -> None:
    library = Library()
    async with (
        serving(library) as address,
        gateway_to(library, address, descriptors, deadline_s=0.2) as gateway,
        connected(gateway) as (reader, writer),
    ):
        writer.write(b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        assert await reason(reader) == (408, "BODY_TOO_SLOW")


async def test_headers_without_end_are_431(gateway: Running) -> None:
    async with connected(gateway) as (reader, writer):
        writer.write(b"GET /v1/echo HTTP/1.1\r\nHost: x\r\nX-Long: ")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(b"x" * (server._LARGEST_HEAD + 1))
        assert await reason(reader) == (431, "HEADERS_TOO_LARGE")


async def test_a_head_in_two_pieces_is_no_larger_for_the_body_behind_it(gateway: Running) -> None:
    body = json.dumps({"text": "x" * 100_000}).encode()
    request = JSON_TO_ECHO + b"Content-Length: %d\r\n\r\n" % len(body) + body
    async with connected(gateway) as (reader, writer):
        writer.write(request[:40])
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(request[40:])
        assert (await answer(reader))[0] == 200


async def test_trailers_say_nothing(gateway: Running) -> None:
    trailers = b"Authorization: Bearer spoof\r\nX-Request-Id: spoof\r\n" + b"A: b\r\n" * 100
    async with connected(gateway) as (reader, writer):
        writer.write(JSON_TO_ECHO + CHUNKED + b"\r\n%x\r\n%b\r\n0\r\n%b\r\n" % (len(BODY), BODY, trailers) + LIST)
        assert [(await answer(reader))[0] for _ in range(2)] == [200, 200]
    (_, _, metadata), _ = gateway.library.calls
    assert "authorization" not in metadata
    assert metadata["x-request-id"] != "spoof"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(JSON_TO_ECHO + CHUNKED + b"\r\nzz\r\n", id="no number of bytes"),
        pytest.param(JSON_TO_ECHO + b"Transfer-Encoding: gzip\r\n\r\n", id="no end that could be known"),
        pytest.param(JSON_TO_ECHO + UPGRADE + b"Transfer-Encoding: gzip\r\n\r\n", id="the same, with another wish"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", id="TLS"),
    ],
)
async def test_what_is_no_request_is_400(gateway: Running, request_: bytes) -> None:
    async with connected(gateway) as (reader, writer):
        writer.write(request_)
        assert await reason(reader) == (400, "MALFORMED_HTTP")


async def test_who_sends_too_much_ahead_is_left(gateway: Running) -> None:
    for ahead in (LIST * 100, JSON_TO_ECHO + b"Content-Length: 1000000\r\n\r\n" + b"x" * 500_000):
        gateway.library.cancelled.clear()
        async with connected(gateway) as (reader, writer):
            writer.write(STREAM)
            await reader.readuntil(b'"number":"1"')
            writer.write(ahead)
            with suppress(ConnectionError):
                await reader.read()
            await gateway.library.cancelled.wait()
        await gateway.recording.ended()
        gateway.recording.clear()


async def test_a_connection_on_which_no_request_comes_any_more_is_closed(
    descriptors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_KEEP_ALIVE_S", 1)
    library = Library()
    async with serving(library) as address, gateway_to(library, address, descriptors) as gateway:
        for rest in (b"", b"x" * 3, b"x" * 5, b"x" * 5 + b"\r\n"):
            async with connected(gateway) as (reader, writer):
                writer.write(b"POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
                assert (await answer(reader))[0] == 404
                writer.write(rest)
                assert await reader.read() == b""
        async with connected(gateway) as (reader, writer):
            writer.write(b"\r\n")
            assert await reader.read() == b""


async def test_headers_that_do_not_arrive_are_408(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HEAD_S", 0.2)
    async with connected(gateway) as (reader, writer):
        writer.write(b"GET /v1/echo?text=a HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader))[0] == 200
        writer.write(b"GET /v1/echo HTTP/1.1\r\nHos")
        assert await reason(reader) == (408, "HEADERS_TOO_SLOW")


async def test_who_says_nothing_is_not_waited_for(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_KEEP_ALIVE_S", 0.2)
    async with connected(gateway) as (reader, _):
        assert await reader.read() == b""


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        pytest.param(b"Content-Length: %d\r\n" % len(BODY), BODY, id="of a length"),
        pytest.param(CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY), id="in chunks"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_who_would_rather_speak_http_2_is_answered_in_this_one(
    gateway: Running,
    framing: bytes,
    body: bytes,
    at_once: bool,  # noqa: FBT001  a column of the table
) -> None:
    head = JSON_TO_ECHO + UPGRADE + framing + b"\r\n"
    after = b"GET /v1/echo?text=after HTTP/1.1\r\nHost: x\r\n%b\r\n" % UPGRADE
    async with connected(gateway) as (reader, writer):
        if at_once:
            writer.write(head + body + after + after)
        else:
            for part in (head, body, after + after):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.05)
        answers = [await answer(reader) for _ in range(3)]
    assert [(status, json.loads(text)["text"]) for status, text in answers] == [
        (200, "all of it"),
        (200, "after"),
        (200, "after"),
    ]
    assert len(gateway.library.calls) == 3


async def test_who_takes_nothing_of_a_stream_is_left_when_its_time_is_over(
    descriptors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_LAST_FRAME_S", 0.1)
    monkeypatch.setattr(server, "_LINGER_S", 0.1)
    library = Library()
    async with (
        serving(library) as address,
        gateway_to(library, address, descriptors, longest_stream_s=2) as gateway,
        connected(gateway, takes=4096) as (reader, writer),
    ):
        writer.write(b"GET /v1/watch?count=1000&padding=1000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        await gateway.recording.ended()
        await asyncio.sleep(0.5)
        with suppress(ConnectionError):
            assert not (await reader.read()).endswith(b"0\r\n\r\n")


async def test_who_takes_none_of_many_answers_is_left(descriptors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LINGER_S", 0.5)
    library = Library()
    async with (
        serving(library) as address,
        gateway_to(library, address, descriptors) as gateway,
        connected(gateway, takes=4096) as (reader, writer),
    ):
        await gateway.client.post("/v1/shelves/a/books", json={"title": "x" * 100_000})
        writer.write(LIST * 40)
        await asyncio.sleep(2)
        with suppress(ConnectionError):
            assert len(await reader.read()) < 40 * 200_000
        assert len(library.calls) < 41


async def test_who_takes_nothing_of_a_large_answer_is_left(descriptors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then it counts as under way: what is kept for clients is bounded."""
    monkeypatch.setattr(server, "_LINGER_S", 0.1)
    library = Library()
    async with (
        serving(library) as address,
        gateway_to(library, address, descriptors, longest_deadline_s=1) as gateway,
        connected(gateway, takes=4096) as (reader, writer),
    ):
        made = await gateway.client.post("/v1/shelves/a/books", json={"title": "x" * 3_000_000})
        assert made.status_code == 201
        gateway.recording.clear()
        writer.write(b"GET /v1/shelves/a/books/1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await gateway.recording.ended()
        await asyncio.sleep(0.5)
        with suppress(ConnectionError):
            assert len(await reader.read()) < 3_000_000
