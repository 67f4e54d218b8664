"""An answer of one route: the bytes of a message become JSON, an entity tag and a location.

ProtoJSON with default-valued fields present, of the whole message or of the field that `response_body` names; names are
in lowerCamelCase unless the method's option asks for the contract's own. A `google.api.HttpBody` passes through raw.
What cannot work is refused when the gateway starts.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from urllib.parse import quote

from protobuf import (
    DescField,
    DescFieldValueMessage,
    DescFieldValueScalar,
    DescMessage,
    Registry,
    ScalarType,
    message_to_json_value,
)

from gateway.descriptors import Binding, ContractUnusable, Method
from gateway.errors import Refusal, refused
from gateway.transcode.raw import content_type, is_raw

_FIELD = re.compile(r"\{([^{}]*)\}")
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')
_TAG_CHARACTERS = re.compile(r"[\x21\x23-\x7e]+")
_UNPRINTABLE = (ScalarType.BYTES, ScalarType.DOUBLE, ScalarType.FLOAT)

_Get = Callable[[Any], Any]
_Write = Callable[[Any], tuple[bytes, bytes]]
"""A message to its content type and its text."""

JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is written of an RPC's answer."""

    body: bytes
    content_type: bytes
    etag: str | None
    location: str | None
    event_id: str | None = None
    """What the message is called in a stream of events."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How JSON is written where there is a choice."""

    proto_names: bool = False
    enum_numbers: bool = False
    omit_defaults: bool = False


_CONTENT_TAG = 32  # hexadecimal digits: 128 bits


class Response:
    """How answers of one route are written."""

    def __init__(self, method: Method, binding: Binding, registry: Registry, spelling: Spelling | None = None) -> None:
        """Compile the route.

        Raises:
            ContractUnusable: The route or its options name a field that is not there or cannot be used so.
        """
        self._type: Any = method.output.type
        self._registry = registry
        self._spelling = spelling or Spelling()
        self._proto_names = self._spelling.proto_names or method.rest.proto_field_names
        self._write, self.raw = self._writer(method.output, binding.response_body)
        self._written = method.rest.success_status != 204
        self._etag = _getter(method.output, method.rest.etag) if method.rest.etag else None
        self._has_content_etag = method.rest.content_etag
        self._location = _location(method.output, method.rest.location) if method.rest.location else None

        self._event_id = _getter(method.output, method.rest.stream_id) if method.rest.stream_id else None

    def decode(self, data: bytes) -> Answer:
        """The answer in a message's bytes.

        Raises:
            Refusal: They are not such a message, or it has no JSON.
        """
        try:
            message = self._type.from_binary(data)
            content_type, body = self._write(message) if self._written else (JSON, b"")
            return Answer(
                body=body,
                content_type=content_type,
                etag=self._tag(message, body),
                location=self._location(message) if self._location is not None else None,
                event_id=_event_id(self._event_id(message)) if self._event_id is not None else None,
            )
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _unreadable() from error

    def _tag(self, message: Any, body: bytes) -> str | None:
        if self._has_content_etag:
            return f'"{hashlib.sha256(body).hexdigest()[:_CONTENT_TAG]}"'
        return entity_tag(self._etag(message)) if self._etag is not None else None

    def _writer(self, output: DescMessage, name: str) -> tuple[_Write, bool]:
        """What writes the answer, and whether it passes through raw."""
        if not name:
            return (_raw, True) if is_raw(output) else (self._whole, False)
        field = next((field for field in output.fields if field.name == name), None)
        if field is None:
            raise ContractUnusable(f"{output.type_name} has no field '{name}' to be the response body")
        if not isinstance(field.value, DescFieldValueMessage):
            return self._value(field), False
        empty = field.value.message.type
        get = _get(field)
        raw = is_raw(field.value.message)
        write = _raw if raw else self._whole

        def one(message: Any) -> tuple[bytes, bytes]:
            inner = get(message)
            return write(empty() if inner is None else inner)

        return one, raw

    def _whole(self, message: Any) -> tuple[bytes, bytes]:
        text: str = message.to_json(
            always_emit_implicit=not self._spelling.omit_defaults,
            print_enums_as_ints=self._spelling.enum_numbers,
            use_proto_field_name=self._proto_names,
            registry=self._registry,
        )
        return JSON, text.encode()

    def _value(self, field: DescField) -> _Write:
        key = field.name if self._proto_names else field.json_name

        def value(message: Any) -> tuple[bytes, bytes]:
            tree: Any = message_to_json_value(
                message,
                always_emit_implicit=True,
                print_enums_as_ints=self._spelling.enum_numbers,
                use_proto_field_name=self._proto_names,
                registry=self._registry,
            )
            return JSON, json.dumps(tree.get(key), ensure_ascii=False, separators=(",", ":")).encode()

        return value


def _raw(body: Any) -> tuple[bytes, bytes]:
    return content_type(body), bytes(body.data)


def entity_tag(value: str) -> str | None:
    """A field's value as `ETag` writes it, or None if it cannot be one."""
    if _ENTITY_TAG.fullmatch(value):
        return value
    return f'"{value}"' if _TAG_CHARACTERS.fullmatch(value) else None


def _event_id(value: str) -> str | None:
    """A field's value as the id of an event, or None if it cannot be one."""
    return value if value and not any(character in value for character in "\r\n\0") else None


def _unreadable() -> Refusal:
    return refused(500, "INTERNAL", "ANSWER_UNREADABLE", "the server's answer does not fit the contract")


def _get(field: DescField) -> _Get:
    """One field of a message, None where a message field or the wanted member of a oneof is absent."""
    if getattr(field.value, "oneof", None) is None:
        return attrgetter(field.local_name)
    return lambda message: message[field] if field in message else None  # noqa: SIM401 - a message is no mapping


def _getter(message: DescMessage, path: str) -> _Get:
    """The text of the field at a dotted path; empty where something on the way is absent.

    Raises:
        ContractUnusable: The path leads nowhere, or to something that has no plain text.
    """
    steps: list[_Get] = []
    current: DescMessage | None = message
    field: DescField | None = None
    for name in path.split("."):
        if current is None:
            raise ContractUnusable(f"'{path}' goes through a field that is not a message")
        field = next((field for field in current.fields if field.name == name), None)
        if field is None:
            raise ContractUnusable(f"{current.type_name} has no field '{name}'")
        steps.append(_get(field))
        current = field.value.message if isinstance(field.value, DescFieldValueMessage) else None
    if field is None or not isinstance(field.value, DescFieldValueScalar) or field.value.scalar in _UNPRINTABLE:
        raise ContractUnusable(f"'{path}' is neither a string, an integer nor a bool")

    def get(value: Any) -> str:
        for step in steps:
            value = step(value)
            if value is None:
                return ""
        return str(value)

    return get


def _location(output: DescMessage, template: str) -> Callable[[Any], str]:
    parts: list[str | _Get] = []
    at = 0
    for found in _FIELD.finditer(template):
        parts += [template[at : found.start()], _getter(output, found[1])]
        at = found.end()
    parts.append(template[at:])
    if any(isinstance(part, str) and ("{" in part or "}" in part) for part in parts):
        raise ContractUnusable(f"the location '{template}' has a brace without its other half")

    def location(message: Any) -> str:
        return "".join(part if isinstance(part, str) else quote(part(message), safe="") for part in parts)

    return location
