"""Which names a message has in JSON, and what is wrong with a tree that should be one.

A shape is compiled once per message type. `checked` is on the way of every request and looks at names only: unknown
ones, one field under both of its spellings, two members of a oneof. What looks at values runs when the codec has
refused a tree, to find the field to blame: the codec's own errors do not say which one it was.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from typing import TypeVar

from protobuf import DescEnum, DescField, DescMessage, Registry, message_from_json_value

from gateway.errors import Violation
from gateway.transcode import fields
from gateway.transcode.json_text import Json, deeper

_NUMBER = re.compile(r"-?[0-9]+")
_ROOM = 90
"""Levels of messages that a request may have where its JSON is free, of the 100 that servers read: some are left for
what they wrap around it in an answer. One level of such JSON is three of messages."""
_CONTAINERS = (dict, list)
_Name = TypeVar("_Name", str, int)

REFUSED = (ValueError, TypeError, OverflowError, RecursionError)
"""What the codec raises for a tree that does not fit. UnicodeEncodeError, for a lone surrogate, is a ValueError."""


@dataclass(slots=True)
class Slot:
    """A field under one of its names."""

    field: DescField
    once: str
    """What may be given once: the field itself, or the oneof it belongs to."""
    alternative: bool
    """Whether it belongs to a oneof."""
    child: "Shape | None"
    """The shape of its value, its elements, or its map's values, when those are objects."""
    repeated: bool
    is_map: bool
    numbered: bool
    """Whether it is a map whose keys are numbers."""
    null_is_a_value: bool
    free: bool
    """Whether a value is whatever JSON a client likes."""

    @property
    def key(self) -> str:
        """Its name in JSON."""
        return self.field.json_name


@dataclass(slots=True)
class Shape:
    """A message type as JSON sees it."""

    message: DescMessage
    slots: dict[str, Slot] = field(default_factory=dict)
    """Both spellings of every field."""


class Shapes:
    """The shapes of a contract, made when first asked for."""

    def __init__(self, registry: Registry) -> None:
        """The registry resolves what an `Any` in a request holds."""
        self.registry = registry
        self._known: dict[str, Shape] = {}

    def of(self, message: DescMessage) -> Shape:
        """The shape of a message type."""
        known = self._known.get(message.type_name)
        if known is not None:
            return known
        shape = self._known[message.type_name] = Shape(message)  # known before its fields: they may be of this type
        for desc in message.fields:
            slot = self._slot(desc)
            shape.slots[desc.json_name] = slot
            shape.slots.setdefault(desc.name, slot)
        return shape

    def _slot(self, desc: DescField) -> Slot:
        element = fields.element_of(desc)
        oneof = getattr(desc.value, "oneof", None)
        return Slot(
            field=desc,
            once=oneof.name if oneof is not None else desc.name,  # protoc lets no field share a oneof's name
            alternative=oneof is not None,
            child=self.of(element) if isinstance(element, DescMessage) and fields.is_object(element) else None,
            repeated=fields.is_repeated(desc),
            is_map=fields.is_map(desc),
            numbered=fields.is_numbered(desc),
            null_is_a_value=isinstance(element, DescMessage | DescEnum) and element.type_name in fields.NULL_IS_A_VALUE,
            free=fields.is_free(element),
        )

    def encoded(self, shape: Shape, tree: Json) -> bytes:
        """The message that a tree spells, which `checked` has seen, as bytes.

        Raises:
            Violation: A value does not fit its field.
        """
        try:
            return self.read(shape, tree)
        except REFUSED:
            violation = _Search(self, tree).in_message(shape, tree, "")
            raise violation or Violation("", f"the request does not fit {shape.message.type_name}") from None

    def same(self, shape: Shape, slot: Slot, one: Json, other: Json) -> bool:
        """Whether two JSON values mean the same to a field; what does not fit it means nothing."""
        try:
            return bool(
                message_from_json_value(shape.message.type, {slot.key: one}, registry=self.registry)
                == message_from_json_value(shape.message.type, {slot.key: other}, registry=self.registry)
            )
        except REFUSED:
            return False

    def read(self, shape: Shape, tree: Json) -> bytes:
        """What the codec makes of a tree; one of `REFUSED` if it makes nothing of it."""
        return bytes(message_from_json_value(shape.message.type, tree, registry=self.registry).to_binary())


