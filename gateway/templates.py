"""Path templates: how a route's path is written.

    Template  = "/" [ Segments [ Verb ] ] ;
    Segments  = Segment { "/" Segment } ;
    Segment   = "*" | "**" | LITERAL | Variable ;
    Variable  = "{" FieldPath [ "=" Segments ] "}" ;
    FieldPath = IDENT { "." IDENT } ;
    Verb      = ":" LITERAL ;

`{name}` stands for `{name=*}`, variables do not nest, and `**` stands last. A literal is what may stand in a path
(RFC 3986) except `:` and `*`; it may be percent-encoded, and is compared decoded. Owns the grammar; matching is in
`routes`.
"""

import re
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote

_IDENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LITERAL = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+,;=@]|%[0-9A-Fa-f]{2})+")

ONE = "*"
REST = "**"


class TemplateError(Exception):
    """This is not a path template; the message points at the column."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A field that takes the segments from `start` up to `end`, or to the end of the path when `end` is None."""

    path: str
    start: int
    end: int | None

    @property
    def single(self) -> bool:
        """Whether exactly one segment is taken: its slashes decode too."""
        return self.end is not None and self.end - self.start == 1


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. A segment is `ONE`, `REST`, or a decoded literal with a slash before it."""

    text: str
    segments: tuple[str, ...]
    variables: tuple[Variable, ...]
    verb: str | None

    @property
    def shape(self) -> str:
        """The template without its names: two templates of one shape match the same paths."""
        return (
            "/"
            + "/".join(segment.removeprefix("/") for segment in self.segments)
            + (f":{self.verb}" if self.verb is not None else "")
        )


def parse(text: str) -> Template:
    """The template that `text` spells.

    Raises:
        TemplateError: It spells none.
    """
    return _Parser(text).template()


class _Parser:
    """Reads from left to right; `_at` is where it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._segments: list[str] = []
        self._variables: list[Variable] = []

    def template(self) -> Template:
        self._expect("/")
        verb = None
        if self._at < len(self._text):
            self._segments_until(variables=True)
        if self._take(":"):
            verb = unquote(self._match(_LITERAL, "a verb"))
        if self._at < len(self._text):
            self._complain("expected '/', ':' or the end")
        return Template(self._text, tuple(self._segments), tuple(self._variables), verb)

    def _segments_until(self, *, variables: bool) -> None:
        self._segment(variables=variables)
        while self._take("/"):
            self._segment(variables=variables)

    def _segment(self, *, variables: bool) -> None:
        if self._segments and self._segments[-1] == REST:
            self._complain("'**' must be last")
        if self._take("**"):
            self._segments.append(REST)
        elif self._take("*"):
            self._segments.append(ONE)
        elif self._text.startswith("{", self._at):
            if not variables:
                self._complain("a variable inside a variable")
            self._variable()
        else:
            self._segments.append("/" + unquote(self._match(_LITERAL, "a segment")))

    def _variable(self) -> None:
        self._expect("{")
        column = self._at
        path = self._match(_IDENT, "a field name")
        while self._take("."):
            path += "." + self._match(_IDENT, "a field name")
        start = len(self._segments)
        if self._take("="):
            self._segments_until(variables=False)
        else:
            self._segments.append(ONE)
        self._expect("}")
        if any(path == other.path for other in self._variables):
            self._at = column
            self._complain(f"duplicate variable '{path}'")
        end = None if self._segments[-1] == REST else len(self._segments)
        self._variables.append(Variable(path, start, end))

    def _match(self, pattern: re.Pattern[str], what: str) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            self._complain(f"expected {what}")
        self._at = found.end()
        return found.group()

    def _take(self, token: str) -> bool:
        if not self._text.startswith(token, self._at):
            return False
        self._at += len(token)
        return True

    def _expect(self, token: str) -> None:
        if not self._take(token):
            self._complain(f"expected '{token}'")

    def _complain(self, complaint: str) -> NoReturn:
        raise TemplateError(f"column {self._at + 1}: {complaint}")
