"""protobuf-py held against google.protobuf on random messages and random text."""

import json
import string
from typing import Any

from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Violation
from gateway.transcode.request import FORM, Leniency, Request
from gateway.transcode.response import Response
from gateway.transcode.shapes import Shapes
from tests.unit.gateway import toy
from tests.unit.gateway.messages import EVERYTHING, FIELDS, everything

METHOD, BINDING, TEMPLATE = toy.binding("Echo", "POST /v1/echo")
REQUEST = Request(METHOD, BINDING, TEMPLATE, Shapes(toy.library().registry))
LENIENT = Request(METHOD, BINDING, TEMPLATE, Shapes(toy.library().registry), Leniency(members=True))
RESPONSE = Response(METHOD, BINDING, toy.library().registry)


def test_every_field_of_everything_is_tried() -> None:
    elsewhere = {"choice_text", "choice_number", "choice_nested", "mask", "struct", "value", "list", "any"}
    assert {field.name for field in EVERYTHING.DESCRIPTOR.fields} == {*FIELDS, *elsewhere}


@given(everything())
@settings(deadline=None)
def test_a_request_in_json_is_read_as_google_reads_it(message: Any) -> None:
    text = json_format.MessageToJson(message, descriptor_pool=toy.pool(), indent=None)
    read = EVERYTHING.FromString(REQUEST.encode([], b"", text.encode()))
    assert read == json_format.Parse(text, EVERYTHING(), descriptor_pool=toy.pool())


@given(everything())
@settings(deadline=None)
def test_an_answer_is_written_as_google_writes_it(message: Any) -> None:
    ours = json.loads(RESPONSE.decode(message.SerializeToString()).body)
    theirs = json.loads(
        json_format.MessageToJson(message, always_print_fields_with_no_presence=True, descriptor_pool=toy.pool())
    )
    # json_format keeps its own spelling of floats; what counts is the value.
    for one in (ours, theirs):
        value = one["floatValue"]
        message.float_value = float(value)
        one["floatValue"] = message.float_value
    assert ours == theirs


@given(st.text(max_size=40) | st.text(string.printable, max_size=40))
@settings(deadline=None)
def test_no_body_does_worse_than_a_violation(text: str) -> None:
    try:
        REQUEST.encode([], b"", text.encode("utf-8", "surrogatepass"))
    except Violation as violation:
        assert violation.description


NAMES = st.sampled_from([field.name for field in EVERYTHING.DESCRIPTOR.fields] + ["nested.name", "nested.x", "x", ""])
ECHO_QUERY = Request(*toy.binding("Echo", "GET /v1/echo"), Shapes(toy.library().registry))


@given(st.lists(st.tuples(NAMES, st.text(string.printable, max_size=12)), max_size=4))
@settings(deadline=None)
def test_no_query_does_worse_than_a_violation(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={value}" for name, value in pairs)
    try:
        EVERYTHING.FromString(ECHO_QUERY.encode([], query.encode()))
    except Violation as violation:
        assert violation.description


SIGN = Request(*toy.binding("Sign", "POST /v1/sign/{nested.name}"), Shapes(toy.library().registry))
FORM_NAMES = st.sampled_from(["name", "my_number", "inner.name", "inner.inner.tags", "tags", "tags[0]", "x", ""])


@given(st.lists(st.tuples(FORM_NAMES, st.text(string.printable, max_size=12)), max_size=4), st.text(max_size=8))
@settings(deadline=None)
def test_no_form_does_worse_than_a_violation(pairs: list[tuple[str, str]], rest: str) -> None:
    form = "&".join([*(f"{name}={value}" for name, value in pairs), rest])
    try:
        SIGN.encode(["n"], b"", form.encode("utf-8", "surrogatepass"), content_type=FORM)
    except Violation as violation:
        assert violation.description


json_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, json_trees, max_size=5))
@settings(deadline=None)
def test_no_json_does_worse_than_a_violation(tree: dict[str, Any]) -> None:
    for request in (REQUEST, LENIENT):
        try:
            request.encode([], b"", json.dumps(tree).encode())
        except Violation as violation:
            assert violation.description
            assert request is REQUEST or violation.reason != "UNKNOWN_FIELD"


EDIT = Request(*toy.binding("Edit", "PATCH /v1/things/{thing.int32_value}"), Shapes(toy.library().registry))


@given(st.dictionaries(NAMES, json_trees, max_size=5))
@settings(deadline=None)
def test_an_implied_mask_names_what_was_sent_and_nothing_else(tree: dict[str, Any]) -> None:
    try:
        data = EDIT.encode(["7"], b"", json.dumps(tree).encode())
    except Violation:
        return
    paths = toy.google_type("EditRequest").FromString(data).update_mask.paths
    known = EVERYTHING.DESCRIPTOR.fields_by_name
    assert {path.partition(".")[0] for path in paths} == set(tree)
    for path in paths:
        assert path in known or path.startswith(("nested.", "choice_nested."))
