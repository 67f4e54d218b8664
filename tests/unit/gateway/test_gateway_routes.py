"""Which template a path means."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.descriptors import ContractUnusable
from gateway.errors import Refusal
from gateway.routes import Routes
from gateway.templates import parse

TABLE = (
    "GET /",
    "GET /v1/things",
    "POST /v1/things",
    "GET /v1/things/{id}",
    "DELETE /v1/things/{id}",
    "GET /v1/things/me",
    "POST /v1/things:batch",
    "POST /v1/things/{id}:cancel",
    "GET /v1/things/{id}/parts/{part}",
    "GET /v1/things/me/parts/first",
    "PUT /v1/{name=shelves/*/books/*}",
    "GET /v1/files/{path=**}",
    "GET /v1/files/{path=**}:raw",
    "GET /v1/files/index/{page}",
    "* /v1/any/*",
    "OPTIONS /v1/own",
    "GET /v3/things/{id}",
    "* /v3/others/{id}",
    "HEAD /v3/{rest=**}",
    "* /v3/{rest=**}",
    "GET /v1/a%20b",
    "GET /v2/*/*/c",
    "GET /v2/a/{rest=**}",
)


@pytest.fixture(scope="module")
def routes() -> Routes[str]:
    table: Routes[str] = Routes()
    for line in TABLE:
        verb, _, template = line.partition(" ")
        table.add(verb, parse(template), line, line)
    return table


@pytest.mark.parametrize(
    ("method", "path", "route", "values"),
    [
        pytest.param("GET", "/", "GET /", [], id="root"),
        pytest.param("GET", "/v1/things", "GET /v1/things", [], id="literal"),
        pytest.param("GET", "/v1/things/", "GET /v1/things", [], id="one slash at the end is forgiven"),
        pytest.param("GET", "/v1/things/7", "GET /v1/things/{id}", ["7"], id="variable"),
        pytest.param("GET", "/v1/things/7/", "GET /v1/things/{id}", ["7"], id="variable, slash at the end"),
        pytest.param("GET", "/v1/things/me", "GET /v1/things/me", [], id="literal before star"),
        pytest.param("DELETE", "/v1/things/me", "DELETE /v1/things/{id}", ["me"], id="back over the method"),
        pytest.param("GET", "/v1/things/me/parts/2", "GET /v1/things/{id}/parts/{part}", ["me", "2"], id="back deep"),
        pytest.param("HEAD", "/v1/things/7", "GET /v1/things/{id}", ["7"], id="HEAD goes where GET goes"),
        pytest.param("HEAD", "/v3/things/7", "GET /v3/things/{id}", ["7"], id="HEAD goes there past what takes all"),
        pytest.param("HEAD", "/v3/others/7", "* /v3/others/{id}", ["7"], id="HEAD goes where any method goes"),
        pytest.param("HEAD", "/v3/x/y", "HEAD /v3/{rest=**}", ["x/y"], id="a route of its own, if it is as good"),
        pytest.param("PUT", "/v3/x/y", "* /v3/{rest=**}", ["x/y"], id="any method on the rest"),
        pytest.param("POST", "/v1/things:batch", "POST /v1/things:batch", [], id="verb on a literal"),
        pytest.param("POST", "/v1/things/7:cancel", "POST /v1/things/{id}:cancel", ["7"], id="verb"),
        pytest.param("GET", "/v1/things/urn:isbn:1", "GET /v1/things/{id}", ["urn:isbn:1"], id="colons in an id"),
        pytest.param("POST", "/v1/things/a:b:cancel", "POST /v1/things/{id}:cancel", ["a:b"], id="colon and verb"),
        pytest.param("GET", "/v1/things/a:cancel", "GET /v1/things/{id}", ["a:cancel"], id="verb of another method"),
        pytest.param("GET", "/v1/things/a%3Acancel", "GET /v1/things/{id}", ["a:cancel"], id="encoded colon"),
        pytest.param("GET", "/v1/things/a%2Fb", "GET /v1/things/{id}", ["a/b"], id="encoded slash"),
        pytest.param("GET", "/v1/things/50%25", "GET /v1/things/{id}", ["50%"], id="encoded percent"),
        pytest.param("GET", "/v1/things/a%252Fb", "GET /v1/things/{id}", ["a%2Fb"], id="decoded once"),
        pytest.param("GET", "/v1/things/%C3%A9", "GET /v1/things/{id}", ["é"], id="UTF-8"),
        pytest.param("GET", "/v1/things/a+b", "GET /v1/things/{id}", ["a+b"], id="plus is plus in a path"),
        pytest.param("GET", "/v1/%74hings", "GET /v1/things", [], id="an encoded literal is the literal"),
        pytest.param("GET", "/v1/a%20b", "GET /v1/a%20b", [], id="a literal that must be encoded"),
        pytest.param(
            "PUT",
            "/v1/shelves/a%2Fb/books/c%20d",
            "PUT /v1/{name=shelves/*/books/*}",
            ["shelves/a%2Fb/books/c d"],
            id="several segments keep the encoded slash",
        ),
        pytest.param("GET", "/v1/files", "GET /v1/files/{path=**}", [""], id="double star of nothing"),
        pytest.param("GET", "/v1/files/a/b%2fc/d", "GET /v1/files/{path=**}", ["a/b%2fc/d"], id="double star"),
        pytest.param("GET", "/v1/files/a/b:raw", "GET /v1/files/{path=**}:raw", ["a/b"], id="verb after double star"),
        pytest.param("GET", "/v1/files/index/1", "GET /v1/files/index/{page}", ["1"], id="star before double star"),
        pytest.param("GET", "/v1/files/index/1/2", "GET /v1/files/{path=**}", ["index/1/2"], id="back to double star"),
        pytest.param("GET", "/v2/a/b/c", "GET /v2/a/{rest=**}", ["b/c"], id="a literal early beats a literal late"),
        pytest.param("GET", "/v2/x/b/c", "GET /v2/*/*/c", [], id="stars"),
        pytest.param("BREW", "/v1/any/pot", "* /v1/any/*", [], id="any method"),
        pytest.param("OPTIONS", "/v1/own", "OPTIONS /v1/own", [], id="a route of its own for OPTIONS"),
    ],
)
def test_leads(routes: Routes[str], method: str, path: str, route: str, values: list[str]) -> None:
    assert routes.find(method, path.encode()) == (route, values)


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/nothing",
        "/v1/things//",
        "//v1/things",
        "/v1//things",
        "/v1/things//parts/1",
        "/v1/files//a",
        "/v1/things/7:nothing/more",
        "/V1/things",
        "/v1/things/7/parts",
    ],
)
def test_leads_nowhere(routes: Routes[str], path: str) -> None:
    with pytest.raises(Refusal) as refused:
        routes.find("GET", path.encode())
    assert (refused.value.http, refused.value.details[0]["reason"]) == (404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/things", b"GET, HEAD, OPTIONS, POST"),
        ("POST", "/v1/things/me", b"DELETE, GET, HEAD, OPTIONS"),
        ("GET", "/v1/things:batch", b"OPTIONS, POST"),
        ("PUT", "/v1/things/7:cancel", b"DELETE, GET, HEAD, OPTIONS, POST"),
        ("OPTIONS", "/v1/things", b"GET, HEAD, OPTIONS, POST"),
        ("HEAD", "/v1/shelves/1/books/2", b"OPTIONS, PUT"),
        ("GET", "/v1/own", b"OPTIONS"),
    ],
)
def test_names_the_methods_that_are_served(routes: Routes[str], method: str, path: str, allow: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        routes.find(method, path.encode())
    assert (refused.value.http, dict(refused.value.headers)[b"allow"]) == (405, allow)


@pytest.mark.parametrize("path", ["/v1/things/%", "/v1/things/%zz", "/v1/things/%f", "/v1/things/%FF", "/%ff"])
def test_refuses_a_path_that_is_not_well_encoded(routes: Routes[str], path: str) -> None:
    with pytest.raises(Refusal) as refused:
        routes.find("GET", path.encode())
    assert (refused.value.http, refused.value.details[0]["reason"]) == (400, "MALFORMED_PATH")


@pytest.mark.parametrize(
    "template", ["/v1/things/{other}", "/v1/{a=things}/{b}", "/v1/things/*"], ids=["name", "spelling", "no variable"]
)
def test_two_claims_on_one_path_are_refused_by_both_names(routes: Routes[str], template: str) -> None:
    with pytest.raises(ContractUnusable) as refused:
        routes.add("GET", parse(template), "a.B/C", "")
    assert str(refused.value) == "GET /v1/things/{id} and a.B/C both claim GET /v1/things/*"


@given(
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "x"]),
    st.binary(max_size=30) | st.text("/:%2Fa*v1things", max_size=30).map(str.encode),
)
def test_no_path_does_worse_than_a_refusal(routes: Routes[str], method: str, path: bytes) -> None:
    try:
        routes.find(method, b"/" + path)
    except Refusal as refusal:
        assert refusal.http in (400, 404, 405)


segments = st.text(min_size=1, max_size=8).filter(lambda text: not text.startswith("me"))


@given(segments, segments)
def test_whatever_is_encoded_comes_out_again(routes: Routes[str], one: str, other: str) -> None:
    path = f"/v1/things/{quote(one, safe='')}/parts/{quote(other, safe='')}"
    assert routes.find("GET", path.encode())[1] == [one, other]
