"""An answer's bytes become JSON, an entity tag and a location."""

import json
from typing import Any

import pytest
from google.protobuf import json_format

from gateway.errors import Refusal
from gateway.transcode.response import Response, entity_tag
from tests.unit.gateway import toy


def response(name: str, route: str) -> Response:
    method, binding, _ = toy.binding(name, route)
    return Response(method, binding, toy.library().registry)


def book(**fields: Any) -> bytes:
    return bytes(json_format.ParseDict({"book": fields}, toy.google_type("BookResponse")()).SerializeToString())


CREATE = ("CreateBook", "POST /v1/shelves/{book.shelf}/books")


def test_a_message_is_written_with_its_defaults_and_absent_fields_are_absent() -> None:
    answer = response(*CREATE).decode(book(shelf="s"))
    assert json.loads(answer.body) == {"shelf": "s", "number": "0", "title": "", "authors": [], "etag": ""}


def test_the_whole_message_without_a_response_body() -> None:
    answer = response("CreateBook", "POST /v1/books").decode(book(number=1, pages=0))
    assert json.loads(answer.body) == {
        "book": {"shelf": "", "number": "1", "title": "", "authors": [], "pages": 0, "etag": ""}
    }


def test_an_absent_response_body_is_an_empty_message() -> None:
    assert json.loads(response(*CREATE).decode(b"").body)["title"] == ""


def test_a_list_for_a_response_body() -> None:
    titles = response("ListBooks", "GET /v1/shelves/{shelf}/titles")
    data = toy.google_type("ListBooksResponse")(titles=["é", "b"]).SerializeToString()
    assert titles.decode(data).body == '["é","b"]'.encode()
    assert titles.decode(b"").body == b"[]"


def test_the_location_is_percent_encoded() -> None:
    answer = response(*CREATE).decode(book(shelf="a/b é", number=7))
    assert answer.location == "/v1/shelves/a%2Fb%20%C3%A9/books/7"


def test_the_etag_comes_from_its_field() -> None:
    assert response(*CREATE).decode(book(etag="7")).etag == '"7"'
    assert response(*CREATE).decode(book()).etag is None
    assert response(*CREATE).decode(b"").etag is None


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("7", '"7"'),
        ('"7"', '"7"'),
        ('W/"7"', 'W/"7"'),
        ("", None),
        ('a"b', None),
        ("a b", None),
        ("é", None),
        ("a\r\nb", None),
    ],
)
def test_only_what_can_be_an_entity_tag_becomes_one(value: str, tag: str | None) -> None:
    assert entity_tag(value) == tag


@pytest.mark.parametrize("data", [b"\x0a\x0f", b"\x0a\x04\x0a\x02\xff\xff", b"\xff"])
def test_bytes_that_are_not_the_message_are_an_internal_error(data: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        response(*CREATE).decode(data)
    assert (refused.value.http, refused.value.details[0]["reason"]) == (500, "ANSWER_UNREADABLE")


def test_nothing_is_written_for_204() -> None:
    assert response("DeleteBook", "DELETE /v1/shelves/{shelf}/books/{book}").decode(b"").body == b""


def test_fields_are_spelled_as_the_option_says() -> None:
    data = toy.google_type("Described")(nested_one={"my_number": 3}, my_numbers=[1]).SerializeToString()
    answer = response("Describe", "POST /v1/describe").decode(data)
    assert json.loads(answer.body) == {"nested_one": {"name": "", "my_number": 3, "tags": []}, "my_numbers": [1]}
    assert response("Describe", "GET /v1/describe").decode(data).body == b"[1]"
