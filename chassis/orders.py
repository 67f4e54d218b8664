"""In which order a list comes (AIP-132): `priority desc, due_time`."""

from collections.abc import Collection
from dataclasses import dataclass

from chassis.errors import FieldViolation, InvalidArgument


@dataclass(frozen=True, slots=True)
class Key:
    """What a list is ordered by, and which way round."""

    field: str
    descending: bool = False


Order = tuple[Key, ...]


def read_order(text: str, fields: Collection[str], *, at_most: int = 1) -> Order:
    """The order that `text` spells over some fields; nothing where it is empty.

    Raises:
        InvalidArgument: It spells none.
    """
    if not text.strip():
        return ()
    order = tuple(_key(part, fields) for part in text.split(","))
    if len({key.field for key in order}) < len(order):
        raise _refusal("names a field twice")
    if len(order) > at_most:
        raise _refusal(f"names {len(order)} fields, and may name {at_most}")
    return order


def _key(part: str, fields: Collection[str]) -> Key:
    match part.split():
        case [field] if field in fields:
            return Key(field)
        case [field, "desc"] if field in fields:
            return Key(field, descending=True)
        case _:
            raise _refusal(f"must be of {', '.join(fields)}, each of which may end in desc")


def _refusal(complaint: str) -> InvalidArgument:
    return InvalidArgument(FieldViolation("order_by", complaint))
