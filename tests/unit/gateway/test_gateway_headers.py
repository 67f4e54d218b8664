"""What the client says beside the body."""

import pytest

from gateway.asgi import conditions, headers
from gateway.errors import Refusal


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        (b"", True),
        (b"*/*", True),
        (b"application/json", True),
        (b"application/*", True),
        (b"text/html, application/xhtml+xml, */*;q=0.8", True),
        (b"application/json;q=0.1", True),
        (b"Application/JSON; charset=utf-8", True),
        (b"text/html", False),
        (b"application/xml, text/*", False),
        (b"application/json;q=0", False),
        (b"application/json;q=0, */*", False),
        (b"*/*;q=0, application/json", True),
        (b"application/json;q=x", False),
    ],
)
def test_whether_json_will_do(accept: bytes, accepted: bool) -> None:  # noqa: FBT001 - a column of the table
    assert headers.accepts_json({b"accept": accept}) is accepted


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {b"content-type": b"application/json"},
        {b"content-type": b"application/json; charset=UTF-8"},
        {b"content-type": b"application/merge-patch+json"},
        {b"content-type": b"application/json", b"content-encoding": b"identity"},
    ],
)
def test_takes_a_body_that_says_it_is_json(sent: headers.Headers) -> None:
    headers.body_type(sent, headers.Accepted())


@pytest.mark.parametrize(
    "sent",
    [
        {b"content-type": b"text/plain"},
        {b"content-type": b"application/x-www-form-urlencoded"},
        {b"content-type": b"application/json; charset=latin-1"},
        {b"content-type": b"application/jsonx"},
        {b"content-encoding": b"gzip"},
    ],
)
def test_refuses_a_body_that_says_it_is_not(sent: headers.Headers) -> None:
    with pytest.raises(Refusal) as refused:
        headers.body_type(sent, headers.Accepted())
    assert refused.value.http == 415


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (None, 15),
        (b"1S", 1),
        (b"500m", 0.5),
        (b"2M", 60),
        (b"99999999H", 60),
        (b"250000u", 0.25),
        (b"1n", 0.001),
        (b"0S", 0.001),
    ],
)
def test_a_deadline_is_the_clients_within_bounds(sent: bytes | None, seconds: float) -> None:
    given = {} if sent is None else {b"grpc-timeout": sent}
    assert headers.timeout_s(given, default=15, longest=60) == seconds


@pytest.mark.parametrize("sent", [b"", b"1", b"S", b"1s", b"-1S", b"1.5S", b"123456789S", b"1S "])
def test_refuses_a_deadline_that_is_none(sent: bytes) -> None:
    with pytest.raises(Refusal, match="Grpc-Timeout") as refused:
        headers.timeout_s({b"grpc-timeout": sent}, default=15, longest=60)
    assert refused.value.http == 400


@pytest.mark.parametrize("sent", [b"abc", b"A-Z_0.9", b"x" * 128])
def test_keeps_a_decent_request_id(sent: bytes) -> None:
    assert headers.request_id({b"x-request-id": sent}) == sent.decode()


@pytest.mark.parametrize("sent", [b"", b"a b", b"x" * 129, b"a\x00", "é".encode(), b"a,b"])
def test_replaces_any_other_request_id(sent: bytes) -> None:
    assert len(headers.request_id({b"x-request-id": sent})) == 36


@pytest.mark.parametrize(
    "name", ["connection", "te", "host", "grpc-timeout", "grpc-anything", "x-data-bin", ":path", "x-request-id", "a b"]
)
def test_never_forwards(name: str) -> None:
    assert not headers.forwardable(name)


def test_forwards_what_is_listed_and_nothing_else() -> None:
    sent = {b"authorization": b"Bearer x", b"accept-language": b"de", b"x-user": b"admin", b"te": b"trailers"}
    names = [(b"authorization", "authorization"), (b"accept-language", "accept-language")]
    assert headers.forwarded(sent, names) == [("authorization", "Bearer x"), ("accept-language", "de")]


@pytest.mark.parametrize("value", [b"Bearer \xc3\xa9", b"a\x7f", b"a\tb"])
def test_refuses_a_value_that_cannot_be_metadata(value: bytes) -> None:
    with pytest.raises(Refusal, match="authorization: expected printable ASCII"):
        headers.forwarded({b"authorization": value}, [(b"authorization", "authorization")])


def test_a_header_sent_twice_is_a_list() -> None:
    read: headers.Headers = {}
    headers.read_into(read, [(b"accept", b"text/html"), (b"accept", b"*/*")])
    assert read == {b"accept": b"text/html, */*"}


def test_refuses_headers_beyond_their_limit() -> None:
    with pytest.raises(Refusal) as refused:
        headers.read_into({}, [(b"x", b"y" * headers.LARGEST)])
    assert refused.value.http == 431


@pytest.mark.parametrize(("sent", "wanted"), [(b'"7"', "7"), (b' "a-b" ', "a-b"), (b"*", None), (b'""', "")])
def test_reads_if_match(sent: bytes, wanted: str | None) -> None:
    assert conditions.wanted_version(sent) == wanted


@pytest.mark.parametrize(
    ("sent", "http", "complaint"),
    [
        (b"7", 400, "If-Match: expected entity tags in double quotes"),
        (b'"7', 400, "If-Match: expected entity tags in double quotes"),
        (b'"a" "b"', 400, "If-Match: expected entity tags in double quotes"),
        (b'"a", "b"', 400, "If-Match: expected one entity tag"),
        (b'"\xc3\xa9"', 400, "If-Match: expected an entity tag in ASCII"),
        (b'W/"7"', 412, "a weak entity tag never matches If-Match"),
        (b"", 400, "If-Match"),
    ],
)
def test_refuses_if_match(sent: bytes, http: int, complaint: str) -> None:
    with pytest.raises(Refusal) as refused:
        conditions.wanted_version(sent)
    assert refused.value.http == http
    assert complaint in refused.value.message


@pytest.mark.parametrize(
    ("sent", "etag", "unchanged"),
    [
        (b'"7"', '"7"', True),
        (b'"6", "7"', '"7"', True),
        (b'W/"7"', '"7"', True),
        (b'"7"', 'W/"7"', True),
        (b"*", '"7"', True),
        (b'"6"', '"7"', False),
    ],
)
def test_if_none_match_compares_weakly(sent: bytes, etag: str, unchanged: bool) -> None:  # noqa: FBT001 - a column
    assert conditions.unchanged(sent, etag) is unchanged


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "a/x"),
        ("*/*", "a/x"),
        ("a/y", None),
        ("b/y", "b/y"),
        ("b/y, */*", "a/x"),
        ("a/x;q=0.5, b/y", "b/y"),
        ("b/*;q=0.9, */*;q=0.1", "b/y"),
        ("a/x;q=0, */*", "b/y"),
        ("text/html", None),
    ],
)
def test_the_client_chooses_among_what_is_offered(accept: str, chosen: str | None) -> None:
    assert headers.preferred({b"accept": accept.encode()}, ("a/x", "b/y")) == chosen
