"""What messages look like in JSON, as JSON Schema."""

import re
from collections.abc import Container, Mapping
from itertools import combinations
from typing import Any, Final

from protobuf import DescEnum, DescField, DescMessage, ScalarType

from gateway.openapi.comments import Comments
from gateway.openapi.examples import FIELD_MASK
from gateway.openapi.rules import Rules, Schema
from gateway.transcode import fields
from gateway.transcode.fields import Element
from gateway.transcode.response import Spelling

_INT64: Final[Schema] = {"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"}
_UINT64: Final[Schema] = {"type": "string", "format": "uint64", "pattern": "^[0-9]+$"}
_INT32: Final[Schema] = {"type": "integer", "format": "int32"}
_UINT32: Final[Schema] = {"type": "integer", "format": "uint32", "minimum": 0}
_SCALARS: Final[Mapping[ScalarType, Schema]] = {
    ScalarType.BOOL: {"type": "boolean"},
    ScalarType.STRING: {"type": "string"},
    ScalarType.BYTES: {"type": "string", "contentEncoding": "base64"},
    ScalarType.DOUBLE: {"type": "number", "format": "double"},
    ScalarType.FLOAT: {"type": "number", "format": "float"},
    ScalarType.INT32: _INT32,
    ScalarType.SINT32: _INT32,
    ScalarType.SFIXED32: _INT32,
    ScalarType.UINT32: _UINT32,
    ScalarType.FIXED32: _UINT32,
    ScalarType.INT64: _INT64,
    ScalarType.SINT64: _INT64,
    ScalarType.SFIXED64: _INT64,
    ScalarType.UINT64: _UINT64,
    ScalarType.FIXED64: _UINT64,
}
_WELL_KNOWN: Final[Mapping[str, Schema]] = {
    "Timestamp": {"type": "string", "format": "date-time"},
    "Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$", "examples": ["1.5s"]},
    "FieldMask": {
        "type": "string",
        "format": FIELD_MASK,
        "description": "Field paths in lowerCamelCase, separated by commas.",
    },
    "Struct": {"type": "object", "additionalProperties": True},
    "Value": {},
    "ListValue": {"type": "array", "items": {}},
    "Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
        "additionalProperties": True,
    },
    "BoolValue": _SCALARS[ScalarType.BOOL],
    "StringValue": _SCALARS[ScalarType.STRING],
    "BytesValue": _SCALARS[ScalarType.BYTES],
    "DoubleValue": _SCALARS[ScalarType.DOUBLE],
    "FloatValue": _SCALARS[ScalarType.FLOAT],
    "Int32Value": _INT32,
    "UInt32Value": _UINT32,
    "Int64Value": _INT64,
    "UInt64Value": _UINT64,
}
_GOOGLE: Final = "google.protobuf."
_OUTPUT_ONLY: Final = re.compile(r"\boutput only\.?$", re.IGNORECASE)
"""How comments say it where `google.api.field_behavior` does not."""


class Schemas:
    """Collects the schemas of every message that an operation mentions."""

    def __init__(self, comments: Comments, rules: Rules, spelling: Spelling) -> None:
        """`spelling` is how answers are written; requests may be spelled either way."""
        self._comments = comments
        self._rules = rules
        self._spelling = spelling
        self.components: dict[str, Schema] = {}

    def message(self, message: DescMessage, *, proto_names: bool = False) -> Schema:
        """A reference to a message; what has a JSON of its own stands for itself."""
        if not fields.is_object(message):
            return dict(_WELL_KNOWN[message.type_name.removeprefix(_GOOGLE)])
        proto_names = proto_names or self._spelling.proto_names
        # A message that is spelled in both ways is two schemas.
        name = message.type_name + ("-snake" if proto_names and not self._spelling.proto_names else "")
        if name not in self.components:
            self.components[name] = {}  # known before its fields: they may be of this type
            self.components[name] = self._object(message, proto_names=proto_names)
        return {"$ref": f"#/components/schemas/{name}"}

    def closed(self, reference: Schema, *, without: Container[str]) -> Schema:
        """A message that takes nothing besides its fields, and not those that are sent elsewhere."""
        schema = self.components[str(reference["$ref"]).rpartition("/")[2]]
        properties = {name: field for name, field in schema["properties"].items() if name not in without}
        return {**schema, "properties": properties, "additionalProperties": False}

    def named(self, field: DescField, *, proto_names: bool = False) -> str:
        """The field's name in JSON."""
        return field.name if proto_names or self._spelling.proto_names else field.json_name

    def field(self, field: DescField, *, proto_names: bool = False) -> Schema:
        """A field, with its rules and its comment."""
        element = fields.element_of(field)
        rules = self._rules.of(field)
        one = self._element(element, proto_names=proto_names)
        if fields.is_map(field):
            values = {**one, **rules.pop("additionalProperties", {})}
            schema = {"type": "object", "additionalProperties": values, **rules}
        elif fields.is_repeated(field):
            schema = {"type": "array", "items": self._merged(one, element, rules.pop("items", {})), **rules}
        else:
            schema = self._merged(one, element, rules)
        comment = self._comments.of(field)
        if comment:
            schema = {**schema, "description": comment}
        if field.deprecated:
            schema = {**schema, "deprecated": True}
        if self._rules.is_output(field) or _OUTPUT_ONLY.search(comment):
            schema = {**schema, "readOnly": True}
        return schema

    def required(self, message: DescMessage, *, proto_names: bool = False) -> list[str]:
        """The fields that a request cannot do without."""
        return [
            self.named(field, proto_names=proto_names) for field in message.fields if self._rules.is_required(field)
        ]

    def _object(self, message: DescMessage, *, proto_names: bool) -> Schema:
        properties = {
            self.named(field, proto_names=proto_names): self.field(field, proto_names=proto_names)
            for field in message.fields
        }
        schema: Schema = {"type": "object", "title": message.name, "properties": properties}
        apart = [
            {"required": [self.named(field, proto_names=proto_names) for field in pair]}
            for oneof in message.oneofs
            for pair in combinations(oneof.fields, 2)
        ]
        if apart:
            schema["not"] = {"anyOf": apart}
        comment = self._comments.of(message)
        if comment:
            schema["description"] = comment
        return schema

    def _element(self, element: Element, *, proto_names: bool) -> Schema:
        if isinstance(element, DescMessage):
            return self.message(element, proto_names=proto_names)
        return self._enum(element) if isinstance(element, DescEnum) else dict(_SCALARS[element])

    def _enum(self, enum: DescEnum) -> Schema:
        known = f"{_GOOGLE}NullValue"
        if enum.type_name == known:
            return {"type": "null"}
        words = [
            f"- `{value.name}`: {comment}"
            for index, value in enumerate(enum.values)
            if (comment := self._comments.of_value(enum, index))
        ]
        numbers = self._spelling.enum_numbers
        schema: Schema = {
            "type": "integer" if numbers else "string",
            "title": enum.name,
            "enum": [value.number if numbers else value.name for value in enum.values],
        }
        if words:
            schema["description"] = "\n".join(words)
        name = enum.type_name
        self.components[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}

    def _merged(self, schema: Schema, element: Element, rules: Schema) -> Schema:
        """A type narrowed by rules."""
        if isinstance(element, DescEnum):
            refused: Any = rules.get("not_in", ())
            allowed: Any = rules.get("in")
            values = [
                value.number if self._spelling.enum_numbers else value.name
                for value in element.values
                if value.number not in refused and (allowed is None or value.number in allowed)
            ]
            return {**schema, "enum": values} if rules else schema
        if isinstance(element, DescMessage):
            return schema
        return {**schema, **rules}
