"""Which names a message has in JSON, and what is wrong with a tree that should be one.

A shape is compiled once per message type. `checked` is on the way of every request and looks at names only: unknown
ones, one field under both of its spellings, two members of a oneof. What looks at values runs when the codec has
refused a tree, to find the field to blame: the codec's own errors do not say which one it was.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from protobuf import DescField, DescMessage, Registry, message_from_json_value

from gateway.errors import Violation
from gateway.transcode import fields
from gateway.transcode.json_text import Json

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
    null_is_a_value: bool

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
            null_is_a_value=isinstance(element, DescMessage) and element.type_name == fields.ANY_VALUE,
        )

    def encoded(self, shape: Shape, tree: Json) -> bytes:
        """The message that a tree spells, which `checked` has seen, as bytes.

        Raises:
            Violation: A value does not fit its field.
        """
        try:
            return bytes(message_from_json_value(shape.message.type, tree, registry=self.registry).to_binary())
        except REFUSED:
            violation = next(self._faults(shape, tree, ""), None)
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

    def _faults(self, shape: Shape, tree: Json, path: str) -> Iterator[Violation]:
        if not isinstance(tree, dict):
            yield Violation(path.removesuffix("."), "expected an object")
            return
        for key, value in tree.items():
            slot = shape.slots[key]
            where = path + key
            if value is None and not slot.null_is_a_value:
                continue
            if slot.repeated:
                if isinstance(value, list):
                    for index, item in enumerate(value):
                        yield from self._element_faults(shape, slot, item, [item], f"{where}[{index}]")
                else:
                    yield Violation(where, "expected a list")
            elif slot.is_map:
                if isinstance(value, dict):
                    for name, item in value.items():
                        yield from self._element_faults(shape, slot, item, {name: item}, f'{where}["{name}"]')
                else:
                    yield Violation(where, "expected an object")
            else:
                yield from self._element_faults(shape, slot, value, value, where)

    def _element_faults(self, shape: Shape, slot: Slot, item: Json, alone: Json, where: str) -> Iterator[Violation]:
        """What is wrong with one value; `alone` is the field's JSON with nothing but it."""
        if slot.child is not None and item is not None:
            yield from self._faults(slot.child, item, f"{where}.")
            alone = {name: {} for name in alone} if slot.is_map else None
        if alone is None:
            return
        try:
            message_from_json_value(shape.message.type, {slot.key: alone}, registry=self.registry).to_binary()
        except UnicodeEncodeError:
            yield Violation(where, "not Unicode: a surrogate without its other half")
        except REFUSED:
            yield Violation(where, fields.expectation(fields.element_of(slot.field)))


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


def checked(shape: Shape, tree: dict[str, Json], path: str = "") -> None:
    """Look at every name in a tree.

    Raises:
        Violation: A name is unknown, or a field or a oneof is given twice.
    """
    slots = shape.slots
    given: set[str] = set()
    for key, value in tree.items():
        slot = slots.get(key)
        if slot is None:
            raise Violation(path + key, "unknown field", reason="UNKNOWN_FIELD")
        if slot.once in given:
            raise Violation(path + key, _twice(slot), reason="DUPLICATE_FIELD")
        if value is not None or not slot.alternative:  # null does not choose a member of a oneof
            given.add(slot.once)
        if value and slot.child is not None:
            _checked_inside(slot, slot.child, value, path + key)


def _checked_inside(slot: Slot, child: Shape, value: Json, where: str) -> None:
    if type(value) is dict and not slot.repeated:
        if not slot.is_map:
            checked(child, value, f"{where}.")
            return
        items = ((f'{where}["{name}"].', item) for name, item in value.items())
    elif type(value) is list and slot.repeated:
        items = ((f"{where}[{index}].", item) for index, item in enumerate(value))
    else:
        return  # not what the field takes; the codec will say so
    for path, item in items:
        if type(item) is dict:
            checked(child, item, path)


def _twice(slot: Slot) -> str:
    if slot.alternative:
        return f"only one member of the oneof '{slot.once}' may be given"
    return f"given more than once: {slot.key} and {slot.field.name} are one field"
