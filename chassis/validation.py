"""Requests that hold only what the contract allows: `buf.validate` rules, and text that PostgreSQL can keep."""

from collections.abc import Iterator
from typing import Any

import protovalidate
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from chassis.errors import FieldViolation, InvalidArgument
from chassis.masks import covers


class Malformed(InvalidArgument):
    """This is not a message of the type that the method takes."""

    reason = "MALFORMED_REQUEST"


class Validator:
    """Parses requests, and refuses what the contract does not allow, naming every field that is wrong."""

    def __init__(self) -> None:
        """Rules are compiled once per message type, when the first message comes."""
        self._validator = protovalidate.Validator()

    def parsed(self, request_class: type[Message], payload: bytes) -> Message:
        """The request.

        Raises:
            InvalidArgument: With one violation for every rule that it breaks.
        """
        try:
            request = request_class.FromString(payload)
        except DecodeError:
            raise Malformed from None
        violations = [_violation(broken) for broken in self._validator.collect_violations(request)]
        if violations and "update_mask" in request.DESCRIPTOR.fields_by_name:
            violations = [violation for violation in violations if _matters(request, violation.field)]
        if b"\0" in payload:  # hardly ever: only then is it worth a walk
            violations += [
                FieldViolation(path, "must not contain NUL characters") for path in _fields_with_nul(request)
            ]
        if violations:
            raise InvalidArgument(*violations)
        return request


def _matters(request: Any, path: str) -> bool:
    """Whether a request that changes some fields of a resource changes this one. What it does not is not looked at."""
    resource, _, field = path.partition(".")
    if not field:
        return True
    return covers(request.update_mask.paths, getattr(request, resource), field.partition(".")[0].partition("[")[0])


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
            path += f"[{subscript.value}]"
    return path


def _fields_with_nul(message: Message, prefix: str = "") -> Iterator[str]:
    for field, value in message.ListFields():
        path = f"{prefix}{field.name}"
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from (f"{path}[{key!r}]" for key, kept in value.items() if "\0" in f"{key}{kept}")
            continue
        values = [(path, value)] if not field.is_repeated else [(f"{path}[{i}]", v) for i, v in enumerate(value)]
        for name, single in values:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                yield from _fields_with_nul(single, f"{name}.")
            elif field.type == FieldDescriptor.TYPE_STRING and "\0" in single:
                yield name
