"""Which method a path means: a trie over the templates' segments.

A literal beats `*`, `*` beats `**`, and the search goes back as far as it must, the HTTP method included: a literal
without DELETE does not hide the `*` beside it that has one. A node lies as deep as the segment it stands for, so a
search visits no node twice. Paths are matched raw: one segment decodes wholly, several keep `%2F` encoded.

Owns matching and the refusal of two claims on one path. Knows nothing of fields.
"""

import re
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.descriptors import ContractUnusable
from gateway.errors import Refusal, Violation, refused
from gateway.templates import ONE, REST, Template

T = TypeVar("T")

ANY_METHOD = "*"

_MALFORMED = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")
_ENCODED_BUT_SLASH = re.compile(rb"%(?!2[Ff])([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Claim(Generic[T]):
    """A template that leads somewhere, and who says so."""

    template: Template
    owner: str
    target: T


@dataclass(slots=True)
class _Node(Generic[T]):
    literals: dict[str, "_Node[T]"] = field(default_factory=dict)
    one: "_Node[T] | None" = None
    rest: "_Node[T] | None" = None
    claims: dict[str | None, dict[str, Claim[T]]] = field(default_factory=dict)
    """Verb (`:cancel`) → HTTP method → claim, of the templates that end here."""


class Routes(Generic[T]):
    """Everything that can be asked for by HTTP."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._root: _Node[T] = _Node()
        self._verbs: set[str] = set()

    def add(self, method: str, template: Template, owner: str, target: T) -> None:
        """Let `method` on the template's paths lead to `target`.

        Raises:
            ContractUnusable: Another template of the same shape has been given this method.
        """
        node = self._root
        for segment in template.segments:
            if segment == REST:
                node.rest = node.rest or _Node()
                node = node.rest
            elif segment == ONE:
                node.one = node.one or _Node()
                node = node.one
            else:
                node = node.literals.setdefault(segment[1:], _Node())
        claims = node.claims.setdefault(template.verb, {})
        if (rival := claims.get(method)) is not None:
            raise ContractUnusable(f"{rival.owner} and {owner} both claim {method} {template.shape}")
        claims[method] = Claim(template, owner, target)
        if template.verb is not None:
            self._verbs.add(template.verb)

    def find(self, method: str, path: bytes) -> tuple[T, list[str]]:
        """Where a request leads, and the values of the template's variables.

        HEAD leads where GET does, unless a route of its own says otherwise.

        Raises:
            Refusal: 404, 405 with `Allow`, or 400 when the path is not well encoded.
        """
        readings = self._readings(path)
        for wanted in (method, "GET") if method == "HEAD" else (method,):
            for verb, raw, whole in readings:
                claim = _descend(self._root, whole, 0, verb, wanted, None)
                if claim is not None:
                    return claim.target, _values(claim.template, raw, whole)
        methods: set[str] = set()
        for verb, _, whole in readings:
            _descend(self._root, whole, 0, verb, None, methods)
        if not methods:
            raise _nothing_here()
        raise method_not_allowed(method, methods)

    def _readings(self, path: bytes) -> list[tuple[str | None, list[bytes], list[str]]]:
        """How a path may be read: the verb, the segments as they came, and decoded; the likelier reading first.

        Only the last colon as it was typed begins a verb, and only one that a template has; else it is a part of the
        segment, as in an id like `urn:isbn:1`.
        """
        raw = _split(path)
        whole = [_decoded(segment) for segment in raw]
        readings: list[tuple[str | None, list[bytes], list[str]]] = [(None, raw, whole)]
        if raw and b":" in raw[-1]:
            head, _, tail = raw[-1].rpartition(b":")
            if (verb := _decoded(tail)) in self._verbs:
                readings.insert(0, (verb, [*raw[:-1], head], [*whole[:-1], _decoded(head)]))
        return readings


def method_not_allowed(method: str, served: set[str]) -> Refusal:
    """405, with what is served besides `served` as a matter of course."""
    allow = ", ".join(sorted(served | {"OPTIONS"} | ({"HEAD"} if "GET" in served else set())))
    return refused(
        405,
        "UNIMPLEMENTED",
        "METHOD_NOT_ALLOWED",
        f"{method} is not served at this path; it has {allow}",
        headers=[(b"allow", allow.encode())],
    )


def _descend(
    node: _Node[T], segments: list[str], depth: int, verb: str | None, method: str | None, seen: set[str] | None
) -> Claim[T] | None:
    """The best claim below `node`. Without a method it finds none, and leaves in `seen` which methods there are."""
    if depth == len(segments):
        found = _claimed(node, verb, method, seen)
        if found is not None:
            return found
    elif segment := segments[depth]:  # an empty segment is nothing that `*` could stand for
        for child in (node.literals.get(segment), node.one):
            if child is not None:
                found = _descend(child, segments, depth + 1, verb, method, seen)
                if found is not None:
                    return found
    if node.rest is not None and "" not in segments[depth:]:
        return _claimed(node.rest, verb, method, seen)
    return None


def _claimed(node: _Node[T], verb: str | None, method: str | None, seen: set[str] | None) -> Claim[T] | None:
    claims = node.claims.get(verb)
    if claims is None:
        return None
    if method is None:
        if seen is not None:
            seen.update(claims)
        return None
    return claims.get(method) or claims.get(ANY_METHOD)


def _nothing_here() -> Refusal:
    return refused(404, "NOT_FOUND", "ROUTE_NOT_FOUND", "nothing is served at this path")


def _split(path: bytes) -> list[bytes]:
    """The segments as they came; one slash at the end is forgiven."""
    if not path.startswith(b"/"):
        raise _nothing_here()  # `OPTIONS *`
    if _MALFORMED.search(path):
        raise _malformed_path()
    segments = path[1:].split(b"/")
    if not segments[-1]:
        segments.pop()
    return segments


def _decoded(segment: bytes, encoded: re.Pattern[bytes] = _ENCODED) -> str:
    if b"%" in segment:
        segment = encoded.sub(lambda found: bytes((int(found[1], 16),)), segment)
    try:
        return segment.decode()
    except UnicodeDecodeError:
        raise _malformed_path() from None


def _malformed_path() -> Refusal:
    return Violation("", "the path is not percent-encoded UTF-8", reason="MALFORMED_PATH").refusal()


def _values(template: Template, raw: list[bytes], whole: list[str]) -> list[str]:
    return [
        whole[variable.start]
        if variable.single
        else "/".join(_decoded(segment, _ENCODED_BUT_SLASH) for segment in raw[variable.start : variable.end])
        for variable in template.variables
    ]