class _Search:
    """For the first fault in a tree that the codec has refused, without a look at each of its values.

    Of the items of a message, a list or a map, the codec is given those before the one in the middle, by weight, and
    those behind it; the one in the middle is looked into. What the codec refuses is half of the whole at most, so that
    it reads the tree about twice in all.
    """

    def __init__(self, shapes: Shapes, tree: Json) -> None:
        self._shapes = shapes
        self._weights: dict[int, int] = {}
        self._weigh(tree)

    def in_message(self, shape: Shape, tree: Json, path: str) -> Violation | None:
        """What is wrong with what should be a message."""
        if not isinstance(tree, dict):
            return Violation(path.removesuffix("."), "expected an object")
        given = {key: value for key, value in tree.items() if value is not None or shape.slots[key].null_is_a_value}
        return self._first(
            list(given),
            list(given.values()),
            lambda keys, values: self._refused(shape, dict(zip(keys, values, strict=True))),
            lambda key, value: self._in_field(shape, shape.slots[key], value, path + key),
        )

    def _in_field(self, shape: Shape, slot: Slot, value: Json, where: str) -> Violation | None:
        if slot.repeated:
            if not isinstance(value, list):
                return Violation(where, "expected a list")
            return self._first(
                range(len(value)),
                value,
                lambda _, items: self._refused(shape, {slot.key: items}),
                lambda index, item: self._in_value(shape, slot, item, [item], f"{where}[{index}]"),
            )
        if slot.is_map:
            if not isinstance(value, dict):
                return Violation(where, "expected an object")
            return self._first(
                list(value),
                list(value.values()),
                lambda names, items: self._refused(shape, {slot.key: dict(zip(names, items, strict=True))}),
                lambda name, item: self._in_value(shape, slot, item, {name: item}, f'{where}["{name}"]'),
            )
        return self._in_value(shape, slot, value, value, where)

    def _in_value(self, shape: Shape, slot: Slot, item: Json, alone: Json, where: str) -> Violation | None:
        """What is wrong with one value; `alone` is the field's JSON with nothing but it."""
        if slot.child is not None and item is not None:
            fault = self.in_message(slot.child, item, f"{where}.")
            if fault is not None or not slot.is_map:
                return fault
            alone = {name: {} for name in alone}
        try:
            self._shapes.read(shape, {slot.key: alone})
        except UnicodeEncodeError:
            return Violation(where, "not Unicode: a surrogate without its other half")
        except REFUSED:
            return Violation(where, fields.expectation(fields.element_of(slot.field)))
        return None

    def _refused(self, shape: Shape, tree: Json) -> bool:
        try:
            self._shapes.read(shape, tree)
        except REFUSED:
            return True
        return False

    def _first(
        self,
        names: Sequence[_Name],
        items: Sequence[Json],
        refused: Callable[[Sequence[_Name], Sequence[Json]], bool],
        fault_in: Callable[[_Name, Json], Violation | None],
    ) -> Violation | None:
        certain = False
        while items:
            middle = self._middle(items)
            if middle and refused(names[:middle], items[:middle]):
                names, items, certain = names[:middle], items[:middle], True
                continue
            fault = fault_in(names[middle], items[middle])
            if fault is not None:
                return fault
            names, items = names[middle + 1 :], items[middle + 1 :]
            certain = certain or (bool(items) and refused(names, items))
            if not certain:
                break
        return None

    def _middle(self, items: Sequence[Json]) -> int:
        """Which item it is with which half of the weight is reached."""
        sums = list(accumulate(map(self._weights.get, map(id, items), repeat(1))))
        return bisect_left(sums, sums[-1] / 2)

    def _weigh(self, value: Json) -> int:
        """Count what is in a part of the tree."""
        children = value.values() if isinstance(value, dict) else value
        inside = sum(self._weigh(child) for child in children if type(child) in _CONTAINERS)
        self._weights[id(value)] = weight = 1 + len(children) + inside
        return weight


