"""One field at a time: what its JSON looks like, and how the text of a parameter becomes it.

A path or query parameter is text. The JSON value it stands for depends on the field's type alone: mostly the same text
as a JSON string, which ProtoJSON takes for numbers, enums, bytes, timestamps, durations and masks as well. Struct,
Value and ListValue are written in JSON.
"""

import re
from collections.abc import Callable

from protobuf import (
    DescEnum,
    DescField,
    DescFieldValueEnum,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescMessage,
    ScalarType,
)

from gateway.errors import Violation
from gateway.transcode import json_text
from gateway.transcode.json_text import Json

Convert = Callable[[str], Json]
"""Text to JSON; ValueError when the text cannot be it."""

Element = ScalarType | DescEnum | DescMessage

_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|NaN|-?Infinity", re.ASCII)
_BOOLEANS = {"true": True, "false": False}

_INTEGERS = {
    ScalarType.INT32: "a 32-bit integer",
    ScalarType.SINT32: "a 32-bit integer",
    ScalarType.SFIXED32: "a 32-bit integer",
    ScalarType.UINT32: "an unsigned 32-bit integer",
    ScalarType.FIXED32: "an unsigned 32-bit integer",
    ScalarType.INT64: "a 64-bit integer",
    ScalarType.SINT64: "a 64-bit integer",
    ScalarType.SFIXED64: "a 64-bit integer",
    ScalarType.UINT64: "an unsigned 64-bit integer",
    ScalarType.FIXED64: "an unsigned 64-bit integer",
}
_SCALARS = {
    **_INTEGERS,
    ScalarType.BOOL: "true or false",
    ScalarType.STRING: "a string",
    ScalarType.BYTES: "base64",
    ScalarType.DOUBLE: "a number",
    ScalarType.FLOAT: "a number within the range of a 32-bit float",
}

_WRAPPERS = {
    f"google.protobuf.{name}Value": scalar
    for name, scalar in {
        "Bool": ScalarType.BOOL,
        "String": ScalarType.STRING,
        "Bytes": ScalarType.BYTES,
        "Double": ScalarType.DOUBLE,
        "Float": ScalarType.FLOAT,
        "Int32": ScalarType.INT32,
        "Int64": ScalarType.INT64,
        "UInt32": ScalarType.UINT32,
        "UInt64": ScalarType.UINT64,
    }.items()
}
_TEXTS = {
    "google.protobuf.Timestamp": "a timestamp such as 2026-01-31T12:00:00Z",
    "google.protobuf.Duration": "a duration in seconds such as 1.5s",
    "google.protobuf.FieldMask": "field paths in lowerCamelCase, separated by commas",
}
_FREE = {
    "google.protobuf.Struct": "an object",
    "google.protobuf.Value": "any JSON value",
    "google.protobuf.ListValue": "a list",
    "google.protobuf.Any": 'an object with an "@type" that this server knows',
}

_JSON_TEXTS = ("google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue")
NULL_IS_A_VALUE = ("google.protobuf.Value", "google.protobuf.NullValue")


def is_object(message: DescMessage) -> bool:
    """Whether its JSON is an object with the message's fields, and not a form of its own."""
    name = message.type_name
    return name not in _WRAPPERS and name not in _TEXTS and name not in _FREE


def is_free(element: Element) -> bool:
    """Whether its JSON is whatever a client likes."""
    return isinstance(element, DescMessage) and element.type_name in _JSON_TEXTS


def element_of(field: DescField) -> Element:
    """The type of the field, of its elements, or of a map's values."""
    value = field.value
    if isinstance(value, DescFieldValueMap):
        return value.value
    if isinstance(value, DescFieldValueList):
        return value.element
    if isinstance(value, DescFieldValueMessage):
        return value.message
    return value.enum if isinstance(value, DescFieldValueEnum) else value.scalar


def is_repeated(field: DescField) -> bool:
    """Whether the field is a list."""
    return isinstance(field.value, DescFieldValueList)


def is_map(field: DescField) -> bool:
    """Whether the field is a map."""
    return isinstance(field.value, DescFieldValueMap)


def is_numbered(field: DescField) -> bool:
    """Whether the field is a map whose keys are numbers."""
    value = field.value
    return isinstance(value, DescFieldValueMap) and value.key not in {ScalarType.STRING, ScalarType.BOOL}


def expectation(element: Element) -> str:
    """What a client should have sent."""
    if isinstance(element, ScalarType):
        return f"expected {_SCALARS[element]}"
    if isinstance(element, DescEnum):
        names = [value.name for value in element.values[:12]]
        return f"expected one of {', '.join(names)}{', …' if len(element.values) > len(names) else ''}"
    name = element.type_name
    if name in _WRAPPERS:
        return f"expected {_SCALARS[_WRAPPERS[name]]}"
    return f"expected {_TEXTS.get(name) or _FREE.get(name) or 'an object'}"


def converter(element: Element) -> Convert | None:
    """How text becomes such a value, or None if no text can."""
    if isinstance(element, DescEnum):
        return _enum
    if isinstance(element, DescMessage):
        if element.type_name not in _WRAPPERS:
            return str if element.type_name in _TEXTS else _json if is_free(element) else None
        element = _WRAPPERS[element.type_name]
    if element is ScalarType.BOOL:
        return _boolean
    if element in _INTEGERS:
        return _integer
    return _float if element in (ScalarType.DOUBLE, ScalarType.FLOAT) else str


def _boolean(text: str) -> Json:
    try:
        return _BOOLEANS[text]
    except KeyError:
        raise ValueError(text) from None


def _integer(text: str) -> Json:
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    return text


def _float(text: str) -> Json:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return text


def _json(text: str) -> Json:
    try:
        return json_text.read(text.encode())
    except Violation:
        raise ValueError(text) from None


def _enum(text: str) -> Json:
    # Ten digits hold every int32; more would be a name that no enum has.
    return int(text) if _INTEGER.fullmatch(text) and len(text) <= 11 else text
