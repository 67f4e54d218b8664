"""Which fields an edit is about, where the client does not say: PATCH names what it sends, PUT everything.

A method takes part when its body is one field and its request has a FieldMask, `update_mask` or the only one there is.
A mask that the client sends itself always wins.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from protobuf import DescField, DescFieldValueMessage, DescMessage

from gateway.transcode.json_text import Json
from gateway.transcode.shapes import Shape, Slot

_MASK = "google.protobuf.FieldMask"
_CUSTOMARY = "update_mask"
_OF_ANSWERS = "read_mask"
EVERYTHING = "*"


class ImpliedMask:
    """The mask that a request gets when it brings none."""

    def __init__(self, message: DescMessage, slot: Slot, body: Shape, *, whole: bool) -> None:
        """`whole` stands for everything, whatever the body holds."""
        self._message = message
        self._slot = slot
        self._body = body
        self._whole = whole

    def paths(self, body: Json) -> list[str] | None:
        """What an edit is about that sends this; None where nothing is sent that could be a resource."""
        if not isinstance(body, dict):
            return None
        return [EVERYTHING] if self._whole else list(_named(self._body, body, ""))

    def encoded(self, paths: Sequence[str]) -> bytes:
        """The mask as bytes that may be put behind those of the request: concatenated messages merge.

        An edit of nothing has a mask without paths, and not none at all.
        """
        mask: Any = self._slot.field.value
        message: Any = self._message.type()
        setattr(message, self._slot.field.local_name, mask.message.type(paths=list(paths)))
        return bytes(message.to_binary())

    def sent(self, tree: dict[str, Json]) -> bool:
        """Whether the client has brought a mask of its own."""
        return self._slot.key in tree or self._slot.field.name in tree


def implied(shape: Shape, body: Slot | None, verb: str) -> ImpliedMask | None:
    """The mask of a route whose body is the field `body`; None where none is implied."""
    if verb not in ("PATCH", "PUT") or body is None or body.child is None or body.repeated or body.is_map:
        return None
    masks = [field for field in shape.message.fields if _is_mask(field)]
    customary = [field for field in masks if field.name == _CUSTOMARY]
    if len(customary or masks) != 1:
        return None
    slot = shape.slots[(customary or masks)[0].name]
    return ImpliedMask(shape.message, slot, body.child, whole=verb == "PUT")


def _is_mask(field: DescField) -> bool:
    value = field.value
    if not isinstance(value, DescFieldValueMessage) or value.oneof is not None:
        return False
    return value.message.type_name == _MASK and field.name != _OF_ANSWERS


def _named(shape: Shape, tree: dict[str, Json], prefix: str) -> Iterator[str]:
    """The paths that a tree has values for. Lists, maps, `{}` and what has a JSON of its own are not looked into."""
    for key, value in tree.items():
        slot = shape.slots.get(key)
        if slot is None:
            continue  # refused in a moment, by its name
        path = prefix + slot.field.name
        if isinstance(value, dict) and value and slot.child is not None and not slot.is_map:
            yield from _named(slot.child, value, f"{path}.")
        else:
            yield path
