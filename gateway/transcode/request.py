"""A request of one route: path, query, body and a few headers become the bytes of one message.

Every part lands in one JSON tree, and every field has one source: what the path says, the query or the body may repeat
but not change, and nobody else may add. What cannot work is refused when the gateway starts.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote_plus

from protobuf import DescMessage, ScalarType

from gateway.descriptors import Binding, ContractUnusable, Method
from gateway.errors import Violation
from gateway.templates import Template
from gateway.transcode import fields, json_text
from gateway.transcode.json_text import Json
from gateway.transcode.masks import implied
from gateway.transcode.shapes import Shape, Shapes, Slot, checked

IF_MATCH: Final = "If-Match"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"

_NOTHING: Mapping[str, str] = MappingProxyType({})
_SENT_BY_THE_PATH: Final = "the path says otherwise"

_MALFORMED = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MOST_NAMES = 1_000  # that are remembered; a recursive message has endlessly many


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A field that text can fill, the way to it, and the name that the client knows it by."""

    sent: str
    way: tuple[Slot, ...]
    parent: Shape
    convert: fields.Convert

    @property
    def slot(self) -> Slot:
        return self.way[-1]

    @property
    def canonical(self) -> str:
        return ".".join(slot.key for slot in self.way)

    def json(self, text: str) -> Json:
        try:
            return self.convert(text)
        except ValueError:
            raise Violation(self.sent, fields.expectation(fields.element_of(self.slot.field))) from None


class Request:
    """How requests of one route are read."""

    def __init__(self, method: Method, binding: Binding, template: Template, shapes: Shapes) -> None:
        """Compile the route.

        Raises:
            ContractUnusable: The route names a field that is not there or cannot be used so.
        """
        self._shapes = shapes
        self._shape = shapes.of(method.input)
        self._body = _body_slot(self._shape, binding)
        self.takes_body = bool(binding.body)
        self._whole_body = binding.body == "*"
        self._path = tuple(_path_parameter(self._shape, variable.path) for variable in template.variables)
        for parameter in self._path:
            if parameter.way[0] is self._body and len(parameter.way) == 1:
                raise ContractUnusable(f"the path and the body both hold the field '{parameter.sent}'")
        self._headers = {
            header: _parameter(self._shape, path, header, option)
            for header, option, path in (
                (IF_MATCH, "as if_match", method.rest.if_match),
                (IDEMPOTENCY_KEY, "as idempotency_key", method.rest.idempotency_key),
            )
            if path
        }
        self._mask = implied(self._shape, self._body, binding.verb)
        self._plain = self._plain_names()
        self._parameters: dict[str, _Parameter] = {}

    def takes(self, header: str) -> bool:
        """Whether a header has a field to go to."""
        return header in self._headers

    def _plain_names(self) -> tuple[str, ...] | None:
        """The attributes that the path fills, if it fills nothing but strings at the top: the common case."""
        if all(
            len(parameter.way) == 1
            and parameter.slot.once == parameter.slot.field.name
            and fields.element_of(parameter.slot.field) is ScalarType.STRING
            for parameter in self._path
        ):
            return tuple(parameter.slot.field.local_name for parameter in self._path)
        return None

    def encode(
        self, values: Sequence[str], query: bytes = b"", body: bytes = b"", said: Mapping[str, str] = _NOTHING
    ) -> bytes:
        """The request message as bytes. An empty body stands for none; `said` are headers that it `takes`.

        Raises:
            Violation: Something in it is unknown, given twice, or does not fit its field.
        """
        if self._plain is not None and not body and not query and not said:
            message: Any = self._shape.message.type()
            for name, value in zip(self._plain, values, strict=True):
                setattr(message, name, value)
            return bytes(message.to_binary())
        tree = self._rooted(body) if body else {}
        edited = None
        if self._mask is not None and self._body is not None:
            edited = self._mask.paths(tree.get(self._body.key))  # before the path adds to it
        for parameter, value in zip(self._path, values, strict=True):
            self._place(tree, parameter, parameter.json(value), _SENT_BY_THE_PATH)
        for header, value in said.items():
            parameter = self._headers[header]
            self._place(tree, parameter, parameter.json(value), _sent_by(header))
        pairs = _pairs(query) if query else []
        if pairs:
            self._add_query(tree, pairs, said)
        try:
            checked(self._shape, tree)
            data = self._shapes.encoded(self._shape, tree)
        except Violation as violation:
            raise self._as_sent(violation, pairs) from None
        if self._mask is None or edited is None or self._mask.sent(tree):
            return data
        return data + self._mask.encoded(edited)

    def _rooted(self, text: bytes) -> dict[str, Json]:
        """The tree that holds just the body."""
        try:
            body = json_text.read(text)
        except Violation as violation:
            if self._body is None or not violation.field:
                raise
            dot = "" if violation.field.startswith("[") else "."
            where = f"{self._body.key}{dot}{violation.field}"
            raise Violation(where, violation.description, reason=violation.reason) from None
        if self._body is not None:
            return {self._body.key: body}
        if not isinstance(body, dict):
            raise Violation("", "expected an object")
        return body

    def _place(self, tree: dict[str, Json], parameter: _Parameter, value: Json, otherwise: str) -> None:
        """Put a value where it belongs, unless something else is there already."""
        *way, leaf = parameter.way
        for slot in way:
            key = _spelling(tree, slot)
            inner = tree.get(key)
            if inner is None:
                inner = tree[key] = {}
            elif not isinstance(inner, dict):
                raise Violation(".".join(step.key for step in way), "expected an object")
            tree = inner
        key = _spelling(tree, leaf)
        present = tree.get(key)
        if present is None:
            tree[key] = value
        elif not self._shapes.same(parameter.parent, leaf, present, value):
            raise Violation(parameter.canonical, otherwise, reason="CONFLICTING_FIELD")

    def _add_query(self, tree: dict[str, Json], pairs: Sequence[tuple[str, str]], said: Mapping[str, str]) -> None:
        sources = {self._headers[header].canonical: _sent_by(header) for header in said}
        lists: dict[str, list[Json]] = {}
        given: set[str] = set()
        for name, text in pairs:
            parameter = self._parameters.get(name) or self._find(name)
            value = parameter.json(text)
            canonical = parameter.canonical
            if parameter.slot.repeated:
                if canonical in lists:
                    lists[canonical].append(value)
                    continue
                value = lists[canonical] = [value]
            elif canonical in given:
                raise Violation(name, "given more than once", reason="DUPLICATE_FIELD")
            given.add(canonical)
            try:
                self._place(tree, parameter, value, sources.get(canonical, _SENT_BY_THE_PATH))
            except Violation as violation:
                raise Violation(name, violation.description, reason=violation.reason) from None

    def _find(self, name: str) -> _Parameter:
        if self._whole_body:
            raise Violation(name, "all fields of this method are sent in the body", reason="UNKNOWN_PARAMETER")
        try:
            parameter = _parameter(self._shape, name, name, "a query parameter", both_spellings=True, lists=True)
        except ContractUnusable as error:
            raise Violation(
                name, f"not a query parameter of this method: {error}", reason="UNKNOWN_PARAMETER"
            ) from None
        if parameter.way[0] is self._body:
            raise Violation(name, "this field is sent in the body", reason="UNKNOWN_PARAMETER")
        if len(self._parameters) < _MOST_NAMES:
            self._parameters[name] = parameter
        return parameter

    def _as_sent(self, violation: Violation, pairs: Sequence[tuple[str, str]]) -> Violation:
        """The same complaint under the name that the client used."""
        names = {parameter.canonical: parameter.sent for parameter in self._path}
        for name, _ in pairs:
            names[self._find(name).canonical] = name
        field, bracket, index = violation.field.partition("[")
        if field in names:
            return Violation(names[field] + bracket + index, violation.description, reason=violation.reason)
        return violation


