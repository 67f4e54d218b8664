"""Which method a path means: a trie over the templates' segments.

A literal beats `*`, `*` beats `**`, and the search goes back as far as it must, the HTTP method included: a literal
without DELETE does not hide the `*` beside it that has one. A node lies as deep as the segment it stands for, so a
search visits no node twice. Paths are matched raw: one segment decodes wholly, several keep `%2F` encoded.

Owns matching and the refusal of two claims on one path. Knows nothing of fields.
"""

import re
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Self, TypeVar

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

    def only(self, segment: str) -> "_Node[T] | None":
        """Where a segment leads, if it leads to one place."""
        literal = self.literals.get(segment)
        if literal is None:
            return self.one if segment else None  # an empty one is nothing that `*` could stand for
        return literal if self.one is None else None


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

        HEAD leads where GET does, unless a route of its own is as good.

        Raises:
            Refusal: 404, 405 with `Allow`, or 400 when the path is not well encoded.
        """
        readings = self._readings(path)
        for verb, segments in readings:
            claim = _descend(self._root, segments.whole, 0, verb, method, None)
            if claim is not None:
                return claim.target, segments.values(claim.template)
        methods: set[str] = set()
        for verb, segments in readings:
            _descend(self._root, segments.whole, 0, verb, None, methods)
        if not methods:
            raise _nothing_here()
        raise method_not_allowed(method, methods)

    def _readings(self, path: bytes) -> list[tuple[str | None, "_Segments"]]:
        """How a path may be read: its verb and its segments; the likelier reading first.

        Only the last colon as it was typed begins a verb, and only one that a template has; else it is a part of the
        segment, as in an id like `urn:isbn:1`.
        """
        if not path.startswith(b"/"):
            raise _nothing_here()  # `OPTIONS *`
        if path == b"/":
            return [(None, _Segments([], []))]
        path = path[1:].removesuffix(b"/")  # one slash at the end is forgiven
        readings: list[tuple[str | None, _Segments]] = [(None, _Segments.of(path))]
        head, colon, tail = path.rpartition(b":")
        if colon and b"/" not in tail and (verb := _decoded(tail)) in self._verbs:
            readings.insert(0, (verb, _Segments.of(head)))
        return readings


class _Segments(NamedTuple):
    """A path between its slashes."""

    whole: list[str]
    """Decoded."""
    kept: list[str]
    """The same, but that an encoded slash is not: where several segments are one value, it would be one of theirs."""

    @classmethod
    def of(cls, path: bytes) -> Self:
        """Those of a path without its first slash.

        Raises:
            Refusal: It is not well encoded.
        """
        if b"%" not in path:
            plain = _text(path).split("/")
            return cls(plain, plain)
        if _MALFORMED.search(path):
            raise _malformed_path()
        raw = path.split(b"/")
        return cls([_decoded(segment) for segment in raw], [_decoded(segment, _ENCODED_BUT_SLASH) for segment in raw])

    def values(self, template: Template) -> list[str]:
        """What the variables of a template stand for."""
        return [
            self.whole[variable.start] if variable.single else "/".join(self.kept[variable.start : variable.end])
            for variable in template.variables
        ]


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
    while depth < len(segments) and node.rest is None:
        child = node.only(segments[depth])
        if child is None:
            break
        node, depth = child, depth + 1
    if depth == len(segments):
        found = _claimed(node, verb, method, seen)
        if found is not None:
            return found
    elif segment := segments[depth]:
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
    found = claims.get(method)
    if found is None and method == "HEAD":
        found = claims.get("GET")
    return found or claims.get(ANY_METHOD)


def _nothing_here() -> Refusal:
    return refused(404, "NOT_FOUND", "ROUTE_NOT_FOUND", "nothing is served at this path")


def _decoded(segment: bytes, encoded: re.Pattern[bytes] = _ENCODED) -> str:
    return _text(encoded.sub(lambda found: bytes((int(found[1], 16),)), segment))


def _text(plain: bytes) -> str:
    try:
        return plain.decode()
    except UnicodeDecodeError:
        raise _malformed_path() from None


def _malformed_path() -> Refusal:
    return Violation("", "the path is not percent-encoded UTF-8", reason="MALFORMED_PATH").refusal()
