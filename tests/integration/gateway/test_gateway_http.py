"""The gateway over a real socket: what HTTP clients see."""

import asyncio
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2

from gateway.app import running
from gateway.config import GatewayConfig
from tests.integration.gateway.conftest import Library, Running, gateway_to, serving, set_health


async def raw(gateway: Running, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """What comes back for bytes that no decent client would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(request)
        await writer.drain()
        status = int((await reader.readline()).split()[1])
        headers = {}
        while (line := (await reader.readline()).strip()) != b"":
            name, _, value = line.decode("latin-1").partition(": ")
            headers[name] = value
        return status, headers, await reader.readexactly(int(headers.get("content-length", 0)))
    finally:
        writer.close()


async def get(gateway: Running, path: bytes) -> tuple[int, dict[str, str], bytes]:
    return await raw(gateway, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")


def reason(response: httpx.Response) -> str:
    return str(response.json()["details"][0]["reason"])


def fields(response: httpx.Response) -> list[str]:
    return [
        violation["field"]
        for detail in response.json()["details"]
        if detail["@type"].endswith("BadRequest")
        for violation in detail["fieldViolations"]
    ]


async def act(client: httpx.AsyncClient, *, headers: dict[str, str] | None = None, **request: Any) -> httpx.Response:
    return await client.post("/v1/act", json=request, headers=headers)


def details(*messages: Any, code: int = 10, message: str = "told so") -> str:
    status = status_pb2.Status(code=code, message=message)
    for detail in messages:
        status.details.add().Pack(detail)
    return b64encode(status.SerializeToString()).decode()


async def test_a_resource_is_created_with_status_location_and_tag(client: httpx.AsyncClient) -> None:
    created = await client.post("/v1/shelves/a%2Fb/books", json={"title": "é"})
    assert created.status_code == 201
    assert created.headers["location"] == "/v1/shelves/a%2Fb/books/1"
    assert created.headers["etag"] == '"1"'
    assert created.headers["cache-control"] == "no-store"
    assert created.headers["content-type"] == "application/json"
    assert created.headers["x-content-type-options"] == "nosniff"
    assert created.json() == {"shelf": "a/b", "number": "1", "title": "é", "authors": [], "etag": "1"}
    found = await client.get(created.headers["location"])
    assert (found.status_code, found.json()) == (200, created.json())
    assert found.headers["cache-control"] == "private, max-age=5"


async def test_a_list_has_its_defaults_and_the_default_cache_control(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/shelves/empty/books")
    assert answer.json() == {"books": [], "titles": [], "nextPageToken": ""}
    assert answer.headers["cache-control"] == "no-cache"


async def test_204_has_no_body(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/v1/shelves/s/books/1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert "content-length" not in answer.headers


async def test_head_has_the_headers_of_get_and_nothing_else(client: httpx.AsyncClient) -> None:
    await client.post("/v1/shelves/s/books", json={})
    full, head = await client.get("/v1/shelves/s/books/1"), await client.head("/v1/shelves/s/books/1")
    assert head.content == b""
    assert head.headers["content-length"] == str(len(full.content))
    assert head.headers["etag"] == full.headers["etag"]
    missing = await client.head("/v1/nothing")
    assert (missing.status_code, missing.content) == (404, b"")


async def test_options_names_the_methods(client: httpx.AsyncClient) -> None:
    answer = await client.options("/v1/shelves/s/books")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (204, "GET, HEAD, OPTIONS, POST", b"")
    assert (await client.options("/v1/nothing")).status_code == 404
    answer = await client.options("/healthz")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_a_method_that_is_not_served_is_405(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/shelves/s/books/1", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS")
    assert answer.json()["status"] == "UNIMPLEMENTED"


async def test_a_custom_method(gateway: Running) -> None:
    status, _, body = await raw(gateway, b"REPORT /v1/files/a/b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, json.loads(body)) == (200, {"path": "a/b"})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (b"/v1/files/a/b%2Fc%20d", "a/b%2Fc d"),
        (b"/v1/files/", ""),
        (b"/v1/files/a/?", "a"),
        (b"/v1/archives/1/files/x/y", "archives/1/files/x/y"),
        (b"/v1/files/%41:b", "A:b"),
        (b"http://elsewhere/v1/files/absolute", "absolute"),
        (b"/v1/files/..%2f../a", "..%2f../a"),
        (b"/v1/files/a/../b", "a/../b"),
    ],
)
async def test_the_path_is_matched_as_it_was_sent(gateway: Running, path: bytes, value: str) -> None:
    status, _, body = await get(gateway, path)
    assert (status, json.loads(body)) == (200, {"path": value})


@pytest.mark.parametrize("path", [b"/v1/files/%zz", b"/v1/files/%", b"/v1/files/%ff", b"/v1/files/a?x=%zz"])
async def test_a_path_or_query_that_is_not_well_encoded_is_400(gateway: Running, path: bytes) -> None:
    status, headers, body = await get(gateway, path)
    assert (status, json.loads(body)["code"], headers["content-type"]) == (400, 400, "application/json")


@pytest.mark.parametrize(
    "request_",
    [b"nonsense\r\n\r\n", b"GET /v1/files/\xff HTTP/1.1\r\nHost: x\r\n\r\n"],
)
async def test_what_is_not_http_is_400_in_the_same_shape(gateway: Running, request_: bytes) -> None:
    status, headers, body = await raw(gateway, request_)
    answer = json.loads(body)
    assert (status, answer["code"], answer["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert answer["requestId"] == headers["x-request-id"]


async def test_the_error_shape(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/nothing", headers={"x-request-id": "r-1"})
    assert answer.json() == {
        "code": 404,
        "message": "nothing is served at this path",
        "status": "NOT_FOUND",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "ROUTE_NOT_FOUND",
                "domain": "gateway.tandem",
            }
        ],
        "requestId": "r-1",
    }
    assert answer.headers["x-request-id"] == "r-1"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_bad_field_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/shelves/s/books", json={"title": 5})
    assert (answer.status_code, fields(answer)) == (400, ["book.title"])
    answer = await client.get("/v1/shelves/s/books", params={"page_size": "x"})
    assert (answer.status_code, fields(answer), answer.json()["message"]) == (
        400,
        ["page_size"],
        "page_size: expected a 32-bit integer",
    )


async def test_a_body_where_none_is_taken_is_400(client: httpx.AsyncClient, gateway: Running) -> None:
    answer = await client.request("GET", "/v1/shelves/s/books", content=b"{}")
    assert (answer.status_code, reason(answer)) == (400, "BODY_NOT_TAKEN")
    assert not gateway.library.calls
    assert (await client.request("DELETE", "/v1/shelves/s/books/1", content=b"")).status_code == 204
    answer = await client.request("DELETE", "/v1/shelves/s/books/1", json={"etag": "1"})
    assert (answer.status_code, reason(answer)) == (400, "BODY_NOT_TAKEN")


async def test_the_content_type_may_be_absent_but_not_wrong(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/act", content=b"{}")
    assert answer.status_code == 200
    answer = await client.post("/v1/act", content=b"a=b", headers={"content-type": "text/plain"})
    assert (answer.status_code, reason(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_an_answer_in_json_must_be_acceptable(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/shelves/s/books", headers={"accept": "text/html"})
    assert (answer.status_code, reason(answer)) == (406, "NOT_ACCEPTABLE")


async def test_a_whole_body_may_be_empty(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/act")).status_code == 200


async def chunks(*parts: bytes) -> Any:
    for part in parts:
        yield part


async def test_a_body_may_come_in_chunks(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/echo", content=chunks(b'{"te', b'xt":"', b'x"}'))
    assert answer.json()["text"] == "x"


async def test_too_large_a_body_is_413_before_it_is_sent(gateway: Running, client: httpx.AsyncClient) -> None:
    request = b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4194305\r\n\r\n"
    status, _, body = await raw(gateway, request)  # and not a byte of it
    assert (status, json.loads(body)["details"][0]["reason"]) == (413, "BODY_TOO_LARGE")
    answer = await client.post("/v1/echo", content=chunks(*[b" " * 65536] * 65))
    assert (answer.status_code, reason(answer)) == (413, "BODY_TOO_LARGE")
    assert not gateway.library.calls


async def test_the_largest_body_passes_both_ways(gateway: Running, descriptors: Path) -> None:
    body = {"text": "x" * (4 * 1024 * 1024 - 20)}
    answer = await gateway.client.post("/v1/echo", json=body)
    assert answer.status_code == 200
    assert answer.json()["text"] == body["text"]


async def test_the_connection_survives_a_refused_body(gateway: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    body = b" " * 4194305
    writer.write(b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answers = await reader.read()
    writer.close()
    assert b"HTTP/1.1 413" in answers
    assert b"HTTP/1.1 200" in answers


@pytest.mark.parametrize("field", ["struct", "value"])
async def test_what_is_free_in_form_is_as_deep_as_servers_read(client: httpx.AsyncClient, field: str) -> None:
    tree: Any = {}
    for _ in range(29):
        tree = {"a": tree}
    answer = await client.post("/v1/echo", json={field: tree})
    assert answer.json()[field] == tree
    answer = await client.post("/v1/echo", json={field: {"a": {"a": tree}}})
    assert (answer.status_code, reason(answer), fields(answer)) == (400, "VALIDATION_FAILED", [field])


async def test_a_request_that_is_larger_than_its_body_is_413(gateway: Running) -> None:
    numbers = "[" + ",".join(["-1"] * 500_000) + "]"  # ten bytes each for a server
    answer = await gateway.client.post("/v1/echo", content=f'{{"numbers":{numbers}}}')
    assert (answer.status_code, reason(answer)) == (413, "BODY_TOO_LARGE")
    assert not gateway.library.calls


async def test_too_large_headers_are_431(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/shelves/s/books", headers={"x-large": "x" * 17_000})
    assert (answer.status_code, reason(answer)) == (431, "HEADERS_TOO_LARGE")


@pytest.mark.parametrize(
    ("sent", "status"), [('"1"', 304), ('W/"1"', 304), ('"0", "1"', 304), ("*", 304), ('"0"', 200), ("1", 400)]
)
async def test_if_none_match(client: httpx.AsyncClient, sent: str, status: int) -> None:
    await client.post("/v1/shelves/s/books", json={})
    for method in ("GET", "HEAD"):
        answer = await client.request(method, "/v1/shelves/s/books/1", headers={"if-none-match": sent})
        assert answer.status_code == status
        if status == 304:
            assert (answer.content, answer.headers["etag"]) == (b"", '"1"')
            assert answer.headers["cache-control"] == "private, max-age=5"


@pytest.mark.parametrize(("title", "vary"), [("x" * 2000, "accept-encoding"), ("x", None)])
async def test_what_has_not_changed_varies_as_the_answer_does(
    client: httpx.AsyncClient, title: str, vary: str | None
) -> None:
    await client.post("/v1/shelves/s/books", json={"title": title})
    for status, sent in ((200, '"0"'), (304, '"1"')):
        answer = await client.get("/v1/shelves/s/books/1", headers={"if-none-match": sent})
        assert (answer.status_code, answer.headers.get("vary")) == (status, vary)
        assert ("content-encoding" in answer.headers) == (status == 200 and vary is not None)


@pytest.mark.parametrize(("sent", "status"), [('"1"', 200), ("*", 200), ('"0"', 412), ('W/"1"', 412)])
async def test_if_match_on_what_only_reads(client: httpx.AsyncClient, sent: str, status: int) -> None:
    await client.post("/v1/shelves/s/books", json={})
    answer = await client.get("/v1/shelves/s/books/1", headers={"if-match": sent})
    assert answer.status_code == status


async def test_if_match_goes_where_the_option_says(gateway: Running) -> None:
    await gateway.client.post("/v1/shelves/s/books", json={})
    for sent, etag in (('"7"', "7"), ("*", "")):
        await gateway.client.post("/v1/shelves/s/books/1:lend", json={}, headers={"if-match": sent})
        assert gateway.library.calls[-1][1].etag == etag


async def test_a_tag_comes_back_as_the_server_wrote_it(client: httpx.AsyncClient) -> None:
    """Of a server that quotes, as AIP-154 has it."""
    answer = await client.patch("/v1/things", json={"etag": '"7"'})
    assert (answer.json()["etag"], answer.headers["etag"]) == ('"7"', '"7"')
    answer = await client.patch("/v1/things/7", json={}, headers={"if-match": answer.headers["etag"]})
    assert answer.json()["etag"] == '"7"'
    answer = await client.patch("/v1/things", json={"etag": "7"}, headers={"if-match": '"7"'})
    assert (answer.status_code, reason(answer), fields(answer)) == (400, "CONFLICTING_FIELD", ["etag"])


async def test_a_deletion_takes_a_version_and_an_attempt_and_answers_nothing(gateway: Running) -> None:
    headers = {"if-match": '"7"', "idempotency-key": "a-1"}
    answer = await gateway.client.delete("/v1/shelves/s/books/1", headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    request = gateway.library.calls[-1][1]
    assert (request.shelf, request.book, request.etag, request.attempt) == ("s", "1", "7", "a-1")


async def test_an_attempt_is_named_by_a_header(gateway: Running) -> None:
    for sent in ("a", "8e03978e-40d5-43dd-bc93-6894a57f9324", '"quoted"', "x" * 128):
        answer = await gateway.client.post("/v1/shelves/s/books", json={}, headers={"idempotency-key": sent})
        assert answer.status_code == 201
        assert gateway.library.calls[-1][1].attempt == sent
    await gateway.client.post("/v1/shelves/s/books?attempt=a", json={}, headers={"idempotency-key": "a"})
    assert gateway.library.calls[-1][1].attempt == "a"


@pytest.mark.parametrize("sent", [b"", b"a b", b"x" * 129, "é".encode(), b"a\tb"])
async def test_an_attempt_whose_name_is_none_is_400(gateway: Running, sent: bytes) -> None:
    answer = await gateway.client.post("/v1/shelves/s/books", json={}, headers=[(b"idempotency-key", sent)])
    assert (answer.status_code, fields(answer)) == (400, ["Idempotency-Key"])
    assert not gateway.library.calls


async def test_an_attempt_has_one_name(gateway: Running) -> None:
    answer = await gateway.client.post("/v1/shelves/s/books?attempt=a", json={}, headers={"idempotency-key": "b"})
    assert (answer.status_code, fields(answer)) == (400, ["attempt"])
    answer = await gateway.client.patch("/v1/things", json={"attempt": "a"}, headers={"idempotency-key": "b"})
    assert (answer.status_code, fields(answer)) == (400, ["attempt"])
    twice = [("idempotency-key", "a"), ("idempotency-key", "a")]
    answer = await gateway.client.post("/v1/shelves/s/books", json={}, headers=twice)
    assert (answer.status_code, fields(answer)) == (400, ["Idempotency-Key"])
    assert not gateway.library.calls


async def test_patch_changes_what_is_sent_and_put_everything(gateway: Running) -> None:
    for method, mask in (("PATCH", ["text", "nested.name", "time"]), ("PUT", ["*"]), ("POST", [])):
        body = {"text": "t", "nested": {"name": "n"}, "time": None}
        answer = await gateway.client.request(method, "/v1/things/7", json=body)
        assert answer.status_code == 200
        request = gateway.library.calls[-1][1]
        assert list(request.update_mask.paths) == mask
        assert (request.thing.int32_value, request.thing.text, request.thing.HasField("time")) == (7, "t", False)


async def test_a_method_may_spell_fields_as_its_contract_does(client: httpx.AsyncClient) -> None:
    for sent in ({"my_number": 3}, {"myNumber": 3}):
        answer = await client.post("/v1/describe", json=sent)
        assert answer.json() == {"nested_one": {"name": "", "my_number": 3, "tags": []}, "my_numbers": [3]}
    assert (await client.get("/v1/describe?my_number=4")).json() == [4]


async def test_a_raw_body_passes_through_as_it_is(gateway: Running) -> None:
    content = bytes(range(256))
    answer = await gateway.client.put(
        "/v1/pictures/a?thumbnail=true", content=content, headers={"content-type": "image/png", "accept": "image/*"}
    )
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, content, "image/png")
    assert (answer.headers["etag"], answer.headers["x-content-type-options"]) == ('"a"', "nosniff")
    request = gateway.library.calls[-1][1]
    assert (request.name, request.thumbnail, request.content.content_type) == ("a", True, "image/png")
    answer = await gateway.client.post("/v1/copy", content=b"{]", headers={"content-type": "application/json"})
    assert (answer.content, answer.headers["content-type"]) == (b"{]", "application/json")


async def test_a_raw_body_may_come_in_chunks_be_empty_or_absent(gateway: Running) -> None:
    answer = await gateway.client.post("/v1/copy", content=chunks(b"a", b"b"))
    assert (answer.content, answer.headers["content-type"]) == (b"ab", "application/octet-stream")
    answer = await gateway.client.put("/v1/pictures/a", headers={"content-type": "text/plain"})
    assert (answer.content, answer.headers["content-type"]) == (b"", "text/plain")
    assert (await gateway.client.get("/v1/pictures/a")).status_code == 200
    assert not gateway.library.calls[-1][1].HasField("content")


async def test_a_raw_body_has_limits_and_its_fields_no_other_source(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/copy", content=b" " * 4194305)).status_code == 413
    answer = await client.put("/v1/pictures/a?content.data=aa", content=b"x")
    assert (answer.status_code, fields(answer)) == (400, ["content.data"])
    answer = await client.put("/v1/pictures/a", content=b"x", headers=[(b"content-type", b"\xff")])
    assert (answer.status_code, fields(answer)) == (400, ["Content-Type"])
    answer = await client.get("/v1/pictures/a", headers={"accept": "image/png", "if-none-match": '"a"'})
    assert answer.status_code == 304


async def test_a_form_where_the_method_takes_one(client: httpx.AsyncClient) -> None:
    form = {"grant_type": "client credentials", "client_id": "é+&", "clientSecret": "", "unknown": "ignored"}
    answer = await client.post("/v1/token", data=form)
    assert answer.json() == {
        "grant_type": "client credentials",
        "client_id": "é+&",
        "client_secret": "",
        "scope": "",
        "authorization": "",
    }
    assert (await client.post("/v1/token", json={"client_id": "i", "more": 1})).json()["client_id"] == "i"
    answer = await client.post("/v1/sign/n", data={"my_number": "3", "tags": ["a", "b"], "inner.name": "i"})
    assert answer.json()["nested"] == {
        "name": "n",
        "myNumber": 3,
        "inner": {"name": "i", "myNumber": 0, "tags": []},
        "tags": ["a", "b"],
    }
    answer = await client.post("/v1/sign/n?reader=r", data={"name": "n"})
    assert answer.json()["reader"] == "r"


@pytest.mark.parametrize(
    ("form", "status", "wrong"),
    [
        (b"myNumber=x", 400, ["myNumber"]),
        (b"nothing=1", 400, ["nothing"]),
        (b"nested.name=n", 400, ["nested.name"]),
        (b"tags[0]=a", 400, ["tags[0]"]),
        (b"name=other", 400, ["nested.name"]),
        (b"name=n&name=n", 400, ["name"]),
        (b"name=%zz", 400, [""]),
        (b"&".join(b"tags=%d" % number for number in range(1001)), 400, [""]),
    ],
)
async def test_a_form_that_is_wrong(client: httpx.AsyncClient, form: bytes, status: int, wrong: list[str]) -> None:
    answer = await client.post(
        "/v1/sign/n", content=form, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status_code, fields(answer)) == (status, wrong)


async def test_a_form_where_the_method_takes_none(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/act", data={"code": "OK"})
    assert (answer.status_code, answer.headers["accept"]) == (415, "application/json")
    answer = await client.post("/v1/sign/n", content=b"x", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.headers["accept"]) == (
        415,
        "application/json, application/x-www-form-urlencoded",
    )


async def test_a_user_name_and_a_password_fill_fields_and_go_no_further(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/token", data={"grant_type": "g"}, auth=("a%3Ab", "s:e c%2Br+et"))
    assert {key: value for key, value in answer.json().items() if value} == {
        "grant_type": "g",
        "client_id": "a:b",
        "client_secret": "s:e c+r et",
    }
    answer = await client.post("/v1/token", data={"client_id": "i"}, auth=("i", "s"))
    assert (answer.status_code, answer.json()["client_secret"]) == (200, "s")
    answer = await client.post("/v1/token", headers={"authorization": "Bearer t"})
    assert answer.json()["authorization"] == "Bearer t"
    answer = await act(client, headers={"authorization": "Basic eDp5"})
    assert answer.json()["metadata"]["authorization"] == "Basic eDp5"


async def test_errors_as_rfc_6749_has_them(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/token", data={"scope": "INVALID_GRANT"}, auth=("i", "s"))
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_grant", "error_description": "no"})
    assert answer.headers["www-authenticate"] == 'Basic realm="api", charset="UTF-8"'
    answer = await client.post("/v1/token", json={"scope": "X"}, headers={"authorization": "Bearer t"})
    assert answer.json()["error"] == "invalid_client"
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    answer = await client.post("/v1/token", data={"client_id": "j"}, auth=("i", "s"))
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "error": "invalid_request",
            "error_description": "client_id: the user name of Authorization says otherwise",
        },
    )
    for credentials in ("Basic !", "Basic eA==", "Basic", "Basic /////w=="):
        answer = await client.post("/v1/token", headers={"authorization": credentials})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_what_is_not_known_is_ignored_where_the_gateway_is_told_so(descriptors: Path) -> None:
    library = Library()
    lenient = {"ignore_unknown_parameters": True, "ignore_unknown_fields": True}
    async with serving(library) as address, gateway_to(library, address, descriptors, **lenient) as gateway:
        client = gateway.client
        assert (await client.get("/v1/shelves/s/books?utm_source=x&page_size=1")).status_code == 200
        assert (await client.get("/v1/echo?nested.nothing=x")).status_code == 200
        answer = await client.post(
            "/v1/echo?utm_source=x",
            json={"x": 1, "text": "t", "nested": {"x": 1}, "nests": [{"x": 1}], "byNumber": {"1": {"x": 1}}},
        )
        assert (answer.status_code, answer.json()["text"]) == (200, "t")
        for query in ("shelf=t", "page_size=x", "page_size=1&page_size=1"):
            assert (await client.get(f"/v1/shelves/s/books?{query}")).status_code == 400
        assert (await client.post("/v1/echo?text=t", json={})).status_code == 400
        assert (await client.post("/v1/echo", json={"text": 1})).status_code == 400


STALE = error_details_pb2.PreconditionFailure(
    violations=[error_details_pb2.PreconditionFailure.Violation(type="ETAG", subject="book")]
)


async def test_a_stale_tag_is_412_only_for_who_sent_if_match(client: httpx.AsyncClient) -> None:
    request: Any = {"code": "ABORTED", "details": details(STALE)}
    answer = await act(client, headers={"if-match": '"1"'}, **request)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (412, 412, "ABORTED")
    answer = await act(client, etag="1", **request)
    assert answer.status_code == 409
    locked = details(error_details_pb2.ErrorInfo(reason="LOCKED"))
    answer = await act(client, headers={"if-match": '"1"'}, code="ABORTED", details=locked)
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("method", "path", "header", "value", "status"),
    [
        ("POST", "/v1/act", "if-match", 'W/"1"', 412),
        ("POST", "/v1/act", "if-match", '"1", "2"', 400),
        ("POST", "/v1/act", "if-none-match", "*", 400),
        ("POST", "/v1/shelves/s/books", "if-match", '"1"', 400),
        ("REPORT", "/v1/files/a", "if-match", '"1"', 400),
    ],
)
async def test_a_condition_that_cannot_be_kept_is_refused(
    gateway: Running, method: str, path: str, header: str, value: str, status: int
) -> None:
    answer = await gateway.client.request(method, path, headers={header: value})
    assert answer.status_code == status
    if status == 400:
        assert [field.lower() for field in fields(answer)] == [header]
    assert not gateway.library.calls


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("NOT_FOUND", 404),
        ("ABORTED", 409),
        ("FAILED_PRECONDITION", 400),
        ("PERMISSION_DENIED", 403),
        ("DATA_LOSS", 500),
    ],
)
async def test_a_refusal_of_the_server_keeps_its_words(client: httpx.AsyncClient, code: str, status: int) -> None:
    answer = await act(client, code=code, message="told so")
    assert (answer.status_code, answer.json()["status"]) == (status, code)
    assert answer.json()["message"] == ("the call was cancelled" if code == "CANCELLED" else "told so")


async def test_details_and_retry_info_reach_the_client(client: httpx.AsyncClient) -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=1))
    answer = await act(client, code="ABORTED", details=details(error_details_pb2.ErrorInfo(reason="LOCKED"), retry))
    assert answer.headers["retry-after"] == "1"
    assert [detail["@type"].rpartition(".")[2] for detail in answer.json()["details"]] == ["ErrorInfo", "RetryInfo"]


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [({}, "Bearer"), ({"authorization": "Bearer bad"}, 'Bearer error="invalid_token"')],
)
async def test_401_says_what_is_wanted(client: httpx.AsyncClient, headers: dict[str, str], challenge: str) -> None:
    answer = await act(client, headers=headers, code="UNAUTHENTICATED", message="who are you")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge)


async def test_a_crash_of_the_server_tells_nothing(client: httpx.AsyncClient) -> None:
    answer = await act(client, crash=True)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert reason(answer) == "UPSTREAM_FAILED"


async def test_unavailable_always_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    answer = await act(client, code="UNAVAILABLE", details=details(error_details_pb2.ErrorInfo(reason="DB_DOWN")))
    assert (answer.status_code, answer.headers["retry-after"], reason(answer)) == (503, "1", "DB_DOWN")


async def test_only_listed_headers_become_metadata(client: httpx.AsyncClient) -> None:
    answer = await act(
        client,
        headers={
            "authorization": "Bearer t",
            "accept-language": "de",
            "x-request-id": "r-1",
            "x-user-id": "admin",
            "grpc-status": "0",
            "grpc-metadata-authorization": "Bearer evil",
            "x-data-bin": "AA",
            "te": "trailers",
            "x-forwarded-for": "203.0.113.9",
            "x-forwarded-user-agent": "evil",
            "user-agent": "curl",
        },
    )
    metadata = answer.json()["metadata"]
    assert metadata.keys() - {"user-agent"} == {
        "authorization",
        "accept-language",
        "x-forwarded-for",
        "x-forwarded-user-agent",
        "x-request-id",
        "traceparent",
    }
    assert (metadata["authorization"], metadata["x-request-id"]) == ("Bearer t", "r-1")
    assert (metadata["x-forwarded-for"], metadata["x-forwarded-user-agent"]) == ("127.0.0.1", "curl")


async def test_a_request_id_is_made_where_none_is_sent(client: httpx.AsyncClient) -> None:
    answer = await act(client, headers={"x-request-id": "not decent"})
    assert len(answer.headers["x-request-id"]) == 36
    assert answer.json()["metadata"]["x-request-id"] == answer.headers["x-request-id"]


async def test_options_of_the_server_itself_is_no_path(gateway: Running) -> None:
    assert (await raw(gateway, b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 404


@pytest.mark.parametrize(("sent", "least", "most"), [(None, 10, 15), ("2S", 0, 2), ("1H", 50, 60)])
async def test_the_deadline_reaches_the_server(
    client: httpx.AsyncClient, sent: str | None, least: float, most: float
) -> None:
    answer = await act(client, headers={} if sent is None else {"grpc-timeout": sent})
    assert answer.json()["hasDeadline"]
    assert least < answer.json()["deadlineS"] < most * 1.02  # gRPC rounds up


async def test_a_passed_deadline_is_504(gateway: Running) -> None:
    answer = await act(gateway.client, headers={"grpc-timeout": "1S"}, sleep=True)
    assert (answer.status_code, reason(answer)) == (504, "DEADLINE_EXCEEDED")
    async with asyncio.timeout(10):
        await gateway.library.cancelled.wait()


async def test_a_deadline_that_is_none_is_400(client: httpx.AsyncClient) -> None:
    answer = await act(client, headers={"grpc-timeout": "soon"})
    assert (answer.status_code, fields(answer)) == (400, ["Grpc-Timeout"])


async def test_a_client_that_leaves_cancels_the_call(gateway: Running) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    body = b'{"sleep":true}'
    writer.write(b"POST /v1/act HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    async with asyncio.timeout(10):
        await gateway.library.sleeping.wait()
        writer.close()
        await gateway.library.cancelled.wait()


async def test_a_server_that_cannot_be_reached_is_503_at_once_and_names_no_address(descriptors: Path) -> None:
    library = Library()
    async with serving(library) as address:
        pass  # and gone again
    async with gateway_to(library, address, descriptors) as gateway:
        for method, path in (("GET", "/v1/shelves/s/books"), ("POST", "/v1/act")):
            answer = await gateway.client.request(method, path, headers={"grpc-timeout": "10S"})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert reason(answer) == "UPSTREAM_UNAVAILABLE"
            assert address.partition(":")[2] not in answer.text
            assert "127.0.0.1" not in answer.text


async def test_a_server_that_comes_back_is_found_again(descriptors: Path) -> None:
    library = Library()
    async with serving(library) as address:
        pass
    async with gateway_to(library, address, descriptors) as gateway:
        assert (await gateway.client.get("/v1/shelves/s/books")).status_code == 503
        async with serving(library, listen=address), asyncio.timeout(20):
            while (await gateway.client.get("/v1/shelves/s/books")).status_code != 200:
                await asyncio.sleep(0.05)


async def test_probes(descriptors: Path) -> None:
    library = Library()
    async with serving(library) as address, gateway_to(library, address, descriptors) as gateway:
        client = gateway.client
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        # A server that knows no `readiness` is asked under the name that everybody knows.
        await set_health(library, everything=True)
        assert (await client.get("/readyz")).status_code == 200
        health = await client.get("/health")
        assert health.json().keys() == {"status", "version", "database", "redis", "services"}
        assert health.json()["database"] == "not_configured"
        assert health.json()["services"] == {"library.v1": "ok"}
        await set_health(library, readiness=False, database=False)
        async with asyncio.timeout(20):
            while (answer := await client.get("/readyz")).status_code != 503:
                await asyncio.sleep(0.05)  # answers are kept for a moment
            assert answer.json() == {"status": "unavailable", "services": {"library.v1": "unavailable"}}
            while (answer := await client.get("/health")).json()["database"] != "unavailable":
                await asyncio.sleep(0.05)
        assert answer.status_code == 503
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.head("/healthz")).content == b""
        assert (await client.post("/healthz")).status_code == 405


async def test_a_server_that_is_gone_is_not_ready(descriptors: Path) -> None:
    library = Library()
    async with serving(library) as address:
        pass
    async with gateway_to(library, address, descriptors) as gateway:
        assert (await gateway.client.get("/readyz")).status_code == 503
        health = await gateway.client.get("/health")
        assert (health.status_code, health.json()["services"], health.json()["database"]) == (
            503,
            {"library.v1": "unavailable"},
            "unknown",
        )


async def test_requests_that_were_accepted_are_answered_before_the_end(descriptors: Path) -> None:
    library = Library()
    async with serving(library) as address:
        async with gateway_to(library, address, descriptors) as gateway:
            pending = asyncio.create_task(
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}").post("/v1/act", json={"sleep": True})
            )
            await library.sleeping.wait()
            asyncio.get_running_loop().call_later(0.3, library.waking.set)
        assert (await pending).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await httpx.AsyncClient().get(f"http://127.0.0.1:{gateway.port}/healthz")


async def test_a_body_that_does_not_arrive_is_408(descriptors: Path) -> None:
    library = Library()
    async with serving(library) as address, gateway_to(library, address, descriptors, deadline_s=0.2) as gateway:
        request = b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{"
        status, headers, body = await raw(gateway, request)
    assert (status, headers["connection"]) == (408, "close")
    assert json.loads(body)["details"][0]["reason"] == "BODY_TOO_SLOW"


async def test_a_client_that_leaves_amid_its_body_is_not_answered(gateway: Running) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{")
    await writer.drain()
    writer.close()
    async with asyncio.timeout(10):
        while not gateway.recording.spans:
            await asyncio.sleep(0.01)
    assert dict(gateway.recording.spans[0].attributes or {})["http.response.status_code"] == 499
    assert not gateway.library.calls


async def test_readiness_is_withdrawn_while_draining(descriptors: Path) -> None:
    library = Library()
    async with serving(library) as address:
        entered = gateway_to(library, address, descriptors, drain_delay_s=2)
        gateway = await entered.__aenter__()
        assert (await gateway.client.get("/readyz")).status_code == 200
        ending = asyncio.create_task(entered.__aexit__(None, None, None))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client:
            await asyncio.sleep(0)
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/v1/shelves/s/books")).status_code == 200
        await ending


async def test_a_bug_tells_the_client_a_number(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr("gateway.asgi.headers.timeout_s", broken)
    answer = await act(gateway.client)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["message"].startswith("internal error, incident ")


async def test_an_answer_that_is_too_large_is_said_to_be(descriptors: Path) -> None:
    library = Library()
    async with serving(library) as address, gateway_to(library, address, descriptors, largest_answer=1000) as gateway:
        library.books["s", "1"] = None
        for number in range(100):
            await gateway.client.post("/v1/shelves/s/books", json={"title": f"{number}"})
        library.books.pop(("s", "1"))
        answer = await gateway.client.get("/v1/shelves/s/books")
    assert (answer.status_code, reason(answer)) == (500, "ANSWER_TOO_LARGE")
    assert "1000" not in answer.text


async def test_a_request_that_is_too_large_for_the_server_is_413(descriptors: Path) -> None:
    library, size = Library(), 6_000_000
    async with serving(library) as address, gateway_to(library, address, descriptors, largest_body=size) as gateway:
        answer = await gateway.client.post("/v1/shelves/s/books", json={"title": "x" * 5_000_000})
    assert (answer.status_code, reason(answer)) == (413, "BODY_TOO_LARGE")
    assert answer.json()["message"] == "the request is larger than the server takes"


@pytest.mark.parametrize(("number", "status"), [(400, 400), (10_000, 500)])
async def test_hundreds_of_violations_pass(client: httpx.AsyncClient, number: int, status: int) -> None:
    bad = error_details_pb2.BadRequest()
    for index in range(number):
        bad.field_violations.add(field=f"requests[{index}].task.title", description="x" * 100)
    answer = await act(client, code="INVALID_ARGUMENT", details=details(bad, code=3))
    assert answer.status_code == status
    if status == 400:
        assert len(fields(answer)) == number
    else:
        assert (reason(answer), answer.json()["message"]) == ("ANSWER_TOO_LARGE", "the answer's metadata is too large")


async def test_headers_that_are_too_large_for_the_server_are_431(client: httpx.AsyncClient) -> None:
    answer = await act(client, headers={"accept-language": "x" * 15_900})
    assert (answer.status_code, reason(answer)) == (431, "HEADERS_TOO_LARGE")
    assert answer.json()["message"] == "the headers are larger than the server takes"


async def test_the_clients_trace_passes_through_where_nothing_is_recorded(descriptors: Path) -> None:
    library = Library()
    async with serving(library) as address:
        config = GatewayConfig(descriptors=descriptors, upstreams=f"library={address}", listen="127.0.0.1:0")
        async with running(config) as gateway, httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{gateway.port}/v1/act"
            parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            answer = await client.post(url, headers={"traceparent": parent, "tracestate": "a=1"})
            assert answer.json()["metadata"]["traceparent"] == parent
            assert answer.json()["metadata"]["tracestate"] == "a=1"
            made = (await client.post(url, headers={"traceparent": "nonsense"})).json()["metadata"]["traceparent"]
            assert made.startswith("00-")
            assert int(made[-2:], 16) & 1 == 0  # not sampled