def _body_slot(shape: Shape, binding: Binding) -> Slot | None:
    if binding.body in ("", "*"):
        return None
    slot = shape.slots.get(binding.body)
    if slot is None or slot.field.name != binding.body:
        raise ContractUnusable(f"{shape.message.type_name} has no field '{binding.body}' to be the body")
    return slot


def _path_parameter(shape: Shape, path: str) -> _Parameter:
    parameter = _parameter(shape, path, path, "in a path")
    if isinstance(fields.element_of(parameter.slot.field), DescMessage):
        raise ContractUnusable(f"the field '{path}' is a message and cannot be used in a path")
    return parameter


def _parameter(
    shape: Shape, path: str, sent: str, use: str, *, both_spellings: bool = False, lists: bool = False
) -> _Parameter:
    """The parameter that a dotted path leads to.

    Raises:
        ContractUnusable: It leads nowhere, or not to something that text can fill.
    """
    way: list[Slot] = []
    parent = shape
    names = path.split(".")
    for index, name in enumerate(names):
        slot = parent.slots.get(name)
        if slot is None or not (both_spellings or slot.field.name == name):
            raise ContractUnusable(f"{parent.message.type_name} has no field '{name}'")
        way.append(slot)
        if index == len(names) - 1:
            break
        if slot.child is None or slot.repeated or slot.is_map:
            raise ContractUnusable(f"'{'.'.join(names[: index + 1])}' has no fields")
        parent = slot.child
    slot = way[-1]
    convert = fields.converter(fields.element_of(slot.field))
    if slot.is_map or (slot.repeated and not lists):
        raise ContractUnusable(
            f"the field '{path}' is {'a map' if slot.is_map else 'repeated'} and cannot be used {use}"
        )
    if convert is None:
        raise ContractUnusable(f"the field '{path}' is a message and cannot be used {use}")
    return _Parameter(sent, tuple(way), parent, convert)


def _sent_by(header: str) -> str:
    return f"the {header} header says otherwise"


def _spelling(tree: dict[str, Json], slot: Slot) -> str:
    """The name under which a field is in the tree, or would be."""
    return slot.field.name if slot.field.name in tree else slot.key


def _pairs(query: bytes) -> list[tuple[str, str]]:
    """The parameters in the order they came. `+` is a space: forms, browsers and most libraries write it so."""
    try:
        text = query.decode("ascii")
        if _MALFORMED.search(text):
            raise Violation("", "the query is not percent-encoded UTF-8", reason="MALFORMED_QUERY")
        pairs = []
        for part in text.split("&"):
            if part:
                name, _, value = part.partition("=")
                pairs.append((_unquoted(name), _unquoted(value)))
    except UnicodeError:
        raise Violation("", "the query is not percent-encoded UTF-8", reason="MALFORMED_QUERY") from None
    return pairs


def _unquoted(text: str) -> str:
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text
