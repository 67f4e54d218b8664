"""Path, query, body and condition become one message. What comes out is judged by google.protobuf."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from protobuf import message_from_json_value

from gateway import templates
from gateway.errors import Violation
from gateway.transcode import shapes
from gateway.transcode.request import IDEMPOTENCY_KEY, IF_MATCH, Request
from gateway.transcode.shapes import Shapes
from tests.unit.gateway import toy

SHAPES = Shapes(toy.library().registry)

CREATE = ("CreateBook", "POST /v1/shelves/{book.shelf}/books")
GET = ("GetBook", "GET /v1/shelves/{shelf}/books/{book}")
LIST = ("ListBooks", "GET /v1/shelves/{shelf}/books")
DELETE = ("DeleteBook", "DELETE /v1/shelves/{shelf}/books/{book}")
PATCH = ("Edit", "PATCH /v1/things/{thing.int32_value}")
PUT = ("Edit", "PUT /v1/things/{thing.int32_value}")
POST = ("Edit", "POST /v1/things/{thing.int32_value}")
PATCH_WHOLE = ("Edit", "PATCH /v1/things")
PATCH_NAMES = ("Edit", "PATCH /v1/things/{thing.int32_value}/names")
LEND = ("LendBook", "POST /v1/shelves/{shelf}/books/{book}:lend")
ECHO = ("Echo", "POST /v1/echo")
ECHO_QUERY = ("Echo", "GET /v1/echo")
ECHO_PATH = ("Echo", "GET /v1/echo/{int32_value}/{kind}/{nested.name}")
ECHO_NESTED = ("Echo", "PUT /v1/echo/nested/{text}")
ECHO_NAMES = ("Echo", "PUT /v1/echo/names/{nested.my_number}")
ECHO_NUMBER = ("Echo", "PATCH /v1/echo/{nested.my_number}")
ECHO_CHOICE = ("Echo", "PATCH /v1/echo/one/{choice_text}")

Route = tuple[str, str]


def request(route: Route) -> Request:
    method, binding, template = toy.binding(*route)
    return Request(method, binding, template, SHAPES)


def understood(route: Route, data: bytes) -> Any:
    """What a server reads, as json_format tells it."""
    message = toy.google_type(toy.method(route[0]).input.name).FromString(data)
    return json_format.MessageToDict(message, descriptor_pool=toy.pool())


@pytest.mark.parametrize(
    ("route", "values", "query", "body", "message"),
    [
        pytest.param(GET, ["a/b", "é"], "", "", {"shelf": "a/b", "book": "é"}, id="path"),
        pytest.param(
            LIST, ["s"], "page_size=5&pageToken=x", "", {"shelf": "s", "pageSize": 5, "pageToken": "x"}, id="query"
        ),
        pytest.param(LIST, ["s"], "shelf=s", "", {"shelf": "s"}, id="the path's own value again"),
        pytest.param(LIST, ["s"], "&page_token=a+b%20c%2B%26&", "", {"shelf": "s", "pageToken": "a b c+&"}, id="plus"),
        pytest.param(LIST, ["s"], "page_token=", "", {"shelf": "s"}, id="empty text"),
        pytest.param(CREATE, ["s"], "", '{"title":"T"}', {"book": {"shelf": "s", "title": "T"}}, id="body field"),
        pytest.param(CREATE, ["s"], "", "null", {"book": {"shelf": "s"}}, id="body field of null"),
        pytest.param(CREATE, ["s"], "", "", {"book": {"shelf": "s"}}, id="no body"),
        pytest.param(CREATE, ["s"], "", '{"shelf":"s"}', {"book": {"shelf": "s"}}, id="same value in path and body"),
        pytest.param(CREATE, ["s"], "", '{"shelf":null}', {"book": {"shelf": "s"}}, id="null says nothing"),
        pytest.param(
            CREATE,
            ["s"],
            "validate_only=true",
            '{"createTime":"2026-01-31T12:00:00Z","etag":"e"}',
            {"book": {"shelf": "s", "createTime": "2026-01-31T12:00:00Z", "etag": "e"}, "validateOnly": True},
            id="query beside the body field",
        ),
        pytest.param(
            LEND, ["s", "b"], "", '{"reader":"r"}', {"shelf": "s", "book": "b", "reader": "r"}, id="whole body"
        ),
        pytest.param(LEND, ["s", "b"], "", "", {"shelf": "s", "book": "b"}, id="whole body, empty"),
        pytest.param(
            ECHO_PATH,
            ["-7", "PAPER", "n"],
            "nested.my_number=3",
            "",
            {"int32Value": -7, "kind": "PAPER", "nested": {"name": "n", "myNumber": 3}},
            id="typed path",
        ),
        pytest.param(
            ECHO_PATH,
            ["1", "2", "n"],
            "kind=SCREEN",
            "",
            {"int32Value": 1, "kind": "SCREEN", "nested": {"name": "n"}},
            id="one value in two spellings",
        ),
        pytest.param(
            ECHO_NESTED,
            ["t"],
            "maybe=m",
            '{"my_number":"12"}',
            {"text": "t", "maybe": "m", "nested": {"myNumber": 12}, "mask": "*"},
            id="both spellings in a body",
        ),
        pytest.param(
            ECHO_NAMES, ["1"], "", '["a","b"]', {"nested": {"myNumber": 1}, "names": ["a", "b"]}, id="list for a body"
        ),
        pytest.param(
            ECHO_NUMBER,
            ["5"],
            "",
            '{"nested":{"my_number":5,"name":"n"}}',
            {"nested": {"myNumber": 5, "name": "n"}},
            id="path inside the body",
        ),
        pytest.param(ECHO_NUMBER, ["5"], "", '{"nested":null}', {"nested": {"myNumber": 5}}, id="path inside of null"),
        pytest.param(ECHO_CHOICE, ["c"], "", '{"choiceNumber":null}', {"choiceText": "c"}, id="null is no choice"),
        pytest.param(
            ECHO, [], "", '{"choiceNumber":null,"choiceText":"a"}', {"choiceText": "a"}, id="null before the choice"
        ),
        pytest.param(
            ECHO, [], "", '{"choiceText":"a","choiceNumber":null}', {"choiceText": "a"}, id="null behind the choice"
        ),
    ],
)
def test_reads(route: Route, values: list[str], query: str, body: str, message: dict[str, Any]) -> None:
    assert understood(route, request(route).encode(values, query.encode(), body.encode())) == message


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("text=a%00b", {"text": "a\0b"}),
        ("text=%C3%A9", {"text": "é"}),
        ("int32Value=-2147483648", {"int32Value": -2147483648}),
        ("int64_value=9223372036854775807", {"int64Value": "9223372036854775807"}),
        ("uint32_value=4294967295", {"uint32Value": 4294967295}),
        ("uint64_value=18446744073709551615", {"uint64Value": "18446744073709551615"}),
        ("sint32_value=-1", {"sint32Value": -1}),
        ("fixed64_value=1", {"fixed64Value": "1"}),
        ("double_value=-1.5e3", {"doubleValue": -1500.0}),
        ("double_value=NaN", {"doubleValue": "NaN"}),
        ("float_value=-Infinity", {"floatValue": "-Infinity"}),
        ("bool_value=true", {"boolValue": True}),
        ("bytes_value=_-8", {"bytesValue": "/+8="}),
        ("bytes_value=/%2B8=", {"bytesValue": "/+8="}),
        ("kind=PAPER", {"kind": "PAPER"}),
        ("kind=1", {"kind": "PAPER"}),
        ("kind=17", {"kind": 17}),
        ("maybe=", {"maybe": ""}),
        ("maybe", {"maybe": ""}),
        ("nested.inner.inner.name=x", {"nested": {"inner": {"inner": {"name": "x"}}}}),
        ("nested.tags=a&nested.tags=b", {"nested": {"tags": ["a", "b"]}}),
        ("names=b&text=t&names=a", {"names": ["b", "a"], "text": "t"}),
        ("numbers=1&numbers=2", {"numbers": [1, 2]}),
        ("kinds=1&kinds=SCREEN", {"kinds": ["PAPER", "SCREEN"]}),
        ("choice_number=0", {"choiceNumber": 0}),
        ("time=2026-01-31T12:00:00.5%2B01:00", {"time": "2026-01-31T11:00:00.500Z"}),
        (
            "times=2026-01-31T12:00:00Z&times=2026-02-01T00:00:00Z",
            {"times": ["2026-01-31T12:00:00Z", "2026-02-01T00:00:00Z"]},
        ),
        ("duration=1.5s", {"duration": "1.500s"}),
        ("mask=text,nested.myNumber", {"mask": "text,nested.myNumber"}),
        ("wrapped_bool=false", {"wrappedBool": False}),
        ("wrapped_number=7", {"wrappedNumber": "7"}),
        ("wrapped_text=", {"wrappedText": ""}),
        ("counts[a]=1&counts[%C3%A9.b%5D]=2", {"counts": {"a": 1, "é.b]": 2}}),
        ("counts%5B%5D=1", {"counts": {"": 1}}),
        ('struct={"a":[1,null]}', {"struct": {"a": [1.0, None]}}),
        ("value=null", {"value": None}),
        ('value="x"', {"value": "x"}),
        ("otherName=1", {"otherName": 1}),
        ("renamed=1", {"otherName": 1}),
    ],
)
def test_reads_a_query(query: str, message: dict[str, Any]) -> None:
    assert understood(ECHO_QUERY, request(ECHO_QUERY).encode([], query.encode())) == message


@pytest.mark.parametrize(
    ("route", "values", "query", "field", "complaint"),
    [
        (LIST, ["s"], "nothing=1", "nothing", "not a query parameter of this method"),
        (LIST, ["s"], "shelf=t", "shelf", "the path says otherwise"),
        (LIST, ["s"], "page_size=1&page_size=1", "page_size", "given more than once"),
        (LIST, ["s"], "page_size=1&pageSize=1", "pageSize", "given more than once"),
        (LIST, ["s"], "page_size=", "page_size", "expected a 32-bit integer"),
        (LIST, ["s"], "page_size=x", "page_size", "expected a 32-bit integer"),
        (LIST, ["s"], "pageSize=2147483648", "pageSize", "expected a 32-bit integer"),
        (LIST, ["s"], "page_size=2147483648", "page_size", "expected a 32-bit integer"),
        (LIST, ["s"], "page_size=1_000", "page_size", "expected a 32-bit integer"),
        (LIST, ["s"], "page_size=%2B1", "page_size", "expected a 32-bit integer"),
        (LIST, ["s"], "page_size=1.0", "page_size", "expected a 32-bit integer"),
        (LIST, ["s"], "page_size=%D9%A1", "page_size", "expected a 32-bit integer"),
        (LIST, ["s"], "page_token=%zz", "", "the query is not percent-encoded UTF-8"),
        (LIST, ["s"], "page_token=%ff", "", "the query is not percent-encoded UTF-8"),
        (LIST, ["s"], "page_token.x=1", "page_token.x", "'page_token' has no fields"),
        (LIST, ["s"], "=1", "", "not a query parameter"),
        (LEND, ["s", "b"], "reader=r", "reader", "all fields of this method are sent in the body"),
        (CREATE, ["s"], "book.title=t", "book.title", "this field is sent in the body"),
        (ECHO_QUERY, [], "bool_value=True", "bool_value", "expected true or false"),
        (ECHO_QUERY, [], "bool_value=1", "bool_value", "expected true or false"),
        (ECHO_QUERY, [], "bool_value", "bool_value", "expected true or false"),
        (ECHO_QUERY, [], "wrapped_bool=yes", "wrapped_bool", "expected true or false"),
        (ECHO_QUERY, [], "kind=HARDBACK", "kind", "expected one of KIND_UNSPECIFIED, PAPER, SCREEN"),
        (ECHO_QUERY, [], "kind=paper", "kind", "expected one of KIND_UNSPECIFIED, PAPER, SCREEN"),
        (ECHO_QUERY, [], "kind=99999999999999999999", "kind", "expected one of KIND_UNSPECIFIED, PAPER, SCREEN"),
        (ECHO_QUERY, [], "numbers=1&numbers=x", "numbers", "expected a 32-bit integer"),
        (ECHO_QUERY, [], "numbers=1&numbers=9999999999", "numbers[1]", "expected a 32-bit integer"),
        (ECHO_QUERY, [], "uint32_value=-1", "uint32_value", "expected an unsigned 32-bit integer"),
        (ECHO_QUERY, [], "double_value=1e400", "double_value", "expected a number"),
        (ECHO_QUERY, [], "double_value=0x1", "double_value", "expected a number"),
        (ECHO_QUERY, [], "float_value=1e39", "float_value", "expected a number within the range of a 32-bit float"),
        (ECHO_QUERY, [], "bytes_value=!", "bytes_value", "expected base64"),
        (ECHO_QUERY, [], "time=yesterday", "time", "expected a timestamp such as 2026-01-31T12:00:00Z"),
        (ECHO_QUERY, [], "time.seconds=1", "time.seconds", "'time' has no fields"),
        (ECHO_QUERY, [], "duration=1h", "duration", "expected a duration in seconds such as 1.5s"),
        (ECHO_QUERY, [], "mask=my_field", "mask", "expected field paths in lowerCamelCase"),
        (ECHO_QUERY, [], "nested=x", "nested", "is a message and cannot be used"),
        (ECHO_QUERY, [], "nested.nothing=x", "nested.nothing", "library.v1.Nested has no field 'nothing'"),
        (
            ECHO_QUERY,
            [],
            f"nested.{'inner.' * 600}name=x",
            f"nested.{'inner.' * 600}name",
            "not a query parameter of this method: nested deeper than 100 levels",
        ),
        (ECHO_QUERY, [], "counts=x", "counts", "is a map and takes counts[KEY]=VALUE"),
        (ECHO_QUERY, [], "counts[a]=x", "counts[a]", "expected a 32-bit integer"),
        (ECHO_QUERY, [], "counts[a]=9999999999", "counts[a]", "expected a 32-bit integer"),
        (ECHO_QUERY, [], "counts[a]=1&counts[a]=1", "counts[a]", "given more than once"),
        (ECHO_QUERY, [], "text[a]=x", "text[a]", "the field 'text' is not a map"),
        (ECHO_QUERY, [], "by_number[1]=x", "by_number[1]", "is a map of messages"),
        (ECHO_QUERY, [], "struct=[]", "struct", "expected an object"),
        (ECHO_QUERY, [], "struct={", "struct", "expected an object"),
        (ECHO_QUERY, [], "struct=" + "[NaN," + "[" * 3000, "struct", "expected an object"),
        (ECHO_QUERY, [], "struct=" + '{"a":' * 40 + "1" + "}" * 40, "struct", "nested deeper than 30 levels"),
        (ECHO_QUERY, [], "value=x", "value", "expected any JSON value"),
        (ECHO_QUERY, [], 'value={"a":1,"a":1}', "value", "expected any JSON value"),
        (ECHO_QUERY, [], "any={}", "any", "is a message and cannot be used"),
        (ECHO_QUERY, [], "names=a&" * 1001, "", "the query has more than 1000 parameters"),
        (ECHO_QUERY, [], "nests.name=x", "nests.name", "'nests' has no fields"),
        (ECHO_QUERY, [], "choice_text=a&choice_number=1", "choice_number", "only one member of the oneof 'choice'"),
        (ECHO_PATH, ["x", "PAPER", "n"], "", "int32_value", "expected a 32-bit integer"),
        (ECHO_PATH, ["9999999999", "PAPER", "n"], "", "int32_value", "expected a 32-bit integer"),
        (ECHO_PATH, ["1", "NONE", "n"], "", "kind", "expected one of KIND_UNSPECIFIED, PAPER, SCREEN"),
        (ECHO_PATH, ["1", "1", "n"], "nested.name=m", "nested.name", "the path says otherwise"),
    ],
)
def test_refuses_a_query_or_a_path(route: Route, values: list[str], query: str, field: str, complaint: str) -> None:
    with pytest.raises(Violation) as refused:
        request(route).encode(values, query.encode())
    assert refused.value.field == field
    assert complaint in refused.value.description


@pytest.mark.parametrize(
    ("route", "values", "body", "field", "complaint"),
    [
        (CREATE, ["s"], '{"title":5}', "book.title", "expected a string"),
        (CREATE, ["s"], '{"titel":"x"}', "book.titel", "unknown field"),
        (CREATE, ["s"], '{"title":"a","title":"a"}', "book.title", "given more than once"),
        (CREATE, ["s"], '{"createTime":null,"create_time":null}', "book.create_time", "given more than once"),
        (CREATE, ["s"], '{"shelf":"other"}', "book.shelf", "the path says otherwise"),
        (CREATE, ["s"], '{"title":"\\ud800"}', "book.title", "not Unicode: a surrogate without its other half"),
        (CREATE, ["s"], '{"\\ud800":"x"}', "book.\ud800", "unknown field"),
        (CREATE, ["s"], '{"authors":"x"}', "book.authors", "expected a list"),
        (CREATE, ["s"], '{"authors":["x",5]}', "book.authors[1]", "expected a string"),
        (CREATE, ["s"], '{"authors":[null]}', "book.authors[0]", "expected a string"),
        (CREATE, ["s"], '{"pages":1e400}', "book.pages", "a number too large for any field"),
        (CREATE, ["s"], '{"pages":NaN}', "book.pages", "NaN is not JSON"),
        (CREATE, ["s"], '{"pages":1.5}', "book.pages", "expected a 32-bit integer"),
        (CREATE, ["s"], '{"pages":true}', "book.pages", "expected a 32-bit integer"),
        (CREATE, ["s"], "[]", "book", "expected an object"),
        (CREATE, ["s"], '"x"', "book", "expected an object"),
        (CREATE, ["s"], '{"title"', "", "malformed JSON at line 1, column 9"),
        (CREATE, ["s"], "{}{}", "", "more than one JSON value at line 1, column 3"),
        (CREATE, ["s"], "{} x", "", "more than one JSON value at line 1, column 4"),
        (CREATE, ["s"], "{'title':1}", "", "malformed JSON at line 1, column 2"),
        (CREATE, ["s"], '{"title":"a\nb"}', "", "malformed JSON at line 1, column 12"),
        (LEND, ["s", "b"], "[]", "", "expected an object"),
        (LEND, ["s", "b"], "null", "", "expected an object"),
        (LEND, ["s", "b"], '{"shelf":"t"}', "shelf", "the path says otherwise"),
        (LEND, ["s", "b"], '{"shelf":5}', "shelf", "the path says otherwise"),
        (LEND, ["s", "b"], '{"shelf":""}', "shelf", "the path says otherwise"),
        (ECHO_NUMBER, ["5"], '{"nested":{"myNumber":6}}', "nested.myNumber", "the path says otherwise"),
        (ECHO_NUMBER, ["5"], '{"nested":[]}', "nested", "expected an object"),
        (ECHO_NUMBER, ["5"], '{"nested":{"myNumber":5,"my_number":5}}', "nested.my_number", "given more than once"),
        (ECHO_CHOICE, ["c"], '{"choiceNumber":1}', "choice_text", "only one member of the oneof 'choice'"),
        (ECHO_NAMES, ["1"], '["a",{"x":1,"x":2}]', "names[1].x", "given more than once"),
        (ECHO_NAMES, ["1"], '["a",7]', "names[1]", "expected a string"),
        (ECHO, [], '{"otherName":1,"renamed":1}', "renamed", "otherName and renamed are one field"),
        (ECHO, [], '{"myNumber":1}', "myNumber", "unknown field"),
        (ECHO, [], '{"kind":"HARDBACK"}', "kind", "expected one of KIND_UNSPECIFIED, PAPER, SCREEN"),
        (ECHO, [], '{"boolValue":"true"}', "boolValue", "expected true or false"),
        (ECHO, [], '{"choiceText":"a","choiceNumber":1}', "choiceNumber", "only one member of the oneof 'choice'"),
        (ECHO, [], '{"choiceNested":{"name":1}}', "choiceNested.name", "expected a string"),
        (ECHO, [], '{"nests":[{},{"inner":{"x":1}}]}', "nests[1].inner.x", "unknown field"),
        (ECHO, [], '{"nests":[{"tags":[5]}]}', "nests[0].tags[0]", "expected a string"),
        (ECHO, [], '{"nests":{"x":1}}', "nests", "expected a list"),
        (ECHO, [], '{"nests":[null]}', "nests[0]", "expected an object"),
        (ECHO, [], '{"counts":{"a":"x"}}', 'counts["a"]', "expected a 32-bit integer"),
        (ECHO, [], '{"counts":{"a":1,"a":1}}', "counts.a", "given more than once"),
        (ECHO, [], '{"counts":[]}', "counts", "expected an object"),
        (ECHO, [], '{"choiceText":"a","choice_text":null}', "choice_text", "only one member of the oneof 'choice'"),
        (ECHO, [], '{"choice_text":null,"choiceText":"a"}', "choiceText", "only one member of the oneof 'choice'"),
        (ECHO, [], '{"byNumber":{"1":{},"01":{}}}', 'byNumber["01"]', "given more than once"),
        (ECHO, [], '{"stamps":{"-1":null,"-01":null}}', 'stamps["-01"]', "given more than once"),
        (ECHO, [], '{"byNumber":{"x":{}}}', 'byNumber["x"]', "expected an integer"),
        (ECHO, [], '{"byNumber":{"1.0":{},"1":{}}}', 'byNumber["1.0"]', "expected an integer"),
        (ECHO, [], '{"byNumber":{"0":{},"-00":{}}}', 'byNumber["-00"]', "given more than once"),
        (ECHO, [], '{"byNumber":{"1":{"name":1}}}', 'byNumber["1"].name', "expected a string"),
        (ECHO, [], '{"byNumber":{"1":{"nothing":1}}}', 'byNumber["1"].nothing', "unknown field"),
        (ECHO, [], '{"struct":{"a":1e999}}', "struct.a", "a number too large for any field"),
        (ECHO, [], '{"struct":{"a":1,"a":2}}', "struct.a", "given more than once"),
        (ECHO, [], '{"struct":{"a":"\\ud800"}}', "struct", "not Unicode"),
        (ECHO, [], '{"value":-Infinity}', "value", "-Infinity is not JSON"),
        (ECHO, [], '{"any":{"@type":"x/no.Such"}}', "any", 'expected an object with an "@type" that this server knows'),
        (ECHO, [], '{"mask":"my_field"}', "mask", "expected field paths in lowerCamelCase"),
        (ECHO, [], '{"text":' + "9" * 5000 + "}", "", "a number too large for any field"),
        (ECHO, [], '{"text":NaN', "", "malformed JSON at line 1, column 12"),
        (ECHO, [], '{"numbers":[1e999,', "", "malformed JSON at line 1, column 19"),
        (ECHO, [], '{"struct":{"a":1,"a":2}, "b', "", "malformed JSON at line 1, column 26"),
        (ECHO, [], '{"value":NaN}{}', "", "more than one JSON value at line 1, column 14"),
        (ECHO, [], '{"list":[NaN,' + "9" * 5000 + "]}", "", "a number too large for any field"),
        (ECHO, [], '{"list":[NaN,' + "[" * 100_000, "", "nested deeper than 100 levels"),
        (ECHO, [], '{"list":[NaN,' + "[" * 700 + "]" * 700 + "]}", "list[0]", "NaN is not JSON"),
        (ECHO, [], '{"list":[' + "[" * 700 + "]" * 700 + ",NaN]}", "list[1]", "NaN is not JSON"),
        (ECHO, [], '{"value":' + "[" * 100 + "]" * 100 + "}", "", "nested deeper than 100 levels"),
        (ECHO, [], "[" * 100_000, "", "nested deeper than 100 levels"),
        (ECHO, [], '{"nested":' + '{"inner":' * 100 + "{}" + "}" * 101, "", "nested deeper than 100 levels"),
        (ECHO, [], '\ufeff{"text":"x"}', "", "malformed JSON"),
    ],
)
def test_refuses_a_body(route: Route, values: list[str], body: str, field: str, complaint: str) -> None:
    with pytest.raises(Violation) as refused:
        request(route).encode(values, b"", body.encode("utf-8", "surrogatepass"))
    assert refused.value.field == field
    assert complaint in refused.value.description


@pytest.mark.parametrize(
    "body", [b"\xff", b'{"text":"\xff"}', b'{"text":"\xed\xa0\x80"}', '{"text":"x"}'.encode("utf-16")]
)
def test_refuses_a_body_that_is_not_utf_8(body: bytes) -> None:
    with pytest.raises(Violation, match="the body is not UTF-8"):
        request(ECHO).encode([], b"", body)


MANY = 2_000
NUMBERS = ",".join(["1"] * MANY)
TEXTS = ",".join(['"t"'] * MANY)
NESTS = ",".join(['{"name":"n","tags":["t"]}'] * MANY)


def keyed(item: str) -> str:
    return ",".join(f'"{index}":{item}' for index in range(MANY))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param(f'{{"numbers":[{NUMBERS},"x"]}}', f"numbers[{MANY}]", id="last of a list"),
        pytest.param(f'{{"numbers":["x",{NUMBERS},"y"]}}', "numbers[0]", id="first of two in a list"),
        pytest.param(f'{{"counts":{{{keyed("1")},"b":"x"}}}}', 'counts["b"]', id="map"),
        pytest.param(f'{{"nests":[{NESTS},{{"tags":[1]}}]}}', f"nests[{MANY}].tags[0]", id="list of messages"),
        pytest.param(f'{{"nests":[{NESTS},{{}},5]}}', f"nests[{MANY + 1}]", id="not a message"),
        pytest.param(f'{{"byNumber":{{{keyed("{}")},"x":{{}}}}}}', 'byNumber["x"]', id="key of a map"),
        pytest.param(
            f'{{"byNumber":{{{keyed("{}")},"-1":{{"name":1}}}}}}', 'byNumber["-1"].name', id="map of messages"
        ),
        pytest.param(f'{{"numbers":[{NUMBERS}],"text":1}}', "text", id="behind a list"),
        pytest.param(f'{{"names":[{NUMBERS}],"numbers":[{NUMBERS}]}}', "names[0]", id="all of a list"),
        pytest.param(
            '{"nested":' + '{"inner":' * 90 + f'{{"tags":["t",{NUMBERS}]}}' + ',"myNumber":"x"}' * 90 + "}",
            f"nested{'.inner' * 90}.tags[1]",
            id="deep, and wrong at each level",
        ),
        pytest.param(
            '{"nested":' + '{"inner":' * 90 + f'{{"tags":[{TEXTS}]}}' + ',"myNumber":"x"}' * 90 + "}",
            f"nested{'.inner' * 89}.myNumber",
            id="right where it is deepest",
        ),
    ],
)
def test_finds_what_is_wrong_without_a_look_at_each_value(
    monkeypatch: pytest.MonkeyPatch, body: str, field: str
) -> None:
    calls: list[int] = []

    def counted(kind: Any, tree: Any, **options: Any) -> Any:
        calls.append(len(json.dumps(tree)))
        return message_from_json_value(kind, tree, **options)

    monkeypatch.setattr(shapes, "message_from_json_value", counted)
    with pytest.raises(Violation) as refused:
        request(ECHO).encode([], b"", body.encode())
    assert refused.value.field == field
    assert len(calls) < 300
    assert sum(calls) < 4 * len(json.dumps(json.loads(body)))


def test_reads_ninety_nine_levels() -> None:
    body = '{"nested":' + '{"inner":' * 97 + "{}" + "}" * 98
    assert request(ECHO).encode([], b"", body.encode())


FREE = """
service S { rpc Put(M) returns (M) { option (google.api.http) = { post: "/v1/m" body: "*" }; } }
message M {
  M inner = 1;
  map<string, M> inners = 2;
  google.protobuf.Struct struct = 3;
  google.protobuf.Value value = 4;
  google.protobuf.ListValue list = 5;
  repeated google.protobuf.Value values = 6;
  map<string, google.protobuf.Struct> named = 7;
}
"""


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("body", "levels", "field"),
    [
        pytest.param('{"struct":LEVELS}', 30, "struct", id="struct"),
        pytest.param('{"value":LEVELS}', 30, "value", id="value"),
        pytest.param('{"list":[LEVELS]}', 29, "list", id="list"),
        pytest.param('{"values":[1,LEVELS]}', 30, "values", id="list of values"),
        pytest.param('{"named":{"a":LEVELS}}', 30, "named", id="map"),
        pytest.param(
            '{"inner":' * 30 + '{"struct":LEVELS}' + "}" * 30, 20, f"{'inner.' * 30}struct", id="deep in messages"
        ),
        pytest.param('{"inners":{"a":' * 15 + '{"value":LEVELS}' + "}}" * 15, 20, "", id="deep in maps"),
    ],
)
def test_what_is_free_in_form_has_thirty_levels_or_less(body: str, levels: int, field: str) -> None:
    """Of the hundred that a server reads, each takes three."""
    contract = toy.little(FREE)
    (put,) = contract.methods
    route = Request(put, put.bindings[0], templates.parse("/v1/m"), Shapes(contract.registry))
    data = route.encode([], b"", body.replace("LEVELS", nested(levels)).encode())
    assert toy.google_types(FREE)["toy.v1.M"].FromString(data)
    with pytest.raises(Violation, match=f"nested deeper than {levels + body.count('[L')} levels") as refused:
        route.encode([], b"", body.replace("LEVELS", nested(levels + 1)).encode())
    assert refused.value.field == field or not field


def test_reads_a_name_of_a_hundred_levels() -> None:
    assert request(ECHO_QUERY).encode([], f"nested.{'inner.' * 98}name=x".encode())
    with pytest.raises(Violation, match="deeper than 100"):
        request(ECHO_QUERY).encode([], f"nested.{'inner.' * 99}name=x".encode())


def test_puts_the_wanted_version_where_the_option_says() -> None:
    data = request(LEND).encode(["s", "b"], b"", b'{"reader":"r"}', {IF_MATCH: "7"})
    assert understood(LEND, data) == {"shelf": "s", "book": "b", "reader": "r", "etag": "7"}


def test_a_body_may_repeat_the_wanted_version_but_not_change_it() -> None:
    assert request(LEND).encode(["s", "b"], b"", b'{"etag":"7"}', {IF_MATCH: "7"})
    with pytest.raises(Violation) as refused:
        request(LEND).encode(["s", "b"], b"", b'{"etag":"8"}', {IF_MATCH: "7"})
    assert (refused.value.field, refused.value.description) == ("etag", "the If-Match header says otherwise")


def test_headers_fill_fields_beside_path_and_query() -> None:
    said = {IF_MATCH: "7", IDEMPOTENCY_KEY: "a-1"}
    assert understood(DELETE, request(DELETE).encode(["s", "b"], b"", b"", said)) == {
        "shelf": "s",
        "book": "b",
        "etag": "7",
        "attempt": "a-1",
    }
    with pytest.raises(Violation) as refused:
        request(DELETE).encode(["s", "b"], b"etag=7&attempt=a-2", b"", said)
    assert (refused.value.field, refused.value.description) == ("attempt", "the Idempotency-Key header says otherwise")


def test_takes_no_header_without_the_option() -> None:
    assert request(DELETE).takes(IDEMPOTENCY_KEY)
    assert not request(GET).takes(IDEMPOTENCY_KEY)
    assert not request(CREATE).takes(IF_MATCH)


def mask(route: Route, query: str, body: str) -> list[str] | None:
    """The mask that a server reads; None where there is none at all."""
    data = request(route).encode([] if route == PATCH_WHOLE else ["7"], query.encode(), body.encode())
    message = toy.google_type("EditRequest").FromString(data)
    return list(message.update_mask.paths) if message.HasField("update_mask") else None


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        pytest.param('{"text":"t"}', ["text"], id="one field"),
        pytest.param('{"boolValue":false,"bytes_value":""}', ["bool_value", "bytes_value"], id="both spellings"),
        pytest.param('{"text":null}', ["text"], id="null clears"),
        pytest.param('{"otherName":1}', ["renamed"], id="a JSON name of its own"),
        pytest.param('{"part2":"x"}', ["part_2"], id="a name that JSON masks cannot spell"),
        pytest.param('{"nested":{"name":"n","myNumber":1}}', ["nested.name", "nested.my_number"], id="nested"),
        pytest.param('{"nested":{"inner":{"tags":[]}}}', ["nested.inner.tags"], id="deeper"),
        pytest.param('{"nested":{"name":null}}', ["nested.name"], id="null inside"),
        pytest.param('{"nested":{}}', ["nested"], id="an empty message"),
        pytest.param('{"nested":null}', ["nested"], id="no message"),
        pytest.param('{"choiceNested":{"name":"n"}}', ["choice_nested.name"], id="a member of a oneof"),
        pytest.param('{"names":["a"],"nests":[{"name":"n"}]}', ["names", "nests"], id="lists"),
        pytest.param('{"counts":{"a":1},"byNumber":{"1":{"name":"n"}}}', ["counts", "by_number"], id="maps"),
        pytest.param(
            '{"time":"2026-01-31T12:00:00Z","duration":"1s","mask":"text"}', ["time", "duration", "mask"], id="text"
        ),
        pytest.param('{"struct":{"a":{"b":1}},"value":{"a":1}}', ["struct", "value"], id="Struct and Value"),
        pytest.param('{"value":null}', ["value"], id="null is a Value"),
        pytest.param('{"any":{"@type":"type.googleapis.com/library.v1.Nested","name":"n"}}', ["any"], id="any"),
        pytest.param('{"int32Value":7}', ["int32_value"], id="what the path says, sent again"),
        pytest.param("{}", [], id="an edit of nothing"),
    ],
)
def test_patch_names_what_it_sends(body: str, paths: list[str]) -> None:
    assert mask(PATCH, "", body) == paths
    assert mask(PUT, "", body) == ["*"]
    assert mask(POST, "", body) is None


@pytest.mark.parametrize(
    ("route", "query", "body", "paths"),
    [
        pytest.param(PATCH, "updateMask=text,nested.myNumber", '{"kind":1}', ["text", "nested.my_number"], id="PATCH"),
        pytest.param(PUT, "update_mask=text", "{}", ["text"], id="PUT"),
        pytest.param(PATCH, "updateMask=*", '{"text":"t"}', ["*"], id="everything"),
        pytest.param(PATCH, "updateMask=", '{"text":"t"}', [], id="an empty one"),
        pytest.param(PATCH, "read_mask=text", '{"text":"t"}', ["text"], id="the other mask is another thing"),
        pytest.param(PATCH_WHOLE, "", '{"thing":{"text":"t"},"updateMask":"kind"}', ["kind"], id="in a whole body"),
        pytest.param(PATCH_WHOLE, "", '{"thing":{"text":"t"}}', None, id="none in a whole body"),
        pytest.param(PATCH_NAMES, "", '["a"]', None, id="a body that is no message"),
        pytest.param(PATCH, "", "", None, id="PATCH of no body"),
        pytest.param(PUT, "", "", None, id="PUT of no body"),
        pytest.param(PUT, "", "null", None, id="PUT of null"),
    ],
)
def test_a_mask_of_the_clients_own_wins(route: Route, query: str, body: str, paths: list[str] | None) -> None:
    assert mask(route, query, body) == paths


@pytest.mark.parametrize(
    ("body", "field"), [('{"x":1}', "thing.x"), ('{"nested":{"x":1}}', "thing.nested.x"), ("[1]", "thing")]
)
def test_an_implied_mask_hides_no_mistake(body: str, field: str) -> None:
    with pytest.raises(Violation) as refused:
        request(PATCH).encode(["7"], b"", body.encode())
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("fields", "implied"),
    [
        ("google.protobuf.FieldMask mask = 2;", True),
        ("google.protobuf.FieldMask a = 2; google.protobuf.FieldMask b = 3;", False),
        ("google.protobuf.FieldMask a = 2; google.protobuf.FieldMask read_mask = 3;", True),
        ("google.protobuf.FieldMask read_mask = 2;", False),
        ("google.protobuf.FieldMask a = 2; google.protobuf.FieldMask update_mask = 3;", True),
        ("repeated google.protobuf.FieldMask update_mask = 2;", False),
        ("oneof one { google.protobuf.FieldMask update_mask = 2; string x = 3; }", False),
        ("string update_mask = 2;", False),
    ],
)
def test_which_field_is_the_mask(fields: str, implied: bool) -> None:  # noqa: FBT001 - a column of the table
    contract = toy.little(
        "message M { string name = 1; }"
        f"message R {{ M m = 1; {fields} }}"
        'service S { rpc Edit(R) returns (M) { option (google.api.http) = { patch: "/m" body: "m" }; } }'
    )
    (edit,) = contract.methods
    route = Request(edit, edit.bindings[0], templates.parse("/m"), Shapes(contract.registry))
    assert (b"name" in route.encode([], b"", b'{"name":"n"}')) is implied


def test_remembers_a_bounded_number_of_parameter_names() -> None:
    echo = request(ECHO_QUERY)
    for depth in range(1, 20):
        for name in ("name", "my_number", "myNumber"):
            echo.encode([], f"nested.{'inner.' * depth}{name}=1".encode())
    assert len(echo._parameters) <= 1_000


def test_takes_a_body_that_another_writer_of_proto_json_wrote() -> None:
    """Every kind of field at once."""
    wanted = {
        "text": "é\U0001f600",
        "int64Value": "-5",
        "doubleValue": "Infinity",
        "bytesValue": "AAE=",
        "kind": "SCREEN",
        "maybe": "",
        "nested": {"inner": {"tags": ["a"]}},
        "names": ["x", ""],
        "numbers": [1, -2],
        "kinds": ["PAPER", 9],
        "nests": [{}, {"name": "n"}],
        "counts": {"a_b": 1, "aB": 2},
        "byNumber": {"-1": {"name": "n"}},
        "choiceNested": {},
        "time": "2026-01-31T12:00:00.000001Z",
        "duration": "-0.500s",
        "mask": "a,bC.d",
        "wrappedBool": False,
        "wrappedNumber": "0",
        "wrappedText": "",
        "struct": {"a_b": [1, "x", None, {"aB": True}]},
        "value": None,
        "any": {"@type": "type.googleapis.com/library.v1.Nested", "name": "n"},
        "otherName": 3,
    }
    data = request(ECHO).encode([], b"", json.dumps(wanted).encode())
    assert understood(ECHO, data) == wanted


@pytest.mark.parametrize("body", ['{"text":"a","none":null}', '{"none":null,"text":"a"}', '{"none":null,"free":null}'])
def test_where_null_is_a_value_it_is_a_choice(body: str) -> None:
    contract = toy.little(
        "message M { oneof k { string text = 1; google.protobuf.NullValue none = 2; google.protobuf.Value free = 3; } }"
        'service S { rpc R(M) returns (M) { option (google.api.http) = { post: "/a" body: "*" }; } }'
    )
    (method,) = contract.methods
    made = Request(method, method.bindings[0], templates.parse("/a"), Shapes(contract.registry))
    with pytest.raises(Violation, match="only one member of the oneof 'k'"):
        made.encode([], b"", body.encode())
    assert made.encode([], b"", b'{"none":null,"text":null}') == b"\x10\x00"
