"""What browsers, proxies and configuration have to do with it, over a real socket."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.gateway.conftest import Library, Running, gateway_to, serving

PAGE = "https://app.example.com"


@asynccontextmanager
async def configured(descriptors: Path, **settings: Any) -> AsyncIterator[Running]:
    library = Library()
    async with serving(library) as address, gateway_to(library, address, descriptors, **settings) as gateway:
        yield gateway


def reason(answer: httpx.Response) -> str:
    return str(answer.json()["details"][0]["reason"])


async def test_every_answer_is_data_and_no_page(client: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/healthz"), ("GET", "/v1/nothing"), ("DELETE", "/v1/shelves/s/books/1")):
        answer = await client.request(method, path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
        assert "strict-transport-security" not in answer.headers
    stream = await client.get("/v1/watch")
    assert stream.headers["x-content-type-options"] == "nosniff"


async def test_a_body_may_come_in_gzip(client: httpx.AsyncClient) -> None:
    body = gzip.compress(json.dumps({"text": "x" * 10_000}).encode())
    answer = await client.post("/v1/echo", content=body, headers={"content-encoding": "gzip"})
    assert (answer.status_code, len(answer.json()["text"])) == (200, 10_000)
    answer = await client.post("/v1/copy", content=body, headers={"content-encoding": "gzip"})
    assert answer.content == gzip.decompress(body)


@pytest.mark.parametrize(
    ("encoding", "body", "status", "why"),
    [
        ("br", b"x", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("gzip, gzip", b"x", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("gzip", b"{}", 400, "MALFORMED_ENCODING"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-1], 400, "MALFORMED_ENCODING"),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"x", 400, "MALFORMED_ENCODING"),
        ("gzip", zlib.compress(b"{}"), 400, "MALFORMED_ENCODING"),
        pytest.param("gzip", gzip.compress(b" " * 5_000_000, mtime=0), 413, "BODY_TOO_LARGE", id="a bomb"),
    ],
)
async def test_a_body_that_cannot_be_unpacked(
    client: httpx.AsyncClient, encoding: str, body: bytes, status: int, why: str
) -> None:
    answer = await client.post("/v1/echo", content=body, headers={"content-encoding": encoding})
    assert (answer.status_code, reason(answer)) == (status, why)
    if status == 415:
        assert answer.headers["accept-encoding"] == "gzip"


async def test_what_only_reads_is_packed_for_who_can_unpack_it(gateway: Running, descriptors: Path) -> None:
    path = "/v1/echo?text=" + "x" * 2000
    for method in ("GET", "HEAD"):
        packed = await gateway.client.request(method, path, headers={"accept-encoding": "gzip"})
        assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "accept-encoding")
        assert int(packed.headers["content-length"]) < 1000
    plain = await gateway.client.get(path, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "accept-encoding"
    assert plain.content == (await gateway.client.get(path, headers={"accept-encoding": "gzip"})).content
    for answer in (
        await gateway.client.post("/v1/echo", json={"text": "x" * 2000}),
        await gateway.client.get("/v1/echo?text=x"),
    ):
        assert "content-encoding" not in answer.headers
        assert "vary" not in answer.headers
    async with configured(descriptors, gzip=False) as other:
        assert "content-encoding" not in (await other.client.get(path)).headers


async def test_pages_of_listed_origins_may_call(descriptors: Path) -> None:
    async with configured(descriptors, cors_origins=f"{PAGE},http://localhost:3000") as gateway:
        client = gateway.client
        asked = {"origin": PAGE, "access-control-request-method": "DELETE"}
        answer = await client.options("/v1/shelves/s/books/1", headers=asked)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, PAGE)
        assert answer.headers["access-control-allow-methods"] == "DELETE, GET, HEAD, OPTIONS"
        assert {"authorization", "content-type", "if-match", "idempotency-key"} <= set(
            answer.headers["access-control-allow-headers"].split(", ")
        )
        assert "access-control-allow-credentials" not in answer.headers
        for path in ("/v1/shelves/s/books", "/v1/nothing", "/healthz", "/v1/watch"):
            answer = await client.get(path, headers={"origin": PAGE})
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert "etag" in answer.headers["access-control-expose-headers"]
            assert "origin" in answer.headers["vary"]
        for origin in ({"origin": "https://evil.example.com"}, {"origin": "null"}, {}):
            answer = await client.options("/v1/shelves/s/books/1", headers={**asked, "origin": "", **origin})
            assert "access-control-allow-origin" not in answer.headers
            assert "access-control-allow-methods" not in answer.headers
            assert answer.headers["vary"] == "origin"
    async with configured(descriptors, cors_origins="*") as gateway:
        answer = await gateway.client.get("/v1/nothing", headers={"origin": PAGE})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "vary" not in answer.headers


async def test_only_trusted_proxies_say_who_the_client_is(descriptors: Path) -> None:
    forwarded = {"x-forwarded-for": "203.0.113.7, 198.51.100.1", "x-forwarded-proto": "https"}
    async with configured(descriptors, trusted_proxies="127.0.0.0/8,198.51.100.1", hsts_s=600) as gateway:
        answer = await gateway.client.post("/v1/act", headers=forwarded)
        assert answer.json()["metadata"]["x-forwarded-for"] == "203.0.113.7"
        assert answer.headers["strict-transport-security"] == "max-age=600; includeSubDomains"
        assert "strict-transport-security" not in (await gateway.client.post("/v1/act")).headers
    async with configured(descriptors, trusted_proxies="198.51.100.1") as gateway:
        answer = await gateway.client.post("/v1/act", headers=forwarded)
        assert answer.json()["metadata"]["x-forwarded-for"] == "127.0.0.1"


async def test_who_comes_by_plain_http_is_sent_to_https(descriptors: Path) -> None:
    async with configured(descriptors, trusted_proxies="127.0.0.1", https_only=True) as gateway:
        client = gateway.client
        answer = await client.get("/v1/files/a%2Fb?x=1&y", headers={"host": "api.example.com"})
        assert (answer.status_code, answer.headers["location"]) == (308, "https://api.example.com/v1/files/a%2Fb?x=1&y")
        assert (await client.post("/v1/act")).status_code == 308
        assert not gateway.library.calls
        answer = await client.get("/v1/files/a", headers={"host": "a/b"})
        assert answer.status_code == 400
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.post("/v1/act", headers={"x-forwarded-proto": "https"})).status_code == 200


async def test_listed_metadata_becomes_headers(descriptors: Path) -> None:
    async with configured(descriptors, return_metadata="X-Cost, x-rest") as gateway:
        for request in ({}, {"code": "ABORTED"}):
            answer = await gateway.client.post("/v1/act", json=request)
            assert (answer.headers["x-cost"], answer.headers["x-rest"]) == ("7", "3")
            assert "x-secret" not in answer.headers
    async with configured(descriptors) as gateway:
        assert "x-cost" not in (await gateway.client.post("/v1/act")).headers


async def test_json_is_written_as_configured(descriptors: Path) -> None:
    async with configured(descriptors, proto_field_names=True, enum_numbers=True, omit_defaults=True) as gateway:
        answer = await gateway.client.post("/v1/echo", json={"kind": "PAPER", "int64Value": 5, "nested": {}})
        assert answer.json() == {"kind": 1, "int64_value": "5", "nested": {}}
        assert (await gateway.client.get("/v1/shelves/s/titles")).json() == []


async def test_the_documentation_is_served_unless_it_is_switched_off(gateway: Running, descriptors: Path) -> None:
    answer = await gateway.client.get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["content-encoding"] == "gzip"
    assert (answer.json()["openapi"], answer.json()["info"]["title"]) == ("3.1.0", "API")
    assert "/v1/shelves/{shelf}/books" in answer.json()["paths"]
    async with configured(descriptors, docs=False) as other:
        assert (await other.client.get("/openapi.json")).status_code == 404
    async with configured(descriptors, title="Library") as other:
        assert (await other.client.get("/openapi.json")).json()["info"]["title"] == "Library"


async def test_more_than_may_be_under_way_is_refused_at_once(descriptors: Path) -> None:
    async with configured(descriptors, most_requests=1, most_streams=1) as gateway, asyncio.timeout(20):
        client, library = gateway.client, gateway.library
        first = asyncio.create_task(client.post("/v1/act", json={"sleep": True}))
        await library.sleeping.wait()
        second = await client.get("/v1/shelves/s/books")
        assert (second.status_code, reason(second), second.headers["retry-after"]) == (503, "OVERLOADED", "1")
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/v1/watch?count=1")).status_code == 200  # streams are counted for themselves
        library.waking.set()
        assert (await first).status_code == 200
        assert (await client.get("/v1/shelves/s/books")).status_code == 200

        library.waking.clear()
        async with client.stream("GET", "/v1/watch?count=1&hang=true") as stream:
            assert stream.status_code == 200
            assert (await client.get("/v1/watch")).status_code == 503
            assert (await client.get("/v1/shelves/s/books")).status_code == 200
        while (await client.get("/v1/watch")).status_code != 200:
            await asyncio.sleep(0.01)


async def test_bodies_are_refused_before_memory_grows(descriptors: Path) -> None:
    async with configured(descriptors, most_bytes=10_000) as gateway:
        client = gateway.client
        for _ in range(3):
            assert (await client.post("/v1/echo", content=b" " * 9_900 + b"{}")).status_code == 200
        for body in (b" " * 10_001, gzip.compress(b" " * 10_001, mtime=0)):
            encoding = {"content-encoding": "gzip"} if len(body) < 1000 else {}
            answer = await client.post("/v1/echo", content=body, headers=encoding)
            assert (answer.status_code, reason(answer)) == (503, "OVERLOADED")
        assert (await client.post("/v1/echo", content=chunks(b" " * 9_000, b" " * 9_000))).status_code == 503
        assert (await client.post("/v1/echo", content=chunks(b" " * 5_000, b"{}"))).status_code == 200


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_too_long_a_target_is_414(client: httpx.AsyncClient) -> None:
    for path in ("/v1/files/" + "x" * 16_384, "/v1/echo?text=" + "x" * 16_384):
        answer = await client.get(path)
        assert (answer.status_code, reason(answer)) == (414, "TARGET_TOO_LONG")