def prune(shape: Shape, tree: Json) -> None:
    """Take every unknown name out of a tree, for whoever is told to be lenient."""
    if not isinstance(tree, dict):
        return
    for key in [key for key in tree if key not in shape.slots]:
        del tree[key]
    for key, value in tree.items():
        slot = shape.slots[key]
        if slot.child is not None:
            for item in _items(slot, value):
                prune(slot.child, item)


def _items(slot: Slot, value: Json) -> Iterable[Json]:
    """The values that should be messages."""
    if slot.is_map:
        return value.values() if isinstance(value, dict) else ()
    if slot.repeated:
        return value if isinstance(value, list) else ()
    return (value,)


def checked(shape: Shape, tree: dict[str, Json], path: str = "", depth: int = 0) -> None:
    """Look at every name in a tree; `depth` is how many messages are around it.

    Raises:
        Violation: A name is unknown, or a field or a oneof is given twice, or what is free in form is nested too deep.
    """
    slots = shape.slots
    given: set[str] = set()
    for key, value in tree.items():
        slot = slots.get(key)
        if slot is None:
            raise Violation(path + key, "unknown field", reason="UNKNOWN_FIELD")
        if slot.alternative:
            _choose(slot, value, given, path + key)
        elif slot.once in given:
            raise Violation(path + key, _twice(slot), reason="DUPLICATE_FIELD")
        else:
            given.add(slot.once)
        if value and slot.numbered:
            _check_numbers(value, path + key)
        if value and slot.child is not None:
            _checked_inside(slot, slot.child, value, path + key, depth + 1)
        elif value and slot.free:
            _check_depth(slot, value, path + key, depth)


def _choose(slot: Slot, value: Json, given: set[str], where: str) -> None:
    """A member of a oneof; null chooses none, before or behind the one that is chosen, unless it is a value."""
    chooses = value is not None or slot.null_is_a_value
    if slot.field.name in given or (chooses and slot.once in given):
        raise Violation(where, _twice(slot), reason="DUPLICATE_FIELD")
    given.add(slot.field.name)  # in its other spelling it is the same one
    if chooses:
        given.add(slot.once)


def _check_numbers(value: Json, where: str) -> None:
    """The keys of a map: `1` and `01` are one."""
    seen = set()
    for key in value if isinstance(value, dict) else ():
        if not _NUMBER.fullmatch(key):
            raise Violation(f'{where}["{key}"]', "expected an integer")
        digits = key.removeprefix("-").lstrip("0")
        number = digits and key[: key.startswith("-")] + digits
        if number in seen:
            raise Violation(f'{where}["{key}"]', "given more than once", reason="DUPLICATE_FIELD")
        seen.add(number)


def _checked_inside(slot: Slot, child: Shape, value: Json, where: str, depth: int) -> None:
    if type(value) is dict and not slot.repeated:
        if not slot.is_map:
            checked(child, value, f"{where}.", depth)
            return
        depth += 1  # an entry is a message, too
        items = ((f'{where}["{name}"].', item) for name, item in value.items())
    elif type(value) is list and slot.repeated:
        items = ((f"{where}[{index}].", item) for index, item in enumerate(value))
    else:
        return  # not what the field takes; the codec will say so
    for path, item in items:
        if type(item) is dict:
            checked(child, item, path, depth)


def _check_depth(slot: Slot, value: Json, where: str, depth: int) -> None:
    levels = max(0, (_ROOM - depth) // 3)
    if deeper(value, levels + (slot.repeated or slot.is_map)):
        raise Violation(where, f"nested deeper than {levels} levels")


def _twice(slot: Slot) -> str:
    if slot.alternative:
        return f"only one member of the oneof '{slot.once}' may be given"
    return f"given more than once: {slot.key} and {slot.field.name} are one field"
