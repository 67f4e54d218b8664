"""What the client says beside the body."""

from ipaddress import ip_network

import pytest

from gateway.asgi import conditions, encodings, headers, proxies
from gateway.asgi.proxies import Client
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


@pytest.mark.parametrize(("sent", "wanted"), [(b'"7"', '"7"'), (b' "a-b" ', '"a-b"'), (b"*", None), (b'""', '""')])
def test_reads_if_match_for_a_server_that_quotes(sent: bytes, wanted: str | None) -> None:
    assert conditions.wanted_version(sent, quoted=True) == wanted


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


@pytest.mark.parametrize(("sent", "etag"), [(b'"7"', '"7"'), (b'"6", "7"', '"7"'), (b"*", '"7"'), (b"*", 'W/"7"')])
def test_if_match_on_an_answer(sent: bytes, etag: str) -> None:
    conditions.check_matches(sent, etag)


@pytest.mark.parametrize(
    ("sent", "etag"),
    [
        (b'"6"', '"7"'),
        (b'W/"7"', '"7"'),
        (b'"7"', 'W/"7"'),
        (b'W/"7"', 'W/"7"'),
        (b'"7", W/"7"', 'W/"7"'),
        (b'"7"', None),
    ],
)
def test_if_match_compares_strongly(sent: bytes, etag: str | None) -> None:
    with pytest.raises(Refusal) as refused:
        conditions.check_matches(sent, etag)
    assert refused.value.http == 412


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


TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.1", "198.51.100.1", "203.0.113.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "1.1.1.1, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("2001:db8::1", "2001:0DB9::0:7", "2001:db9::7"),
        ("2001:db8::1", "[2001:db9::7]:4711", "2001:db9::7"),
        ("", "198.51.100.1", ""),
    ],
)
def test_who_the_client_is_behind_proxies(peer: str, forwarded: str, address: str) -> None:
    sent = {b"x-forwarded-for": forwarded.encode()} if forwarded else {}
    assert proxies.client(Client(peer, "http"), sent, TRUSTED) == Client(address, "http")


@pytest.mark.parametrize(
    ("peer", "sent", "scheme"),
    [
        ("10.0.0.1", b"https", "https"),
        ("10.0.0.1", b"http, HTTPS", "https"),
        ("10.0.0.1", b"ftp", "http"),
        ("203.0.113.1", b"https", "http"),
    ],
)
def test_how_the_client_came_behind_proxies(peer: str, sent: bytes, scheme: str) -> None:
    assert proxies.client(Client(peer, "http"), {b"x-forwarded-proto": sent}, TRUSTED).scheme == scheme


@pytest.mark.parametrize(
    ("sent", "accepted"),
    [
        (b"", False),
        (b"gzip", True),
        (b"br, GZIP;q=0.5", True),
        (b"*", True),
        (b"gzip;q=0", False),
        (b"gzip;q=0.00, *", False),
        (b"*;q=0", False),
        (b"identity, br", False),
    ],
)
def test_whether_the_client_can_unpack(sent: bytes, accepted: bool) -> None:  # noqa: FBT001 - a column of the table
    assert encodings.accepts({b"accept-encoding": sent}) is accepted


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        (b"application/json", True),
        (b"application/problem+json; charset=utf-8", True),
        (b"text/csv", True),
        (b"image/svg+xml", True),
        (b"image/png", False),
        (b"application/octet-stream", False),
        (b"application/zip", False),
    ],
)
def test_what_is_worth_packing(content_type: bytes, text: bool) -> None:  # noqa: FBT001 - a column of the table
    assert encodings.worthwhile(content_type, b" " * 2000) is text
    assert not encodings.worthwhile(content_type, b" ")


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("x-cost", True),
        ("etag", False),
        ("access-control-allow-origin", False),
        ("grpc-status", False),
        ("a-bin", False),
    ],
)
def test_which_metadata_may_be_returned(name: str, may: bool) -> None:  # noqa: FBT001 - a column of the table
    assert headers.returnable(name) is may
