"""Filters that were read, as conditions of SQL. Each resource says which columns its fields are; values are bound."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, or_, true

from chassis.filters import All, Compared, Either, Filter, Node, Not, Present, Words

_COMPARATORS: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": operator.eq,
    "!=": lambda column, value: column.is_distinct_from(value),  # what is not there is not this
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Conditions:
    """What the parts of a filter mean. A resource that has more to say of one overrides what says it."""

    def __init__(self, columns: Mapping[str, ColumnElement[Any]]) -> None:
        """A column for each field that is compared."""
        self._columns = columns

    def of(self, node: Node) -> ColumnElement[bool]:
        """What has to hold."""
        match node:
            case All(parts):
                holds = and_(*map(self.of, parts))
            case Either(parts):
                holds = or_(*map(self.of, parts))
            case Not(part):
                # What is not known does not hold, so its contrary does.
                holds = self.of(part).is_not(true())
            case Present(field):
                holds = self.present(field)
            case Words(value):
                holds = self.words(value)
            case Compared(field, comparator, value):
                holds = self.compared(field, comparator, value)
        return holds

    def present(self, field: str) -> ColumnElement[bool]:
        """Whether a field is there."""
        return self._columns[field].is_not(None)

    def compared(self, field: str, comparator: str, value: int) -> ColumnElement[bool]:
        """Whether a field compares so with the value at that place."""
        column = self._columns[field]
        return _COMPARATORS[comparator](column, parameter(value, column.type))

    def words(self, value: int) -> ColumnElement[bool]:
        """Whether the words at that place are somewhere in it."""
        raise NotImplementedError


def parameter(value: int, type_: Any) -> BindParameter[Any]:
    """What the value at that place is bound to."""
    return bindparam(_name(value), type_=type_)


def bound(filter_: Filter, *, written: Callable[[Any], Any] = lambda value: value) -> dict[str, Any]:
    """The values of a filter as the tables write them, by the names of their parameters."""
    return {_name(number): written(value) for number, value in enumerate(filter_.values)}


def _name(value: int) -> str:
    return f"filter_{value}"
