"""Envoy's transcoder on the same contract: the same request, the same gRPC message, the same answer.

Where they differ, the difference has a name, a row in docs/gateway-conformance.md, and has to be there.
"""

import json
import re
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.api_core import rest_helpers
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from standalone.ports import free_port
from tests.integration.gateway.conftest import Running
from tests.integration.gateway.test_gateway_google_client import ECHOES, UNSENDABLE, ids, pruned, put
from tests.support.envoy import deployed, envoy
from tests.unit.gateway import toy
from tests.unit.gateway.messages import everything

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(sys.platform != "linux", reason="Envoy is installed on Linux only"),
]


@pytest.fixture(scope="module")
async def theirs(
    shared: Running, descriptors: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """deploy/envoy, serving the library."""
    port = free_port()
    config = deployed(tmp_path_factory.mktemp("envoy"), descriptors, port, identity=shared.address, work=shared.address)
    text = re.sub(r"(?m)^ +- tandem\.(?!work\.v1\.TaskService).*\n", "", config.read_text())
    text = text.replace("tandem.work.v1.TaskService", "library.v1.Library").replace("/tandem.work.v1.", "/library.v1.")
    config.write_text(text)
    async with envoy(config, port) as client:
        yield client


@dataclass(frozen=True)
class Case:
    request: str
    body: Any = None
    headers: Mapping[str, str] | None = None
    difference: str = ""


BOOK = {"title": "On Stones", "authors": ["Ada"], "pages": 7, "createTime": "2026-01-31T12:00:00Z"}
STREAMS = "a server's stream"
UPLOADS = "a stream of requests"
FORMS = "forms, HTTP Basic, and errors of RFC 6749 at `/oauth2`"
UNSUPPORTED = "a body of another type"
QUERY_AGAINST_PATH = "a query against the path"
SMUGGLED = {
    "x-internal": "1",
    "x-forwarded-user-agent": "me",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "grpc-encoding": "gzip",
    "connection": "x-internal",
    "cookie": "a=b",
}
CASES = [
    # Routes.
    Case("POST /v1/shelves/a/books", BOOK),
    Case("GET /v1/shelves/a/books/1"),
    Case("GET /v1/shelves/a/books/1/"),
    Case("GET /v1/shelves/a%2Fb/books/%31"),
    Case("GET /v1/shelves/a:b/books/c:d"),
    Case("GET /v1/shelves/a/books"),
    Case("GET /v1/shelves/a/titles", difference="another `response_body` of an additional binding"),
    Case("POST /v1/shelves/a/books/1:lend", {"reader": "me"}),
    Case("DELETE /v1/shelves/a/books/1"),
    Case("GET /v1/files/a/b%2Fc/d", difference="`%2F` in several segments"),
    Case("GET /v1/files/a/b%20c"),
    Case("GET /v1/files"),
    Case("REPORT /v1/files/a"),
    Case("GET /v1/archives/x/files/y/z"),
    Case("GET /v1/nowhere"),
    Case("GET /v1/shelves//books"),
    Case("GET /v1/shelves/a//books", difference="`//` in a path"),
    Case("HEAD /v1/shelves/a/books", difference="HEAD and OPTIONS"),
    Case("OPTIONS /v1/shelves/a/books/7", difference="HEAD and OPTIONS"),
    Case("PUT /v1/shelves/a/books", {}, difference="a method that is not served"),
    # Parameters.
    Case("GET /v1/echo?text=a+b%20c&int32Value=-5&int64_value=9007199254740993&boolValue=true"),
    Case("GET /v1/echo?names=a&names=b&numbers=1&numbers=2"),
    Case("GET /v1/echo?kind=PAPER&kinds=1&kinds=SCREEN"),
    Case("GET /v1/echo?nested.name=n&nested.inner.my_number=3"),
    Case("GET /v1/echo?time=2026-01-31T12:00:00Z&duration=1.5s&mask=text,nested.name"),
    Case("GET /v1/echo?wrappedBool=false&wrappedNumber=7&wrappedText=x&maybe="),
    Case("GET /v1/echo?bytesValue=AQID&doubleValue=1e3&floatValue=-Infinity"),
    Case("GET /v1/echo?otherName=4"),
    Case("GET /v1/echo?counts%5Ba%5D=1", difference="a map in a query"),
    Case("GET /v1/echo?struct=%7B%22a%22:1%7D", difference="JSON in a query"),
    Case("GET /v1/echo?nowhere=1"),
    Case("GET /v1/echo?int32Value=x"),
    Case("GET /v1/echo?int32Value=5000000000"),
    Case("GET /v1/echo?text=a&text=b", difference="a parameter twice"),
    Case("GET /v1/echo?choiceText=a&choiceNumber=1"),
    # One source per field.
    Case("GET /v1/shelves/a/books/1?shelf=b", difference=QUERY_AGAINST_PATH),
    Case("GET /v1/shelves/a/books/1?shelf=a"),
    Case("POST /v1/shelves/a/books/1:lend", {"shelf": "b"}),
    Case("POST /v1/shelves/a/books/1:lend?reader=me", {}, difference="a query where the body is everything"),
    # Bodies.
    Case("POST /v1/echo", {"text": "ü", "nested": {"my_number": 1}, "counts": {"a": 1}, "struct": {"a": [1, None]}}),
    Case("POST /v1/echo", {"int64Value": "9007199254740993", "uint64_value": 1, "kind": "PAPER", "bytesValue": "AQID"}),
    Case("POST /v1/echo", {"text": None, "names": None}),
    Case("POST /v1/echo", b""),
    Case("POST /v1/echo", {"nowhere": 1}, difference="an unknown member of a body"),
    Case("POST /v1/echo", b'{"text":"a","text":"b"}', difference="a member twice"),
    Case("POST /v1/echo", b'{"int32Value":1,"int32_value":2}', difference="a member twice"),
    Case("POST /v1/echo", b'{"text":"a"} {}'),
    Case("POST /v1/echo", b'{"text":'),
    Case("POST /v1/echo", b"[]"),
    Case("POST /v1/echo", {"int32Value": "x"}),
    Case("POST /v1/echo", {"kind": "NO_SUCH"}),
    Case("POST /v1/echo", {"names": [1]}),
    Case("POST /v1/echo", b'{"text":"\\ud800"}'),
    Case("PUT /v1/echo/names/7", ["a", "b"]),
    Case("PUT /v1/echo/nested/t", {"name": "n"}, difference="a mask that is not called `update_mask`"),
    Case("PATCH /v1/things/7", {"text": "a", "int64Value": 3}),
    Case("PATCH /v1/things/7", {"otherName": 3}, difference="a field with a JSON name of its own, in a mask"),
    Case("PATCH /v1/things/7", {"nested": {"name": "n"}}, difference="nested keys of a PATCH"),
    Case("PUT /v1/things/7", {"text": "a"}),
    Case("POST /v1/echo", b"text=a", {"content-type": "application/x-www-form-urlencoded"}, UNSUPPORTED),
    Case("POST /v1/echo", b"<a/>", {"content-type": "application/xml"}, UNSUPPORTED),
    Case("POST /v1/sign/n", b"tags=a", {"content-type": "application/x-www-form-urlencoded"}, FORMS),
    Case("GET /v1/echo", {"text": "a"}, difference="a body where none is taken"),
    Case("PUT /v1/pictures/p", b"\x89PNG", {"content-type": "image/png"}, "an entity tag beside a raw body"),
    Case("POST /v1/copy", b"raw", {"content-type": "text/plain"}),
    # Failures, conditions and streams.
    *(Case("POST /v1/act", {"code": code, "message": "no"}) for code in ("NOT_FOUND", "ABORTED", "UNAVAILABLE")),
    Case("POST /v1/act", {"crash": True}),
    Case("POST /v1/act", {}, {"if-match": '"7"'}),
    Case("POST /v1/act", {}, SMUGGLED),
    Case("POST /v1/act", {}, {"if-match": 'W/"7"'}, "a weak entity tag in `If-Match`"),
    Case("POST /v1/act", {}, {"grpc-timeout": "soon"}),
    Case("GET /v1/describe?myNumber=3", difference="another `response_body` of an additional binding"),
    Case("POST /v1/describe", {"my_number": 3}, difference="names as in the contract, of types that others share"),
    Case("GET /v1/watch?count=2", difference=STREAMS),
    Case("GET /v1/downloads?count=2"),
    Case("POST /v1/shelves/a/books:collect", b'{"title":"x"}\n', {"content-type": "application/x-ndjson"}, UPLOADS),
]


async def seen(gateway: Running, client: httpx.AsyncClient, case: Case) -> dict[str, Any]:
    """What the server was sent, and what the client was."""
    gateway.library.calls.clear()
    gateway.library.books = {("a", "1"): toy.google_type("Book")(shelf="a", number=1, title="On Sand", etag="1")}
    verb, _, target = case.request.partition(" ")
    content = case.body if isinstance(case.body, bytes | None) else json.dumps(case.body).encode()
    headers = {"content-type": "application/json"} if content is not None else {}
    answer = await client.request(verb, target, content=content, headers=headers | dict(case.headers or {}))
    refused = answer.status_code >= 400
    is_json = answer.headers.get("content-type") == "application/json"
    said = None if refused else answer.json() if is_json and answer.content else answer.content
    if case.request == "POST /v1/act" and isinstance(said, dict):
        said = sorted(said["metadata"].keys() - {"traceparent", "user-agent"})  # what servers are told besides
    return {
        "status": answer.status_code,
        "message": [(name, request) for name, request, _ in gateway.library.calls],
        "answer": said,
        "error": sorted(answer.json()) if refused and answer.content else None,
        "headers": {name: answer.headers.get(name) for name in ("content-type", "etag", "location", "cache-control")},
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.request} {case.body or ''} {case.headers or ''}")
async def test_envoy_sees_it_as_we_do(gateway: Running, theirs: httpx.AsyncClient, case: Case) -> None:
    here = await seen(gateway, gateway.client, case)
    there = await seen(gateway, theirs, case)
    differing = {name: (here[name], there[name]) for name in here if here[name] != there[name]}
    assert bool(differing) == bool(case.difference), differing or here


@pytest.mark.parametrize(("option", "needed"), ECHOES, ids=ids([option for option, _ in ECHOES]))
@given(message=everything(), data=st.data())
@settings(deadline=None, max_examples=40, derandomize=True, phases=[Phase.generate])
async def test_envoy_sees_random_messages_as_we_do(
    shared: Running, theirs: httpx.AsyncClient, option: Any, needed: Any, message: Any, data: st.DataObject
) -> None:
    message.ClearField("any")
    if option.get("body") != "*":
        for name in UNSENDABLE:
            message.ClearField(name)
        pruned(message)
        message.kind %= 3  # Envoy takes no number of an enum in a query that it does not know
        message.kinds[:] = [kind % 3 for kind in message.kinds]
    for path, any_values in needed.items():
        values = st.integers(1, 2) if path == "kind" else any_values.filter(lambda value: "\0" not in str(value))
        put(message, path, data.draw(values))
    message.mask.paths[:] = ["text"]
    request, body, query = rest_helpers.transcode_request([option], message)
    answers = []
    for client in (shared.client, theirs):
        answer = await client.request(
            request["method"],
            request["uri"],
            params=rest_helpers.flatten_query_params(query, strict=True),  # type: ignore[no-untyped-call] # it has no types
            content=body,
            headers={"content-type": "application/json"} if body is not None else {},
        )
        assert answer.status_code == 200, answer.text
        assert shared.library.calls.pop()[1] == message
        said = answer.json()
        message.float_value = float(said["floatValue"])  # written with more digits or with fewer, it is one value
        answers.append(said | {"floatValue": message.float_value})
    assert answers[0] == answers[1]
