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

EVERYTHING = toy.google_type("Everything")
METHOD, BINDING, TEMPLATE = toy.binding("Echo", "POST /v1/echo")
REQUEST = Request(METHOD, BINDING, TEMPLATE, Shapes(toy.library().registry))
LENIENT = Request(METHOD, BINDING, TEMPLATE, Shapes(toy.library().registry), Leniency(members=True))
RESPONSE = Response(METHOD, BINDING, toy.library().registry)

# Surrogates cannot be in a protobuf string.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
int32s = st.integers(-(2**31), 2**31 - 1)
int64s = st.integers(-(2**63), 2**63 - 1)
doubles = st.floats(allow_nan=False)
kinds = st.integers(0, 3)
timestamps = st.fixed_dictionaries(
    {"seconds": st.integers(-62135596800, 253402300799), "nanos": st.integers(0, 999_999_999)}
)
durations = st.builds(
    lambda seconds, nanos: {"seconds": seconds, "nanos": nanos if seconds >= 0 else -nanos},
    st.integers(-315576000000, 315576000000),
    st.integers(0, 999_999_999),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
nesteds = st.recursive(
    st.fixed_dictionaries({}, optional={"name": texts, "my_number": int32s, "tags": st.lists(texts, max_size=2)}),
    lambda inner: st.fixed_dictionaries({}, optional={"name": texts, "inner": inner}),
    max_leaves=3,
)
mask_paths = st.from_regex(r"[a-z]{1,4}(_[a-z]{1,4}){0,2}", fullmatch=True)

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "int32_value": int32s,
    "int64_value": int64s,
    "uint32_value": st.integers(0, 2**32 - 1),
    "uint64_value": st.integers(0, 2**64 - 1),
    "sint32_value": int32s,
    "fixed64_value": st.integers(0, 2**64 - 1),
    "double_value": doubles,
    # Nine digits of the largest float are a little more than it; json_format rounds, protobuf-py refuses.
    "float_value": st.floats(-(2.0**127), 2.0**127, width=32) | st.sampled_from([float("inf"), float("-inf")]),
    "bool_value": st.booleans(),
    "bytes_value": st.binary(max_size=8),
    "kind": kinds,
    "maybe": texts,
    "nested": nesteds,
    "names": st.lists(texts, max_size=3),
    "numbers": st.lists(int32s, max_size=3),
    "kinds": st.lists(kinds, max_size=3),
    "nests": st.lists(nesteds, max_size=2),
    "counts": st.dictionaries(texts, int32s, max_size=3),
    "by_number": st.dictionaries(int32s, nesteds, max_size=2),
    "time": timestamps,
    "duration": durations,
    "wrapped_bool": st.fixed_dictionaries({"value": st.booleans()}),
    "wrapped_number": st.fixed_dictionaries({"value": int64s}),
    "wrapped_text": st.fixed_dictionaries({"value": texts}),
    "renamed": int32s,
    "times": st.lists(timestamps, max_size=2),
}
CHOICES: st.SearchStrategy[dict[str, Any]] = (
    st.fixed_dictionaries({"choice_text": texts})
    | st.fixed_dictionaries({"choice_number": int32s})
    | st.fixed_dictionaries({"choice_nested": nesteds})
    | st.just({})
)


def _fill(message: Any, values: dict[str, Any]) -> None:
    """Set fields of google's message from plain values."""
    for name, value in values.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        target = getattr(message, name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key, item in value.items():
                if isinstance(item, dict):
                    _fill(target[key], item)
                else:
                    target[key] = item
        elif isinstance(value, dict):
            target.SetInParent()
            _fill(target, value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                _fill(target.add(), item)
        elif isinstance(value, list):
            target.extend(value)
        else:
            setattr(message, name, value)


@st.composite
def everything(draw: st.DrawFn) -> Any:
    message = EVERYTHING()
    _fill(message, draw(st.fixed_dictionaries({}, optional=FIELDS)) | draw(CHOICES))
    if draw(st.booleans()):
        message.mask.paths.extend(draw(st.lists(mask_paths, max_size=3)))
    if draw(st.booleans()):
        json_format.ParseDict(draw(st.dictionaries(texts, json_values, max_size=3)), message.struct)
    if draw(st.booleans()):
        json_format.ParseDict(draw(json_values), message.value)
    if draw(st.booleans()):
        inside = toy.google_type("Nested")()
        _fill(inside, draw(nesteds))
        message.any.Pack(inside)
    return message


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
