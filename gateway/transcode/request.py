"""A request of one route: path, query, body and a few headers become the bytes of one message.

Every part lands in one JSON tree, and every field has one source: what the path says, the query or the body may repeat
but not change, and nobody else may add. Only a raw body (`google.api.HttpBody`) passes the tree by. What cannot work
is refused when the gateway starts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from protobuf import DescMessage, ScalarType

from gateway.descriptors import Binding, ContractUnusable, Method
from gateway.errors import Violation
from gateway.templates import Template
from gateway.transcode import fields, json_text, parameters
from gateway.transcode.json_text import Json
from gateway.transcode.masks import implied
from gateway.transcode.parameters import NoSuchField, Parameter
from gateway.transcode.raw import RawBody, is_raw
from gateway.transcode.shapes import Shape, Shapes, Slot, checked, prune

IF_MATCH: Final = "If-Match"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
LAST_EVENT_ID: Final = "Last-Event-ID"
USERNAME: Final = "the user name of Authorization"
PASSWORD: Final = "the password of Authorization"  # noqa: S105 - where it comes from, not what it is
FORM: Final = "application/x-www-form-urlencoded"
NDJSON: Final = "application/x-ndjson"

_NOTHING: Mapping[str, str] = MappingProxyType({})
_SENT_BY_THE_PATH: Final = "the path says otherwise"
_RESUMED: Final = "the Last-Event-ID header says otherwise"
"""A browser that connects again sends the same URL as at first; where it has come since is in this header, and wins."""
_MOST_NAMES: Final = 1_000  # that are remembered; a recursive message has endlessly many


@dataclass(frozen=True, slots=True)
class Leniency:
    """Whether what a request does not have is ignored: nothing is, unless somebody says so."""

    parameters: bool = False
    members: bool = False


class Request:
    """How requests of one route are read."""

    def __init__(
        self, method: Method, binding: Binding, template: Template, shapes: Shapes, leniency: Leniency | None = None
    ) -> None:
        """Compile the route.

        Raises:
            ContractUnusable: The route names a field that is not there or cannot be used so.
        """
        rest = method.rest
        self._shapes = shapes
        self._proto_names = rest.proto_field_names
        self._shape = shapes.of(method.input)
        self._body = _body_slot(self._shape, binding)
        self.takes_body = bool(binding.body)
        self._whole_body = binding.body == "*"
        self._raw = _raw_body(self._shape, self._body, whole=self._whole_body)
        self._form = _form(self._shape, self._body, whole=self._whole_body) if rest.form_body else None
        self._leniency = Leniency(parameters=True, members=True) if rest.ignore_unknown else leniency or Leniency()
        self._path = tuple(_path_parameter(self._shape, variable.path) for variable in template.variables)
        for parameter in self._path:
            inside = parameter.way[0] is self._body
            if (inside and len(parameter.way) == 1) or (self.raw and (inside or self._whole_body)):
                raise ContractUnusable(f"the path and the body both hold the field '{parameter.sent}'")
        self._headers = {
            source: parameters.one(self._shape, path, source, f"as {option}")
            for source, option, path in (
                (IF_MATCH, "if_match", rest.if_match),
                (IDEMPOTENCY_KEY, "idempotency_key", rest.idempotency_key),
                (LAST_EVENT_ID, "last_event_id", rest.last_event_id),
                (USERNAME, "basic_username", rest.basic_username),
                (PASSWORD, "basic_password", rest.basic_password),
            )
            if path
        }
        self._mask = implied(self._shape, self._body, binding.verb)
        self._plain = self._plain_names()
        self._parameters: dict[str, Parameter] = {}

    @property
    def raw(self) -> bool:
        """Whether the body passes through unread."""
        return self._raw is not None

    @property
    def takes_forms(self) -> bool:
        """Whether the body may be a form."""
        return self._form is not None

    def takes(self, source: str) -> bool:
        """Whether a header, or a part of one, has a field to go to."""
        return source in self._headers

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
        self,
        values: Sequence[str],
        query: bytes = b"",
        body: bytes = b"",
        said: Mapping[str, str] = _NOTHING,
        *,
        content_type: str = "",
    ) -> bytes:
        """The request message as bytes.

        `said` is what comes from headers that it `takes`. An empty body stands for none; one without a content type is
        JSON, or unknown where the body is raw. One of NDJSON is a line, the first of a stream.

        Raises:
            Violation: Something in it is unknown, given twice, or does not fit its field.
        """
        if self._raw is not None:
            data = self._encoded(values, query, {}, said)
            return data + self._raw.encoded(body, content_type) if body or content_type else data
        if self._plain is not None and not body and not query and not said:
            message: Any = self._shape.message.type()
            for name, value in zip(self._plain, values, strict=True):
                setattr(message, name, value)
            return bytes(message.to_binary())
        if not body:
            return self._encoded(values, query, {}, said)
        if content_type == FORM and self.takes_forms:
            tree = self._form_tree(body)
        else:
            tree = self._rooted(body, line=content_type == NDJSON)
        edited = self._edited(tree)  # before the path adds to it
        return self._encoded(values, query, tree, said) + self._implied_mask(tree, edited)

    def following(self, values: Sequence[str], line: bytes) -> bytes:
        """A message of a stream that is not its first one: there is nothing in it but a line of the body.

        Raises:
            Violation: Something in it is unknown, given twice, not what the path says, or does not fit its field.
        """
        tree = self._rooted(line, line=True)
        for parameter, value in zip(self._path, values, strict=True):
            present = _found(tree, parameter)
            if present is not None:
                self._check_same(parameter, present, parameter.json(value), _SENT_BY_THE_PATH)
        checked(self._shape, tree)
        return self._shapes.encoded(self._shape, tree) + self._implied_mask(tree, self._edited(tree))

    def _edited(self, tree: dict[str, Json]) -> Sequence[str] | None:
        """What the body is an edit of, where the route implies that."""
        if self._mask is None or self._body is None:
            return None
        return self._mask.paths(tree.get(self._body.key))

    def _implied_mask(self, tree: dict[str, Json], edited: Sequence[str] | None) -> bytes:
        if self._mask is None or edited is None or self._mask.sent(tree):
            return b""
        return self._mask.encoded(edited)

    def _encoded(self, values: Sequence[str], query: bytes, tree: dict[str, Json], said: Mapping[str, str]) -> bytes:
        """The message that the tree of the body becomes with everything else in it."""
        for parameter, value in zip(self._path, values, strict=True):
            self._place(tree, parameter, parameter.json(value), _SENT_BY_THE_PATH)
        for source, value in said.items():
            parameter = self._headers[source]
            self._place(tree, parameter, parameter.json(value), _sent_by(source))
        pairs = parameters.pairs(query, "query") if query else []
        if pairs:
            sources = {self._headers[source].canonical: _sent_by(source) for source in said}
            self._add(tree, pairs, self._query_parameter, sources)
        try:
            checked(self._shape, tree)
            return self._shapes.encoded(self._shape, tree)
        except Violation as violation:
            raise self._as_sent(violation, pairs) from None

    def _rooted(self, text: bytes, *, line: bool) -> dict[str, Json]:
        """The tree that holds just the body."""
        try:
            body = json_text.read(text, line=line)
        except Violation as violation:
            if self._body is None or not violation.field:
                raise
            dot = "" if violation.field.startswith("[") else "."
            where = f"{self._body.key}{dot}{violation.field}"
            raise Violation(where, violation.description, reason=violation.reason) from None
        if self._body is not None:
            tree = {self._body.key: body}
        elif isinstance(body, dict):
            tree = body
        else:
            raise Violation("", "expected an object")
        if self._leniency.members:
            prune(self._shape, tree)
        return tree

    def _form_tree(self, text: bytes) -> dict[str, Json]:
        """The tree that holds just the body, out of a form."""
        body: dict[str, Json] = {}
        self._add(body, parameters.pairs(text, "form"), self._form_parameter, {})
        return body if self._body is None else {self._body.key: body}

    def _place(self, tree: dict[str, Json], parameter: Parameter, value: Json, otherwise: str) -> None:
        """Put a value where it belongs, unless something else is there already."""
        way, leaf = parameter.way[:-1], parameter.slot
        for slot in way:
            tree = _inside(tree, slot, parameter)
        if parameter.entry is not None:
            _inside(tree, leaf, parameter)[parameter.entry] = value  # no path and no body holds an entry besides
            return
        key = _spelling(tree, leaf)
        present = tree.get(key)
        if present is None:
            tree[key] = value
        else:
            self._check_same(parameter, present, value, otherwise)

    def _check_same(self, parameter: Parameter, present: Json, value: Json, otherwise: str) -> None:
        """Refuse what somebody else says of a field."""
        if not self._shapes.same(parameter.parent, parameter.slot, present, value):
            where = ".".join(slot.field.name for slot in parameter.way) if self._proto_names else parameter.canonical
            raise Violation(where, otherwise, reason="CONFLICTING_FIELD")

    def _add(
        self,
        tree: dict[str, Json],
        pairs: Sequence[tuple[str, str]],
        find: Callable[[str], Parameter | None],
        sources: Mapping[str, str],
    ) -> None:
        """Put urlencoded parameters into a tree; `sources` says who else has spoken, besides the path."""
        lists: dict[str, list[Json]] = {}
        given: set[str] = set()
        for name, text in pairs:
            parameter = find(name)
            if parameter is None or sources.get(parameter.canonical) == _RESUMED:
                continue
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

    def _query_parameter(self, name: str) -> Parameter | None:
        """The field that a query parameter is for, or None for one that may be ignored."""
        parameter = self._parameters.get(name) or self._parameter(self._shape, name, "query")
        if parameter is None:
            return None
        if self._whole_body:
            raise Violation(name, "all fields of this method are sent in the body", reason="UNKNOWN_PARAMETER")
        if parameter.way[0] is self._body:
            raise Violation(name, "this field is sent in the body", reason="UNKNOWN_PARAMETER")
        if parameter.entry is None and len(self._parameters) < _MOST_NAMES:
            self._parameters[name] = parameter
        return parameter

    def _form_parameter(self, name: str) -> Parameter | None:
        return self._parameter(self._form or self._shape, name, "form")

    def _parameter(self, shape: Shape, name: str, what: str) -> Parameter | None:
        try:
            return parameters.any_of(shape, name)
        except ContractUnusable as error:
            if self._leniency.parameters and isinstance(error, NoSuchField):
                return None
            if self._whole_body and what == "query":
                complaint = "all fields of this method are sent in the body"
            else:
                complaint = f"not a {what} parameter of this method: {error}"
            raise Violation(name, complaint, reason="UNKNOWN_PARAMETER") from None

    def _as_sent(self, violation: Violation, pairs: Sequence[tuple[str, str]]) -> Violation:
        """The same complaint under the name that the client used."""
        names = {parameter.canonical: parameter.sent for parameter in self._path}
        for name, _ in pairs:
            parameter = self._query_parameter(name)
            if parameter is not None:
                names[parameter.canonical] = name
        if violation.field in names:  # an entry of a map
            return Violation(names[violation.field], violation.description, reason=violation.reason)
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


def _raw_body(shape: Shape, slot: Slot | None, *, whole: bool) -> RawBody | None:
    if slot is not None:
        return RawBody(shape, slot) if is_raw(fields.element_of(slot.field)) else None
    return RawBody(shape, None) if whole and is_raw(shape.message) else None


def _form(shape: Shape, slot: Slot | None, *, whole: bool) -> Shape | None:
    """The message that a form fills; None where there is no body at all."""
    if slot is None:
        return shape if whole else None
    if slot.child is None or slot.repeated or slot.is_map or is_raw(slot.child.message):
        raise ContractUnusable(f"the body '{slot.field.name}' has no fields for a form to fill")
    return slot.child


def _path_parameter(shape: Shape, path: str) -> Parameter:
    parameter = parameters.one(shape, path, path, "in a path")
    if isinstance(fields.element_of(parameter.slot.field), DescMessage):
        raise ContractUnusable(f"the field '{path}' is a message and cannot be used in a path")
    return parameter


def _inside(tree: dict[str, Json], slot: Slot, parameter: Parameter) -> dict[str, Json]:
    """The object of a field on a parameter's way; made where there is none."""
    key = _spelling(tree, slot)
    inner = tree.get(key)
    if inner is None:
        inner = tree[key] = {}
    elif not isinstance(inner, dict):
        way = parameter.way[: parameter.way.index(slot) + 1]
        raise Violation(".".join(step.key for step in way), "expected an object")
    return inner


def _found(tree: Json, parameter: Parameter) -> Json:
    """What is where a parameter would be put; None where there is nothing."""
    for slot in parameter.way:
        if not isinstance(tree, dict):
            return None  # not what the field takes; the codec will say so
        tree = tree.get(_spelling(tree, slot))
    return tree


def _sent_by(source: str) -> str:
    return f"{source} says otherwise" if source.startswith("the ") else f"the {source} header says otherwise"


def _spelling(tree: dict[str, Json], slot: Slot) -> str:
    """The name under which a field is in the tree, or would be."""
    return slot.field.name if slot.field.name in tree else slot.key
