"""Which statements are kept: people ask the same few questions again and again.

A statement of a large filter takes the better part of a megabyte, and anybody can think of ever new ones.
"""

from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Select

from chassis.database import ASKED_ONCE
from chassis.filters import Node, terms

_MOST: Final = 128
_LARGEST: Final = 8
"""Terms of a filter."""


class Shape(Hashable, Protocol):
    """What makes one statement differ from another, when no value does."""

    @property
    def tree(self) -> Node | None:
        """Of its filter, if it has one."""
        ...


S = TypeVar("S", bound=Shape)


def kept(build: Callable[[S], Select[Any]]) -> Callable[[S], Select[Any]]:
    """Keep what was built last, unless it is large."""
    remembered = lru_cache(_MOST)(build)

    @wraps(build)
    def built(shape: S) -> Select[Any]:
        if terms(shape.tree) <= _LARGEST:
            return remembered(shape)
        return build(shape).execution_options(**ASKED_ONCE)

    return built
