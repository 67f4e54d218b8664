"""Reads JSON so that no two readers could understand it differently.

Refused, with the place where there is one: malformed text, bytes after the value, a key given twice, NaN and Infinity,
numbers beyond a double, more than 100 levels. What a parser would silently settle is an error here.
"""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from gateway.errors import Violation

Json = Any
DEPTH = 100
"""Levels of nesting; protobuf parsers stop at the same number."""

_MALFORMED = "MALFORMED_JSON"


class _Suspicious(Exception):
    """Something is in the text that must be pointed at: it is read again, slowly."""


def read(text: bytes, *, line: bool = False) -> Json:
    """The value that `text` spells; `line` says that it is one of many, and somebody else says which.

    Raises:
        Violation: It spells none, or not just one.
    """
    try:
        value = _decoded(text.decode())
    except UnicodeDecodeError:
        raise Violation("", "the body is not UTF-8", reason=_MALFORMED) from None
    except json.JSONDecodeError as error:
        what = "more than one JSON value" if error.msg == "Extra data" else "malformed JSON"
        where = f"column {error.colno}" if line else f"line {error.lineno}, column {error.colno}"
        raise Violation("", f"{what} at {where}", reason=_MALFORMED) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        # An integer of thousands of digits; Python refuses to read those.
        raise Violation("", "a number too large for any field", reason=_MALFORMED) from None
    if text.count(b"{") + text.count(b"[") > DEPTH and deeper(value, DEPTH):
        raise _too_deep()
    return value


def _decoded(text: str) -> Json:
    try:
        return _STRICT.decode(text)
    except _Suspicious:
        value = _LENIENT.decode(text)
        raise next(_marks(value, ""), Violation("", "not JSON", reason=_MALFORMED)) from None


def _too_deep() -> Violation:
    return Violation("", f"nested deeper than {DEPTH} levels")


def deeper(value: Json, levels: int) -> bool:
    """Whether lists and objects are nested in more levels than these."""
    layer = [value] if isinstance(value, dict | list) else []
    while layer:
        if levels == 0:
            return True
        levels -= 1
        layer = [
            child
            for container in layer
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, dict | list)
        ]
    return False


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Suspicious
    return value


def _number(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise _Suspicious
    return value


def _constant(_: str) -> NoReturn:
    raise _Suspicious


class _Mark:
    """Stands where something suspicious stood."""

    def __init__(self, complaint: str) -> None:
        self.complaint = complaint


class _MarkedObject(dict[str, Json]):
    """An object with a key that was given twice."""

    twice: str | None = None


def _marked_object(pairs: list[tuple[str, Json]]) -> _MarkedObject:
    value = _MarkedObject()
    for key, item in pairs:
        if key in value and value.twice is None:
            value.twice = key
        value[key] = item
    return value


def _marked_number(digits: str) -> float | _Mark:
    value = float(digits)
    return _Mark("a number too large for any field") if value in (float("inf"), float("-inf")) else value


def _marked_constant(name: str) -> _Mark:
    return _Mark(f"{name} is not JSON; write it as a string where a field takes it")


def _marks(value: Json, path: str) -> Iterator[Violation]:
    if isinstance(value, _Mark):
        yield Violation(path, value.complaint, reason=_MALFORMED)
    elif isinstance(value, _MarkedObject):
        prefix = f"{path}." if path else ""
        if value.twice is not None:
            yield Violation(f"{prefix}{value.twice}", "given more than once", reason="DUPLICATE_FIELD")
        for key, item in value.items():
            yield from _marks(item, f"{prefix}{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _marks(item, f"{path}[{index}]")


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_constant)
_LENIENT = json.JSONDecoder(
    object_pairs_hook=_marked_object, parse_float=_marked_number, parse_constant=_marked_constant
)
