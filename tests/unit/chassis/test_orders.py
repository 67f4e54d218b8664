"""The language of orders."""

import pytest

from chassis.errors import InvalidArgument
from chassis.orders import Key, Order, read_order

FIELDS = ("size", "made")


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", ()),
        ("  ", ()),
        ("size", (Key("size"),)),
        (" size   desc ", (Key("size", descending=True),)),
        ("made desc,size", (Key("made", descending=True), Key("size"))),
    ],
)
def test_reads(text: str, order: Order) -> None:
    assert read_order(text, FIELDS, at_most=2) == order


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("weight", "must be of size, made, each of which may end in desc"),
        ("size asc", "must be of size, made"),
        ("size DESC", "must be of size, made"),
        ("size,", "must be of size, made"),
        (",", "must be of size, made"),
        ("size desc desc", "must be of size, made"),
        ("size, size desc", "names a field twice"),
        ("size, made", "names 2 fields, and may name 1"),
    ],
)
def test_refuses(text: str, complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=f"order_by: {complaint}"):
        read_order(text, FIELDS)
