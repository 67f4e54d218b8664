"""Requests that hold only what the contract allows: `buf.validate` rules, and text that PostgreSQL can keep."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import protovalidate
from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from chassis.errors import FieldViolation, InvalidArgument
from chassis.masks import covers

_BROKEN_OFF_S = 0.01
"""grpc.aio tells of a stream that breaks off as of one that ends, and cancels the call a moment later. That is waited
for: otherwise a handler would take a part for the whole."""


_WORTH_A_WALK = 2048
"""Bytes: in less there is not enough to be busy with for long."""
_MOST_ITEMS = 100
"""Of a list for which the contract has no bound: masks, and what the server alone sets."""


class Malformed(InvalidArgument):
    """This is not a message of the type that the method takes."""

    reason = "MALFORMED_REQUEST"


class InvalidRequest(InvalidArgument):
    """The request holds a value that it must not hold."""

    def __init__(self, request: Message, *violations: FieldViolation) -> None:
        """`request` is for those who want to know what else is wrong."""
        super().__init__(*violations)
        self.request = request


class Validator:
    """Parses requests, and refuses what the contract does not allow, naming every field that is wrong."""

    def __init__(self) -> None:
        """Rules are compiled once per message type, when the first message comes."""
        self._validator = protovalidate.Validator()

    def parsed(self, request_class: type[Message], payload: bytes, *, alone: bool = True) -> Message:
        """The request. One of many does not stand `alone`: what its mask says is said of all of them.

        Raises:
            InvalidRequest: With one violation for every rule that it breaks.
        """
        try:
            request = request_class.FromString(payload)
        except DecodeError:
            raise Malformed from None
        if len(payload) > _WORTH_A_WALK and (overfull := next(_overfull(request), None)) is not None:
            raise InvalidRequest(request, overfull)
        violations = [
            _violation(broken)
            for broken in self._validator.collect_violations(request)
            if _matters(request, broken.proto.field, alone=alone)
        ]
        if b"\0" in payload:  # hardly ever: only then is it worth a walk
            violations += [
                FieldViolation(path, "must not contain NUL characters") for path in _fields_with_nul(request)
            ]
        if violations:
            raise InvalidRequest(request, *violations)
        return request


class Stream:
    """The requests of a client's stream, each parsed when it is read; `chassis.call.Requests`."""

    def __init__(self, validator: Validator, request_class: type[Message], payloads: AsyncIterator[bytes]) -> None:
        """`payloads` are the requests as they come."""
        self._validator = validator
        self._class = request_class
        self._payloads = payloads
        self._hash = hashlib.sha256()

    async def __anext__(self) -> Message:
        """The next request.

        Raises:
            InvalidRequest: It is not valid. The ones after it may be.
        """
        try:
            payload = await anext(self._payloads)
        except StopAsyncIteration:
            await asyncio.sleep(_BROKEN_OFF_S)
            raise
        request = self._validator.parsed(self._class, payload, alone=False)
        written = request.SerializeToString(deterministic=True)
        self._hash.update(len(written).to_bytes(8) + written)
        return request

    def digest(self) -> bytes:
        """SHA-256 of the requests that were read."""
        return self._hash.digest()


def _matters(request: Message, field: Any, *, alone: bool) -> bool:
    """Whether what changes some fields of a resource changes this one. What it does not is not looked at.

    Of a request that is one of many, whatever is set is looked at: which fields are changed is said of all of them, and
    some of the resources may be new.
    """
    message: Any = request
    for element, inner in pairwise([] if field is None else field.elements):
        value = getattr(message, element.field_name)
        if element.subscript is not None:
            value = value[element.subscript.value]
        if not isinstance(value, Message):
            return True
        masked = "update_mask" in message.DESCRIPTOR.fields_by_name
        if masked and not covers(message.update_mask.paths if alone else (), value, inner.field_name):
            return False
        message = value
    return True


def _violation(broken: protovalidate.Violation) -> FieldViolation:
    violation = broken.proto
    return FieldViolation(_path(violation.field), violation.message or violation.rule_id, violation.rule_id)


def _path(field: Any) -> str:
    """`requests[3].task.title` out of a `buf.validate.FieldPath`."""
    if field is None:
        return ""
    path = ""
    for element in field.elements:
        path += f".{element.field_name}" if path else element.field_name
        subscript = element.subscript
        if subscript is not None:
            path += _subscript(subscript.value)
    return path


def _overfull(message: Message, prefix: str = "") -> Iterator[FieldViolation]:
    """Lists and maps that hold too much for each of their items to be looked at: nobody else is served meanwhile."""
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        if not field.is_repeated:
            if field.message_type is not None:
                yield from _overfull(value, f"{path}.")
            continue
        most, rule = _bound(field)
        if len(value) > most:
            yield FieldViolation(path, f"must contain no more than {most} item(s)", rule)
        elif field.message_type is not None and not _is_map(field):
            for index, item in enumerate(value):
                yield from _overfull(item, f"{path}[{index}].")


@cache
def _bound(field: FieldDescriptor) -> tuple[int, str]:
    """How many items a list or map may have, and the rule that says so."""
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if _is_map(field):
        return rules.map.max_pairs or _MOST_ITEMS, "map.max_pairs"
    return rules.repeated.max_items or _MOST_ITEMS, "repeated.max_items"


@cache
def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _subscript(value: object) -> str:
    return f'["{value}"]' if isinstance(value, str) else f"[{value}]"


def _fields_with_nul(message: Message, prefix: str = "") -> Iterator[str]:
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        if _is_map(field):
            yield from (f"{path}{_subscript(key)}" for key, kept in value.items() if "\0" in f"{key}{kept}")
            continue
        values = [(path, value)] if not field.is_repeated else [(f"{path}[{i}]", v) for i, v in enumerate(value)]
        for name, single in values:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                yield from _fields_with_nul(single, f"{name}.")
            elif field.type == FieldDescriptor.TYPE_STRING and "\0" in single:
                yield name
