"""Examples of what a schema describes: the contract's own where it gives any, and made up where that can be done.

An example is right or there is none: what is made up fits the schema, and what would not be is left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from gateway.openapi.rules import Schema


class _Nothing(Enum):
    NOTHING = "nothing"


NOTHING: Final = _Nothing.NOTHING
"""No example can be made."""

FIELD_MASK: Final = "field-mask"
"""The format of a FieldMask: which fields it may name, its schema does not say."""

_BY_FORMAT: Final[Mapping[str, str]] = {
    "date-time": "2026-01-31T12:00:00Z",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "01980000-0000-7000-8000-000000000000",
}
_BY_NAME: Final[Mapping[str, str]] = {
    "email": _BY_FORMAT["email"],
    "etag": "1",
    "id": _BY_FORMAT["uuid"],
    "uri": _BY_FORMAT["uri"],
    "url": _BY_FORMAT["uri"],
}
"""By the last word of a field's name, where nothing else is known."""
_SOME_TEXT: Final = ("abc", "a1", "A1", "1", "a.b", "https://example.com/", _BY_FORMAT["uuid"])
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")
_UNSPECIFIED: Final = ("_UNSPECIFIED", "UNSPECIFIED")


class Examples:
    """Makes examples of schemas that refer to others."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        """`components` are the schemas by name; there may be more of them later."""
        self._components = components

    def answer(self, schema: Schema) -> Any:
        """What a server may answer, or `NOTHING`."""
        return self._made(schema, "", (), sent=False)

    def request(self, schema: Schema, name: str = "", *, without: Sequence[str] = ()) -> Any:
        """What a client may send, or `NOTHING`; `without` names what has another place, or better none at all."""
        made = self._made(schema, name, (), sent=True)
        if isinstance(made, dict) and made:
            return {key: value for key, value in made.items() if key not in without} or NOTHING
        return made

    def _made(self, schema: Schema, name: str, inside: tuple[str, ...], *, sent: bool) -> Any:
        """An example of what is called `name`; `inside` are the schemas that this one is a part of."""
        for joined in ("allOf", "anyOf"):
            if joined in schema:
                # The last alternative: the first is the one that says nothing.
                whole = {**schema[joined][-1], **{key: value for key, value in schema.items() if key != joined}}
                return self._made(whole, name, inside, sent=sent)
        if "$ref" in schema:
            known = schema["$ref"].rpartition("/")[2]
            if known in inside:
                return NOTHING
            narrowed = {key: value for key, value in schema.items() if key != "$ref"}
            return self._made({**self._components[known], **narrowed}, name, (*inside, known), sent=sent)
        stated = _stated(schema)
        if stated is not NOTHING:
            return stated
        compose = {"object": self._object, "array": self._array}.get(schema.get("type", ""))
        return _scalar(schema, name, sent=sent) if compose is None else compose(schema, name, inside, sent=sent)

    def _object(self, schema: Schema, _: str, inside: tuple[str, ...], *, sent: bool) -> Any:
        if "properties" not in schema:
            return self._map(schema, inside, sent=sent)
        made: dict[str, Any] = {}
        apart = [{*pair["required"]} for pair in schema.get("not", {}).get("anyOf", ())]
        for name, one in schema["properties"].items():
            if (sent and one.get("readOnly")) or any(name in pair and pair & {*made} for pair in apart):
                continue
            value = self._made(one, name, inside, sent=sent)
            if value is not NOTHING:
                made[name] = value
        return NOTHING if {*schema.get("required", ())} - {*made} else made

    def _map(self, schema: Schema, inside: tuple[str, ...], *, sent: bool) -> Any:
        values = schema.get("additionalProperties")
        key = _text(schema.get("propertyNames", {}), "key")
        value = "value" if values is True else self._made(values or {}, "value", inside, sent=sent)
        few = schema.get("minProperties", 0) <= 1
        return {key: value} if few and key is not NOTHING and value is not NOTHING else NOTHING

    def _array(self, schema: Schema, name: str, inside: tuple[str, ...], *, sent: bool) -> Any:
        wanted = max(1, schema.get("minItems", 1))
        item = self._made(schema["items"], name.removesuffix("s"), inside, sent=sent)
        if item is NOTHING or (wanted > 1 and schema.get("uniqueItems")):
            return NOTHING
        return [item] * wanted


def _stated(schema: Schema) -> Any:
    """What the schema itself says that a value is, or may be."""
    if "const" in schema:
        return schema["const"]
    if schema.get("examples"):
        return schema["examples"][0]
    return _chosen(schema["enum"]) if "enum" in schema else NOTHING


def _scalar(schema: Schema, name: str, *, sent: bool) -> Any:
    kind = schema.get("type")
    if kind == "string":
        return _text(schema, name)
    if kind in ("integer", "number"):
        return _number(schema)
    if kind == "boolean":
        return not sent  # whatever it switches on, nobody asked for it
    return None if kind == "null" else NOTHING


def _chosen(values: Sequence[Any]) -> Any:
    """The first value that means something."""
    first = values[0]
    empty = first == 0 or (isinstance(first, str) and first.endswith(_UNSPECIFIED))
    return values[1] if empty and len(values) > 1 else first


def _text(schema: Schema, name: str) -> Any:
    if schema.get("format") == FIELD_MASK:
        return NOTHING
    if schema.get("contentEncoding") == "base64":
        return "AAE="
    try:
        pattern = re.compile(schema.get("pattern", ""))
    except re.error:
        return NOTHING  # the contract's dialect knows more than ours
    least, most = schema.get("minLength", 0), schema.get("maxLength", 1000)
    for text in _texts(schema, name):
        grown = (text * (least // len(text) + 1))[: max(least, len(text))]
        if len(grown) <= most and pattern.search(grown):
            return grown
    return NOTHING


def _texts(schema: Schema, name: str) -> Iterator[str]:
    """What might do, the likeliest first."""
    if (known := _BY_FORMAT.get(schema.get("format", ""))) is not None:
        yield known
        return
    words = [word.lower() for word in _CAPITAL.split(name) if word] or ["text"]
    if words[-1] in _BY_NAME:
        yield _BY_NAME[words[-1]]
    yield " ".join(words).capitalize()
    yield from ("-".join(words), "_".join(words), "".join(words), words[0][:1], *_SOME_TEXT)


def _number(schema: Schema) -> Any:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1 if "exclusiveMinimum" in schema else None)
    most = schema.get("maximum", schema.get("exclusiveMaximum", 0) - 1 if "exclusiveMaximum" in schema else None)
    number = 1 if least is None else max(1, least)
    number = number if most is None else min(number, most)
    return number if least is None or number >= least else NOTHING
