"""Google's own client-side transcoder, which all its generated clients use, held against ours.

A random message goes through it, over HTTP to the real gateway, and to a server that sends back what it got.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from google.api_core import rest_helpers
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.integration.gateway.conftest import Running
from tests.unit.gateway import toy
from tests.unit.gateway.messages import everything, int32s, kinds, texts

UNSENDABLE = ("nests", "counts", "by_number", "flags", "files", "stamps", "struct", "value", "list")
"""What its clients cannot put into a query: lists of messages, maps, and JSON of any kind."""

segments = texts.filter(lambda text: text not in ("", ".", "..") and "/" not in text)
ECHOES: list[tuple[dict[str, str], dict[str, st.SearchStrategy[Any]]]] = [
    ({"method": "post", "uri": "/v1/echo", "body": "*"}, {}),
    ({"method": "get", "uri": "/v1/echo"}, {}),
    (
        {"method": "get", "uri": "/v1/echo/{int32_value}/{kind}/{nested.name}"},
        {"int32_value": int32s, "kind": kinds, "nested.name": segments},
    ),
    (
        {"method": "put", "uri": "/v1/echo/nested/{text}", "body": "nested"},
        {"text": segments, "nested.my_number": int32s},
    ),
    ({"method": "patch", "uri": "/v1/echo/{nested.my_number}", "body": "*"}, {"nested.my_number": int32s}),
    ({"method": "patch", "uri": "/v1/echo/one/{choice_text}", "body": "*"}, {"choice_text": segments}),
]
"""Routes, and what has to be in a message that goes by one: what its path says, and its body."""

FILES = [{"method": "get", "uri": "/v1/files/{path=**}"}, {"method": "get", "uri": "/v1/{path=archives/*/files/**}"}]


def pruned(message: Any) -> bool:
    """Leave nothing empty in it, which a query does not tell from nothing at all; whether anything is left."""
    for field, value in message.ListFields():
        single = field.message_type is not None and not field.is_repeated
        if single and not field.message_type.full_name.startswith("google.") and not pruned(value):
            message.ClearField(field.name)
    return bool(message.ListFields())


async def echoed(gateway: Running, option: dict[str, str], message: Any) -> None:
    """Send it as Google's clients would, and look at what arrives, and at what comes back."""
    request, body, query = rest_helpers.transcode_request([option], message)
    answer = await gateway.client.request(
        request["method"],
        request["uri"],
        params=rest_helpers.flatten_query_params(query, strict=True),  # type: ignore[no-untyped-call] # it has no types
        content=body,
        headers={"content-type": "application/json"} if body is not None else {},
    )
    assert answer.status_code == 200, answer.text
    assert gateway.library.calls.pop()[1] == message
    assert json_format.Parse(answer.text, type(message)(), descriptor_pool=toy.pool()) == message


def ids(options: Sequence[dict[str, str]]) -> list[str]:
    return [f"{option['method']} {option['uri']}" for option in options]


def put(message: Any, path: str, value: Any) -> None:
    way, _, name = path.rpartition(".")
    inner = getattr(message, way) if way else message
    inner.SetInParent()
    setattr(inner, name, value)


@pytest.mark.parametrize(("option", "needed"), ECHOES, ids=ids([option for option, _ in ECHOES]))
@given(message=everything(), data=st.data())
@settings(deadline=None, max_examples=50)
async def test_what_googles_clients_send_arrives_as_it_was(
    shared: Running, option: Any, needed: Any, message: Any, data: st.DataObject
) -> None:
    message.ClearField("any")  # its clients look for the type among those of this process
    if option.get("body") != "*":
        for name in UNSENDABLE:
            message.ClearField(name)
        pruned(message)
    for path, values in needed.items():
        put(message, path, data.draw(values))
    if option["method"] == "put":
        message.mask.paths[:] = ["text"]  # without one, PUT is for everything, and says so
    await echoed(shared, option, message)


@pytest.mark.parametrize("option", FILES, ids=ids(FILES))
@given(names=st.lists(segments, min_size=1, max_size=4))
@settings(deadline=None, max_examples=50)
async def test_names_of_several_segments_arrive_as_they_were(shared: Running, option: Any, names: list[str]) -> None:
    path = "/".join(names)
    if "archives" in option["uri"]:
        path = f"archives/{names[0]}/files/{path}"
    await echoed(shared, option, toy.google_type("GetFileRequest")(path=path))
