"""What a caller wants to hold of a resource, in the language of AIP-160.

    filter       = [ expression ]
    expression   = sequence { "AND" sequence }
    sequence     = factor { factor }                      all of them, as with AND, but they bind tighter
    factor       = term { "OR" term }                     OR binds tighter than both
    term         = [ "NOT" | "-" ] ( restriction | "(" expression ")" )
    restriction  = field comparator value | field ":" "*" | word | string
    value        = text | string | "(" expression ")"     with = and : only, and of values only: status = (TODO OR DONE)
    comparator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":"

What may be said of which field is a table of the resource's own. A filter that was read is a tree without values, and
its values apart: two filters of one shape have equal trees, so that a statement is built once for both, and every value
is bound.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.errors import FieldViolation, InvalidArgument
from chassis.ids import parse_id

LONGEST = 1000
DEEPEST = 10
MOST_TERMS = 50

_SPACE = re.compile(r"\s*")
_COMPARATOR = re.compile(r"!=|<=|>=|[=<>:]")
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_WORD = re.compile(r"[^\s()\"'=!<>:,]+")
_VALUE = re.compile(r"[^\s()\"',]+")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d))?")
_NUMBER = re.compile(r"-?\d{1,10}")
_KEYWORDS = frozenset({"AND", "OR", "NOT"})

EQUALITY = frozenset({"=", "!="})
ORDER = EQUALITY | {"<", "<=", ">", ">="}
HAS = frozenset({":"})


class BadFilter(InvalidArgument):
    """This filter cannot be read."""

    reason = "FILTER_INVALID"

    def __init__(self, complaint: str, *, at: int) -> None:
        """The complaint is about what begins after `at` characters."""
        super().__init__(FieldViolation("filter", f"column {at + 1}: {complaint}"))


@dataclass(frozen=True, slots=True)
class Field:
    """What may be said of a field, and how its values are read."""

    comparators: Collection[str]
    read: Callable[[str], Any]
    """ValueError, with what a value has to be, of a text that spells none."""
    optional: bool = False
    """Whether it may be absent, and be asked for as `field:*`."""
    named: bool = False
    """Whether its values may be names instead of ids. Each is looked for in its own way, so the tree tells which it is:
    of an id it says `field.id`."""


def words() -> Field:
    """A text in which words are looked for."""
    return Field(HAS, str)


def text(*, optional: bool = False) -> Field:
    """A text that is this one or another."""
    return Field(EQUALITY, str, optional)


def choice(values: type[StrEnum], *, ordered: bool = True) -> Field:
    """One of few values, in the order in which they are declared if they have one."""

    def read(text: str) -> StrEnum:
        try:
            return values(text)
        except ValueError:
            raise ValueError(f"one of {', '.join(values)}") from None

    return Field(ORDER if ordered else EQUALITY, read)


def number() -> Field:
    """A whole number of 32 bits."""

    def read(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not -(2**31) <= int(text) < 2**31:
            raise ValueError("a whole number of 32 bits")
        return int(text)

    return Field(ORDER, read)


def instant(*, optional: bool = False) -> Field:
    """A time, or the beginning of a day in UTC."""

    def read(text: str) -> datetime:
        wanted = ValueError("a date or a time, such as 2030-01-31 or 2030-01-31T18:00:00Z")
        if not _INSTANT.fullmatch(text):
            raise wanted
        try:
            read = datetime.fromisoformat(text.upper())
            return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
        except (ValueError, OverflowError):
            raise wanted from None

    return Field(ORDER, read, optional)


def flag() -> Field:
    """Yes or no."""

    def read(text: str) -> bool:
        if text not in {"true", "false"}:
            raise ValueError("true or false")
        return text == "true"

    return Field(EQUALITY, read)


def person(me: UUID, *, optional: bool = False) -> Field:
    """Somebody, by id; `me` is whoever asks."""

    def read(text: str) -> UUID:
        found = me if text == "me" else parse_id(text)
        if found is None:
            raise ValueError("the id of a person, or me")
        return found

    return Field(EQUALITY, read, optional)


def named(name: Callable[[str], Any]) -> Field:
    """Something else that may be there, by id, or by a name that is read as `name`. Of several, one has to be it."""

    def read(text: str) -> Any:
        return parse_id(text) or name(text)

    return Field(EQUALITY, read, optional=True, named=True)


@dataclass(frozen=True, slots=True)
class All:
    """All of these hold."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    """One of these holds."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """This does not hold."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class Compared:
    """A field compares so with a value: the one at that place."""

    field: str
    comparator: str
    value: int


@dataclass(frozen=True, slots=True)
class Present:
    """A field is there."""

    field: str


@dataclass(frozen=True, slots=True)
class Words:
    """The words at that place follow one another somewhere."""

    value: int


