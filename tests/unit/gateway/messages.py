"""Random messages of the library's types, as google.protobuf has them."""

from typing import Any

from google.protobuf import json_format
from hypothesis import strategies as st

from tests.unit.gateway import toy

EVERYTHING = toy.google_type("Everything")

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
    "part_2": texts,
    "sint64_value": int64s,
    "fixed32_value": st.integers(0, 2**32 - 1),
    "sfixed32_value": int32s,
    "sfixed64_value": int64s,
    "wrapped_int32": st.fixed_dictionaries({"value": int32s}),
    "wrapped_uint32": st.fixed_dictionaries({"value": st.integers(0, 2**32 - 1)}),
    "wrapped_uint64": st.fixed_dictionaries({"value": st.integers(0, 2**64 - 1)}),
    "wrapped_double": st.fixed_dictionaries({"value": doubles}),
    "wrapped_bytes": st.fixed_dictionaries({"value": st.binary(max_size=8)}),
    "flags": st.dictionaries(st.booleans(), kinds, max_size=2),
    "files": st.dictionaries(texts, st.binary(max_size=8), max_size=2),
    "stamps": st.dictionaries(int64s, timestamps, max_size=2),
    "parts": st.lists(st.binary(max_size=8), max_size=3),
    "weights": st.lists(doubles, max_size=3),
    "answers": st.lists(st.booleans(), max_size=3),
}
CHOICES: st.SearchStrategy[dict[str, Any]] = (
    st.fixed_dictionaries({"choice_text": texts})
    | st.fixed_dictionaries({"choice_number": int32s})
    | st.fixed_dictionaries({"choice_nested": nesteds})
    | st.just({})
)


def fill(message: Any, values: dict[str, Any]) -> None:
    """Set fields of google's message from plain values."""
    for name, value in values.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        target = getattr(message, name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key, item in value.items():
                if isinstance(item, dict):
                    fill(target[key], item)
                else:
                    target[key] = item
        elif isinstance(value, dict):
            target.SetInParent()
            fill(target, value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                fill(target.add(), item)
        elif isinstance(value, list):
            target.extend(value)
        else:
            setattr(message, name, value)


@st.composite
def everything(draw: st.DrawFn) -> Any:
    message = EVERYTHING()
    fill(message, draw(st.fixed_dictionaries({}, optional=FIELDS)) | draw(CHOICES))
    if draw(st.booleans()):
        message.mask.paths.extend(draw(st.lists(mask_paths, max_size=3)))
    if draw(st.booleans()):
        json_format.ParseDict(draw(st.dictionaries(texts, json_values, max_size=3)), message.struct)
    if draw(st.booleans()):
        json_format.ParseDict(draw(json_values), message.value)
    if draw(st.booleans()):
        message.list.extend(draw(st.lists(texts | int32s | st.booleans(), max_size=3)))
    if draw(st.booleans()):
        inside = toy.google_type("Nested")()
        fill(inside, draw(nesteds))
        message.any.Pack(inside)
    return message
