"""Fields that text fills: a variable of the path, a query or form parameter, a header.

Owns the way from a name such as `task.due_time` or `annotations[colour]` to the field, and the splitting of what is
urlencoded. A map of plain values takes one entry per parameter; Struct, Value and ListValue take JSON.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from gateway.descriptors import ContractUnusable
from gateway.errors import Violation
from gateway.transcode import fields
from gateway.transcode.json_text import DEPTH, Json
from gateway.transcode.shapes import Shape, Slot

_MALFORMED = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MOST: Final = 1_000  # a form of 4 MiB would hold a million, and take a second
_ENTRY = re.compile(r"([^\[\]]*)\[(.*)\]", re.DOTALL)


class NoSuchField(ContractUnusable):
    """The name leads nowhere."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A field that text can fill, the way to it, and the name that the client knows it by."""

    sent: str
    way: tuple[Slot, ...]
    parent: Shape
    convert: fields.Convert
    entry: str | None = None
    """The key, where the field is a map."""

    @property
    def slot(self) -> Slot:
        """The field itself."""
        return self.way[-1]

    @property
    def canonical(self) -> str:
        """The one name for all the spellings of the way; that of checks and complaints."""
        return ".".join(slot.key for slot in self.way) + ("" if self.entry is None else f'["{self.entry}"]')

    def json(self, text: str) -> Json:
        """The JSON value that the text stands for.

        Raises:
            Violation: It stands for none.
        """
        try:
            return self.convert(text)
        except ValueError:
            raise Violation(self.sent, fields.expectation(fields.element_of(self.slot.field))) from None


def one(shape: Shape, path: str, sent: str, use: str) -> Parameter:
    """The field at a dotted path, spelled as the contract spells it: one that takes a single text.

    Raises:
        ContractUnusable: The path leads nowhere, or not to such a field.
    """
    way, parent = _way(shape, path, both_spellings=False)
    slot = way[-1]
    if slot.repeated or slot.is_map:
        kind = "a map" if slot.is_map else "repeated"
        raise ContractUnusable(f"the field '{path}' is {kind} and cannot be used {use}")
    return _parameter(sent, way, parent, f"the field '{path}' is a message and cannot be used {use}")


def any_of(shape: Shape, name: str) -> Parameter:
    """The field that a client means by a name, in either spelling; lists, and entries of maps, too.

    Raises:
        ContractUnusable: The name leads nowhere, or to something that no text can fill.
    """
    found = _ENTRY.fullmatch(name)
    path, entry = (found[1], found[2]) if found is not None else (name, None)
    way, parent = _way(shape, path, both_spellings=True)
    slot = way[-1]
    if slot.is_map and entry is None:
        raise ContractUnusable(f"the field '{path}' is a map and takes {path}[KEY]=VALUE")
    if entry is not None and not slot.is_map:
        raise ContractUnusable(f"the field '{path}' is not a map")
    what = "a map of messages" if slot.is_map else "a message"
    return _parameter(name, way, parent, f"the field '{path}' is {what} and cannot be used as a parameter", entry)


def _parameter(sent: str, way: list[Slot], parent: Shape, otherwise: str, entry: str | None = None) -> Parameter:
    convert = fields.converter(fields.element_of(way[-1].field))
    if convert is None:
        raise ContractUnusable(otherwise)
    return Parameter(sent, tuple(way), parent, convert, entry)


def _way(shape: Shape, path: str, *, both_spellings: bool) -> tuple[list[Slot], Shape]:
    """The fields from the message to the one that is meant, and the message that holds it."""
    way: list[Slot] = []
    names = path.split(".")
    if len(names) > DEPTH:
        raise ContractUnusable(f"nested deeper than {DEPTH} levels")
    for index, name in enumerate(names):
        if way:
            if way[-1].child is None or way[-1].repeated or way[-1].is_map:
                raise NoSuchField(f"'{'.'.join(names[:index])}' has no fields")
            shape = way[-1].child
        slot = shape.slots.get(name)
        if slot is None or not (both_spellings or slot.field.name == name):
            raise NoSuchField(f"{shape.message.type_name} has no field '{name}'")
        way.append(slot)
    return way, shape


def pairs(urlencoded: bytes, what: str) -> list[tuple[str, str]]:
    """The parameters in the order they came. `+` is a space: forms, browsers and most libraries write it so.

    Raises:
        Violation: It is not urlencoded UTF-8, or there are too many; `what` is its name.
    """
    if urlencoded.count(b"&") >= _MOST:
        raise Violation("", f"the {what} has more than {_MOST} parameters")
    try:
        text = urlencoded.decode("ascii")
        if _MALFORMED.search(text):
            raise _malformed(what)
        found = []
        for part in text.split("&"):
            if part:
                name, _, value = part.partition("=")
                found.append((unquoted(name), unquoted(value)))
    except UnicodeError:
        raise _malformed(what) from None
    return found


def unquoted(text: str) -> str:
    """What one urlencoded name or value says; UnicodeError where that is not UTF-8."""
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


def _malformed(what: str) -> Violation:
    return Violation("", f"the {what} is not percent-encoded UTF-8", reason=f"MALFORMED_{what.upper()}")
