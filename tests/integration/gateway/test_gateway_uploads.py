"""Streams of requests over a real socket: each line of a body is a message."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.asgi import encodings
from tests.integration.gateway.conftest import Library, Running, connected, gateway_to, serving
from tests.integration.gateway.test_gateway_http import fields, reason

LINES = {"content-type": "application/x-ndjson"}
BOOKS = "/v1/shelves/a%2Fb/books:collect"


async def collected(gateway: Running, body: Any, *, path: str = BOOKS, **headers: str) -> httpx.Response:
    return await gateway.client.post(path, content=body, headers=LINES | headers)


def taken(gateway: Running) -> list[Any]:
    return [request for _, request, _ in gateway.library.calls]


def titles(gateway: Running) -> list[str]:
    return [request.book.title for request in taken(gateway)]


async def in_pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@asynccontextmanager
async def sending(
    gateway: Running, path: str = BOOKS
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client that sends a line when it is told to."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    async with connected(gateway) as (reader, writer):
        writer.write(head.encode())
        yield reader, writer


@asynccontextmanager
async def sending_to_one_with(
    descriptors: Path, path: str = BOOKS, **settings: Any
) -> AsyncIterator[tuple[Library, asyncio.StreamReader, asyncio.StreamWriter]]:
    """The same, to a gateway that is set up so."""
    library = Library()
    async with (
        serving(library) as address,
        gateway_to(library, address, descriptors, **settings) as gateway,
        asyncio.timeout(60),
        sending(gateway, path) as (reader, writer),
    ):
        yield library, reader, writer


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def line(**book: Any) -> bytes:
    return json.dumps(book).encode() + b"\n"


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b'{"title":"a"}\n{"title":"b"}\n'], id="lines"),
        pytest.param([b'{"title":"a"}\n{"title":"b"}'], id="no end of the last line"),
        pytest.param([b'\r\n{"title":"a"}\r\n \n\n{"title":"b"}\r\n\t\n'], id="blank lines"),
        pytest.param([b'{"tit', b'le":"a"}', b"\n", b'{"title":"b"', b"}\n"], id="in pieces"),
    ],
)
async def test_each_line_is_a_message(gateway: Running, pieces: Sequence[bytes]) -> None:
    answer = await collected(gateway, in_pieces(*pieces))
    assert (answer.status_code, answer.json()) == (200, {"count": 2})
    assert titles(gateway) == ["a", "b"]


async def test_path_query_and_headers_are_in_the_first_message(gateway: Running) -> None:
    answer = await collected(
        gateway, line(title="a") + line(title="b"), path=f"{BOOKS}?updateMask=title", **{"idempotency-key": "k"}
    )
    assert answer.json() == {"count": 2}
    first, second = taken(gateway)
    assert (first.shelf, first.attempt, list(first.update_mask.paths)) == ("a/b", "k", ["title"])
    assert (second.shelf, second.attempt, second.HasField("update_mask")) == ("", "", False)


async def test_a_line_may_be_the_whole_message(gateway: Running) -> None:
    body = line(book={"title": "a"}) + line(shelf="s", book={"title": "b"}) + line(shelf=None, book={"title": "c"})
    answer = await collected(gateway, body, path="/v1/shelves/s:collect")
    assert answer.json() == {"count": 3}
    assert [request.shelf for request in taken(gateway)] == ["s", "s", ""]


@pytest.mark.parametrize("second", [{"shelf": "b"}, {"shelf": ""}])
async def test_no_line_changes_what_the_path_says(gateway: Running, second: dict[str, str]) -> None:
    body = line(book={"title": "a"}) + line(**second) + line(shelf="s")
    answer = await collected(gateway, body, path="/v1/shelves/s:collect")
    assert (answer.status_code, reason(answer), fields(answer)) == (400, "CONFLICTING_FIELD", ["shelf"])
    assert answer.json()["message"] == "shelf: line 2: the path says otherwise"


async def test_patch_names_what_each_line_sends(gateway: Running) -> None:
    body = line(title="a", pages=1) + line(etag="x")
    answer = await gateway.client.patch(BOOKS, content=body, headers={**LINES, "x-request-id": "patched"})
    assert answer.json() == {"count": 2}
    # What another test has cancelled may come late.
    own = [request for _, request, sent in gateway.library.calls if sent["x-request-id"] == "patched"]
    assert [list(request.update_mask.paths) for request in own] == [["title", "pages"], ["etag"]]


@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n\n"])
async def test_no_lines_are_one_message_without_any(gateway: Running, body: bytes) -> None:
    answer = await collected(gateway, body)
    assert answer.json() == {"count": 1}
    (only,) = taken(gateway)
    assert (only.shelf, only.HasField("book")) == ("a/b", False)


@pytest.mark.parametrize(
    ("third", "field", "said", "why"),
    [
        pytest.param(b'{"title"', "", "line 4: malformed JSON at column 9", "MALFORMED_JSON", id="no JSON"),
        pytest.param(b"{} {}", "", "line 4: more than one JSON value at column 4", "MALFORMED_JSON", id="two"),
        pytest.param(b"\xff", "", "line 4: the body is not UTF-8", "MALFORMED_JSON", id="no text"),
        pytest.param(b'{"colour":1}', "book.colour", "line 4: unknown field", "UNKNOWN_FIELD", id="unknown"),
        pytest.param(b'{"pages":"x"}', "book.pages", "line 4: expected a 32-bit", "VALIDATION_FAILED", id="type"),
        pytest.param(b'{"title":"a","title":"b"}', "book.title", "line 4: given more", "DUPLICATE_FIELD", id="twice"),
        pytest.param(b"[1]", "book", "line 4: expected an object", "VALIDATION_FAILED", id="no object"),
    ],
)
async def test_a_bad_line_is_named_and_ends_it(gateway: Running, third: bytes, field: str, said: str, why: str) -> None:
    body = b'{"title":"a"}\n\n{"title":"b"}\n' + third + b'\n{"title":"d"}\n'
    answer = await collected(gateway, body)
    assert (answer.status_code, reason(answer)) == (400, why)
    assert fields(answer) == [field]
    assert said in answer.json()["message"]
    assert "d" not in titles(gateway)


async def test_a_bad_first_line_is_not_sent_at_all(gateway: Running) -> None:
    answer = await collected(gateway, b"{\n")
    assert "line 1" in answer.json()["message"]
    answer = await collected(gateway, line(title="a"), path=f"{BOOKS}?colour=1")
    assert (answer.status_code, fields(answer)) == (400, ["colour"])
    assert not gateway.library.calls


@pytest.mark.parametrize("end", [b"\n", b""])
async def test_a_line_has_the_bounds_of_a_body(gateway: Running, end: bytes) -> None:
    largest = 4 * 1024 * 1024
    good = line(title="x" * (largest - 20)).strip()
    answer = await collected(gateway, in_pieces(*[good + b"\n"] * 3))  # however many of them
    assert answer.json() == {"count": 3}
    gateway.library.calls.clear()
    answer = await collected(gateway, line(title="a") + b" " * (largest + 1) + end)
    assert (answer.status_code, reason(answer)) == (413, "BODY_TOO_LARGE")
    assert answer.json()["message"] == f"line 2 is larger than {largest} bytes"


@pytest.mark.parametrize(
    "sent", ["application/json", "application/x-www-form-urlencoded", "application/x-ndjson; charset=latin-1"]
)
async def test_lines_are_taken_and_nothing_else(gateway: Running, sent: str) -> None:
    answer = await gateway.client.post(BOOKS, content=line(title="a"), headers={"content-type": sent})
    assert (answer.status_code, reason(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert answer.headers["accept"] == "application/x-ndjson"
    assert not gateway.library.calls


async def test_lines_are_taken_where_streams_are_and_nowhere_else(gateway: Running) -> None:
    answer = await gateway.client.post("/v1/shelves/a/books", content=line(title="a"), headers=LINES)
    assert (answer.status_code, reason(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")
    answer = await gateway.client.post(BOOKS, content=line(title="a"))  # of no type by its own word
    assert answer.json() == {"count": 1}


async def test_lines_may_come_in_gzip(gateway: Running) -> None:
    lines = b"".join(line(title=f"{number}" * 1000) for number in range(1000))
    packed = gzip.compress(lines)
    parts = [packed[start : start + 1000] for start in range(0, len(packed), 1000)]
    answer = await collected(gateway, in_pieces(*parts), **{"content-encoding": "gzip"})
    assert answer.json() == {"count": 1000}
    assert len(set(titles(gateway))) == 1000
    for body in (packed[:-9], packed + b"x", b"none"):
        answer = await collected(gateway, body, **{"content-encoding": "gzip"})
        assert (answer.status_code, reason(answer)) == (400, "MALFORMED_ENCODING")
    bomb = gzip.compress(b" " * 20_000_000)
    answer = await collected(gateway, bomb, **{"content-encoding": "gzip"})
    assert (answer.status_code, reason(answer)) == (413, "BODY_TOO_LARGE")
    answer = await collected(gateway, packed, **{"content-encoding": "br"})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")


@pytest.mark.parametrize("blank", [b"\n", b" \r\n", b" " * 1000 + b"\n"])
async def test_blank_lines_without_a_message_have_the_bounds_of_a_body(descriptors: Path, blank: bytes) -> None:
    largest = 64 * 1024
    some = blank * (largest // len(blank))
    message = line(title="a")
    library = Library()
    async with serving(library) as address, gateway_to(library, address, descriptors, largest_body=largest) as gateway:
        answer = await collected(gateway, gzip.compress((some + message) * 2), **{"content-encoding": "gzip"})
        assert answer.json() == {"count": 2}
        for body in (some + blank, message + some + blank + message):
            answer = await collected(gateway, gzip.compress(body), **{"content-encoding": "gzip"})
            assert (answer.status_code, reason(answer)) == (413, "BODY_TOO_LARGE")
            assert answer.json()["message"] == f"more than {largest} bytes of blank lines"


async def test_others_have_their_turn_while_a_body_is_unpacked() -> None:
    turned, unpacked = 0, 0

    async def turns() -> None:
        nonlocal turned
        while True:
            turned += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(turns())
    bomb = in_pieces(gzip.compress(b"\n" * 10_000_000))
    async for _ in encodings.unpacked_bit_by_bit({b"content-encoding": b"gzip"}, bomb):
        unpacked += 1
    others.cancel()
    assert turned >= unpacked > 100


async def test_what_the_server_refuses_early_is_said_before_the_client_is_done(gateway: Running) -> None:
    async with asyncio.timeout(20), sending(gateway, f"{BOOKS}?code=PERMISSION_DENIED") as (reader, writer):
        writer.write(chunk(line(title="a")))
        assert b" 403 " in await reader.readline()
    answer = await collected(gateway, line(title="x" * 1000) * 5000, path=f"{BOOKS}?code=NOT_FOUND")
    assert (answer.status_code, answer.json()["status"]) == (404, "NOT_FOUND")


async def test_a_client_that_leaves_amid_its_stream_cancels_the_call(gateway: Running) -> None:
    async with asyncio.timeout(20):
        async with sending(gateway, f"{BOOKS}?hang=true") as (_, writer):
            writer.write(chunk(line(title="a")))
            await gateway.library.sleeping.wait()
        await gateway.library.cancelled.wait()
    await gateway.recording.ended()


async def test_a_client_that_leaves_before_the_answer_cancels_the_call(gateway: Running) -> None:
    async with asyncio.timeout(20):
        async with sending(gateway, f"{BOOKS}?hang=true") as (_, writer):
            writer.write(chunk(line(title="a")) + chunk(b""))
            await gateway.library.sleeping.wait()
        await gateway.library.cancelled.wait()
    await gateway.recording.ended()


async def test_a_server_that_does_not_take_slows_the_client_down(gateway: Running) -> None:
    one = line(title="x" * 10_000)
    async with asyncio.timeout(60), sending(gateway, f"{BOOKS}?hang=true") as (reader, writer):
        written, stuck = 0, False
        while not stuck:
            writer.write(chunk(one))
            try:
                async with asyncio.timeout(1):
                    await writer.drain()
            except TimeoutError:
                stuck = True
            written += 1
            assert written < 10_000  # a hundred million bytes
        gateway.library.waking.set()
        await writer.drain()
        writer.write(chunk(b""))
        assert b" 200 " in await reader.readline()
    assert gateway.library.sent == written
    await gateway.recording.ended()


async def test_a_client_that_sends_nothing_more_is_408(descriptors: Path) -> None:
    hanging = sending_to_one_with(descriptors, f"{BOOKS}?hang=true", deadline_s=0.5)
    async with hanging as (library, reader, writer):
        writer.write(chunk(line(title="a")))
        assert b" 408 " in await reader.readline()
        await library.cancelled.wait()


async def test_blank_lines_are_no_beginning(descriptors: Path) -> None:
    """Until there is a message there is no call, whose deadline would end it."""
    async with sending_to_one_with(descriptors, deadline_s=1) as (library, reader, writer):
        answer = asyncio.create_task(reader.readline())
        while not answer.done():
            writer.write(chunk(b" "))
            await asyncio.wait({answer}, timeout=0.2)
        assert b" 408 " in answer.result()
        assert not library.calls


async def test_a_server_that_takes_nothing_is_not_waited_for_without_end(descriptors: Path) -> None:
    hanging = sending_to_one_with(descriptors, f"{BOOKS}?hang=true", longest_deadline_s=1)
    async with hanging as (library, reader, writer):
        writer.write(chunk(line(title="x" * 10_000)) * 2_000)  # more than can be under way
        assert b" 504 " in await reader.readline()
        await library.cancelled.wait()


async def test_a_stream_of_requests_may_take_longer_than_an_answer_may(descriptors: Path) -> None:
    """But not longer than the client wants."""
    library = Library()
    async with (
        serving(library) as address,
        gateway_to(library, address, descriptors, deadline_s=1.5, longest_stream_s=30) as gateway,
        asyncio.timeout(60),
    ):
        async with sending(gateway) as (reader, writer):
            for _ in range(5):
                writer.write(chunk(line(title="a")))
                await asyncio.sleep(0.4)
            writer.write(chunk(b""))
            assert b" 200 " in await reader.readline()
        answer = await collected(gateway, line(title="a"), path=f"{BOOKS}?hang=true", **{"grpc-timeout": "500m"})
        assert answer.status_code == 504


async def test_a_stream_of_requests_may_not_take_longer_than_a_stream_may(descriptors: Path) -> None:
    library = Library()
    async with serving(library) as address, gateway_to(library, address, descriptors, longest_stream_s=0.5) as gateway:
        assert (await collected(gateway, line(title="a"), path=f"{BOOKS}?hang=true")).status_code == 504


async def test_a_stream_of_requests_is_in_the_trace(gateway: Running) -> None:
    await collected(gateway, line(title="a"))
    found = {span.name: dict(span.attributes or {}) for span in gateway.recording.spans}
    assert found["library.v1.Library/Collect"]["rpc.response.status_code"] == "OK"
    assert found["POST /v1/shelves/{shelf}/books:collect"]["http.response.status_code"] == 200


async def test_an_unreachable_server_is_503(descriptors: Path) -> None:
    library = Library()
    async with gateway_to(library, "127.0.0.1:1", descriptors) as gateway:
        answer = await collected(gateway, line(title="a") * 10)
        assert (answer.status_code, reason(answer)) == (503, "UPSTREAM_UNAVAILABLE")