Node = All | Either | Not | Compared | Present | Words


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was read."""

    text: str = ""
    tree: Node | None = field(default=None, repr=False)
    """None where everything is wanted."""
    values: tuple[Any, ...] = field(default=(), repr=False)


EVERYTHING = Filter()


def read_filter(text: str, fields: Mapping[str, Field]) -> Filter:
    """The filter that `text` spells over some fields.

    Raises:
        BadFilter: It spells none, and where that shows.
    """
    if len(text) > LONGEST:
        raise BadFilter(f"a filter has {LONGEST} characters at the most", at=LONGEST)
    if not text.strip():
        return EVERYTHING
    reader = _Reader(text, fields)
    tree = reader.whole()
    return Filter(text, tree, tuple(reader.values))


@dataclass(frozen=True, slots=True)
class _Subject:
    """What the values inside of `field = (…)` are compared with."""

    name: str
    comparator: str
    at: int


class _Reader:
    """Reads from left to right, a method for each line of the grammar."""

    def __init__(self, text: str, fields: Mapping[str, Field]) -> None:
        self._text = text
        self._fields = fields
        self._at = 0
        self._depth = 0
        self._terms = 0
        self.values: list[Any] = []

    def whole(self) -> Node:
        node = self._expression(None)
        if self._at < len(self._text):
            raise self._unexpected("AND, OR or the end")
        return node

    def _expression(self, subject: _Subject | None) -> Node:
        parts = [self._sequence(subject)]
        while self._keyword("AND"):
            parts.append(self._sequence(subject))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _sequence(self, subject: _Subject | None) -> Node:
        parts = [self._factor(subject)]
        while self._begins_a_term():
            parts.append(self._factor(subject))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _factor(self, subject: _Subject | None) -> Node:
        parts = [self._term(subject)]
        while self._keyword("OR"):
            parts.append(self._term(subject))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _term(self, subject: _Subject | None) -> Node:
        self._skip_space()
        if self._keyword("NOT") or self._taken("-"):
            return Not(self._simple(subject))
        return self._simple(subject)

    def _simple(self, subject: _Subject | None) -> Node:
        self._skip_space()
        if self._text.startswith("(", self._at):
            return self._composite(subject)
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise BadFilter(f"a filter has {MOST_TERMS} terms at the most", at=self._at)
        return self._restriction() if subject is None else self._compared(subject)

    def _composite(self, subject: _Subject | None) -> Node:
        if self._depth == DEEPEST:
            raise BadFilter(f"parentheses go {DEEPEST} deep at the most", at=self._at)
        self._at += 1
        self._depth += 1
        node = self._expression(subject)
        self._skip_space()
        if not self._taken(")"):
            raise self._unexpected("AND, OR or ')'")
        self._depth -= 1
        return node

    def _restriction(self) -> Node:
        at = self._at
        quoted = self._string()
        if quoted is not None:
            return Words(self._kept(quoted))
        word = self._match(_WORD)
        if word is None or word in _KEYWORDS or word.startswith("-"):
            self._at = at
            raise self._unexpected("a field or a word")
        if self._text.startswith("(", self._at):
            raise BadFilter("there are no functions", at=at)
        self._skip_space()
        comparator = self._match(_COMPARATOR)
        if comparator is None:
            return Words(self._kept(word))
        if word not in self._fields:
            raise BadFilter(f"there is no field {word!r}, only {', '.join(self._fields)}", at=at)
        return self._compared_with_something(_Subject(word, comparator, at))

    def _compared_with_something(self, subject: _Subject) -> Node:
        self._skip_space()
        known = self._fields[subject.name]
        if subject.comparator == ":" and self._taken("*"):
            if not known.optional:
                raise BadFilter(f"{subject.name} is always there", at=subject.at)
            return Present(subject.name)
        comparator = subject.comparator
        if comparator == ":" and ":" not in known.comparators:
            comparator = "="  # a field that holds one thing has what it is
        if comparator not in known.comparators:
            allowed = " ".join(sorted(known.comparators))
            raise BadFilter(f"{subject.name} knows {allowed}, not {comparator}", at=subject.at)
        subject = _Subject(subject.name, comparator, subject.at)
        if not self._text.startswith("(", self._at):
            return self._compared(subject)
        if comparator not in {"=", ":"}:
            raise BadFilter(f"several values go with = only, not with {comparator}", at=self._at)
        return self._composite(subject)

    def _compared(self, subject: _Subject) -> Node:
        at = self._at
        text = self._string()
        if text is None:
            text = self._match(_VALUE)
            if text is None or text in _KEYWORDS:
                self._at = at
                raise self._unexpected("a value")
        known = self._fields[subject.name]
        try:
            value = known.read(text)
        except ValueError as error:
            raise BadFilter(f"{subject.name} is {error}", at=at) from None
        name = f"{subject.name}.id" if known.named and isinstance(value, UUID) else subject.name
        return Compared(name, subject.comparator, self._kept(value))

    def _kept(self, value: Any) -> int:
        self.values.append(value)
        return len(self.values) - 1

    def _string(self) -> str | None:
        if not self._text.startswith(('"', "'"), self._at):
            return None
        at = self._at
        quoted = self._match(_STRING)
        if quoted is None:
            raise BadFilter("this quotation does not end", at=at)
        return _ESCAPED.sub(r"\1", quoted[1:-1])

    def _begins_a_term(self) -> bool:
        """Whether what follows continues a sequence: something, but no keyword that ends it."""
        self._skip_space()
        if self._at == len(self._text) or self._text[self._at] == ")":
            return False
        word = _WORD.match(self._text, self._at)
        return word is None or word[0] not in {"AND", "OR"}

    def _keyword(self, keyword: str) -> bool:
        self._skip_space()
        word = _WORD.match(self._text, self._at)
        if word is None or word[0] != keyword:
            return False
        self._at = word.end()
        return True

    def _taken(self, character: str) -> bool:
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[0]

    def _skip_space(self) -> None:
        self._match(_SPACE)

    def _unexpected(self, wanted: str) -> BadFilter:
        self._skip_space()
        found = repr(self._text[self._at]) if self._at < len(self._text) else "the end"
        return BadFilter(f"expected {wanted}, not {found}", at=self._at)
