"""Which statements are kept: people ask the same few questions again and again."""

from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Select

from chassis.database import ASKED_RARELY
from chassis.filters import Node

_PLAIN: Final = 256
_FILTERED: Final = 24
"""A statement with a filter may take the better part of a megabyte, and anybody can think of ever new ones."""


class Shape(Hashable, Protocol):
    """What makes one statement differ from another, when no value does."""

    @property
    def tree(self) -> Node | None:
        """Of its filter, if it has one."""
        ...


S = TypeVar("S", bound=Shape)


def kept(build: Callable[[S], Select[Any]]) -> Callable[[S], Select[Any]]:
    """Keep the statements that were asked for last."""
    plain = lru_cache(_PLAIN)(build)
    filtered = lru_cache(_FILTERED)(lambda shape: build(shape).execution_options(**ASKED_RARELY))

    @wraps(build)
    def built(shape: S) -> Select[Any]:
        return plain(shape) if shape.tree is None else filtered(shape)

    return built
