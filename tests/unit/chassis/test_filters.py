"""The language of filters: what it reads, and where it says that it cannot."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import filters
from chassis.filters import (
    EVERYTHING,
    All,
    BadFilter,
    Compared,
    Either,
    Field,
    Filter,
    Node,
    Not,
    Present,
    Words,
    read_filter,
)

ME = UUID("00000000-0000-7000-8000-00000000000a")
SOMEBODY = UUID("00000000-0000-7000-8000-00000000000b")


class Colour(StrEnum):
    """Of shoes."""

    RED = "RED"
    BLUE = "BLUE"


def shelf(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a number, or an id")
    return int(text)


FIELDS: dict[str, Field] = {
    "name": filters.words(),
    "colour": filters.choice(Colour),
    "size": filters.number(),
    "made": filters.instant(),
    "sold": filters.instant(optional=True),
    "owner": filters.person(ME, optional=True),
    "lost": filters.flag(),
    "code": filters.text(optional=True),
    "shelf": filters.named(shelf),
}

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
A, B, C, D = Words(0), Words(1), Words(2), Words(3)


@pytest.mark.parametrize(
    ("text", "tree", "values"),
    [
        pytest.param("boot", A, ("boot",), id="a word"),
        pytest.param("'left boot'", A, ("left boot",), id="words in a row"),
        pytest.param(r'"\"left\" \\ boot"', A, (r'"left" \ boot',), id="escapes"),
        pytest.param("a b", All((A, B)), ("a", "b"), id="a sequence"),
        pytest.param("a AND b", All((A, B)), ("a", "b"), id="and"),
        pytest.param("a OR b", Either((A, B)), ("a", "b"), id="or"),
        pytest.param("a AND b OR c AND d", All((A, Either((B, C)), D)), ("a", "b", "c", "d"), id="OR binds tighter"),
        pytest.param("a b AND c", All((All((A, B)), C)), ("a", "b", "c"), id="a sequence binds tighter than AND"),
        pytest.param("a b OR c", All((A, Either((B, C)))), ("a", "b", "c"), id="and OR tighter than a sequence"),
        pytest.param("(a AND b) OR c", Either((All((A, B)), C)), ("a", "b", "c"), id="parentheses"),
        pytest.param("NOT a", Not(A), ("a",), id="not"),
        pytest.param("-a", Not(A), ("a",), id="minus"),
        pytest.param("NOT(a)", Not(A), ("a",), id="not, parentheses"),
        pytest.param("-(a OR -b)", Not(Either((A, Not(B)))), ("a", "b"), id="minus, parentheses"),
        pytest.param("a-b", A, ("a-b",), id="a minus inside a word is none"),
        pytest.param("android", A, ("android",), id="a keyword inside a word is none"),
        pytest.param("and or not", All((A, B, C)), ("and", "or", "not"), id="keywords are upper case"),
        pytest.param("'AND'", A, ("AND",), id="a keyword in quotes is a word"),
        pytest.param("size=41", Compared("size", "=", 0), (41,), id="a number"),
        pytest.param(" size  >=  -1 ", Compared("size", ">=", 0), (-1,), id="spaces"),
        pytest.param("size:41", Compared("size", "=", 0), (41,), id="one thing has what it is"),
        pytest.param("name:boot", Compared("name", ":", 0), ("boot",), id="a text has words"),
        pytest.param("name:'left boot'", Compared("name", ":", 0), ("left boot",), id="words in a row of a text"),
        pytest.param("colour != RED", Compared("colour", "!=", 0), (Colour.RED,), id="a choice"),
        pytest.param(
            "colour = (RED OR BLUE)",
            Either((Compared("colour", "=", 0), Compared("colour", "=", 1))),
            (Colour.RED, Colour.BLUE),
            id="several values",
        ),
        pytest.param(
            "name:(left -boot)",
            All((Compared("name", ":", 0), Not(Compared("name", ":", 1)))),
            ("left", "boot"),
            id="several words of a text",
        ),
        pytest.param("made < 2030-01-31T12:00:00Z", Compared("made", "<", 0), (NOON,), id="a time"),
        pytest.param('made < "2030-01-31t13:00:00.000+01:00"', Compared("made", "<", 0), (NOON,), id="elsewhere"),
        pytest.param("made<2030-01-31", Compared("made", "<", 0), (NOON.replace(hour=0),), id="a day"),
        pytest.param("sold:*", Present("sold"), (), id="there"),
        pytest.param("NOT sold:*", Not(Present("sold")), (), id="not there"),
        pytest.param("owner = me", Compared("owner", "=", 0), (ME,), id="me"),
        pytest.param(f"owner != {SOMEBODY}", Compared("owner", "!=", 0), (SOMEBODY,), id="somebody"),
        pytest.param("code = a-1/b", Compared("code", "=", 0), ("a-1/b",), id="a text that is this one"),
        pytest.param("code:*", Present("code"), (), id="a text that is there"),
        pytest.param("shelf = 12", Compared("shelf", "=", 0), (12,), id="by name"),
        pytest.param(f"shelf:{SOMEBODY}", Compared("shelf.id", "=", 0), (SOMEBODY,), id="by id"),
        pytest.param(
            f"shelf != 12 -shelf = (12 OR {ME})",
            All(
                (
                    Compared("shelf", "!=", 0),
                    Not(Either((Compared("shelf", "=", 1), Compared("shelf.id", "=", 2)))),
                )
            ),
            (12, 12, ME),
            id="by name and by id",
        ),
        pytest.param("lost = true", Compared("lost", "=", 0), (True,), id="a flag"),
        pytest.param("(" * 10 + "a" + ")" * 10, A, ("a",), id="as deep as it goes"),
    ],
)
def test_reads(text: str, tree: Node, values: tuple[Any, ...]) -> None:
    read = read_filter(text, FIELDS)
    assert (read.text, read.tree, read.values) == (text, tree, values)


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_nothing_is_everything(text: str) -> None:
    assert read_filter(text, FIELDS) == EVERYTHING == Filter()


def test_two_filters_of_one_shape_have_one_tree() -> None:
    one, other = (read_filter(text, FIELDS) for text in ("size > 1 AND boot", "size>40  'shoe'"))
    assert one.tree == other.tree
    assert hash(one.tree) == hash(other.tree)
    assert one.values != other.values


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("weight > 5", "column 1: there is no field 'weight', only name, colour, size", id="no such field"),
        pytest.param("a AND", "column 6: expected a field or a word, not the end", id="nothing after AND"),
        pytest.param("OR a", "column 1: expected a field or a word, not 'O'", id="nothing before OR"),
        pytest.param("NOT", "column 4: expected a field or a word, not the end", id="nothing after NOT"),
        pytest.param("NOT NOT a", "column 5: expected a field or a word, not 'N'", id="not not"),
        pytest.param("--a", "column 2: expected a field or a word, not '-'", id="minus minus"),
        pytest.param("(a", "column 3: expected AND, OR or ')', not the end", id="no closing parenthesis"),
        pytest.param("a)", "column 2: expected AND, OR or the end, not ')'", id="no opening parenthesis"),
        pytest.param("()", "column 2: expected a field or a word, not ')'", id="nothing in parentheses"),
        pytest.param("'boot", "column 1: this quotation does not end", id="open quotation"),
        pytest.param("size =", "column 7: expected a value, not the end", id="no value"),
        pytest.param("size = AND", "column 8: expected a value, not 'A'", id="a keyword for a value"),
        pytest.param("= 5", "column 1: expected a field or a word, not '='", id="no field"),
        pytest.param("a, b", "column 2: expected", id="comma"),
        pytest.param("size = many", "column 8: size is a whole number of 32 bits", id="no number"),
        pytest.param("size = 2147483648", "column 8: size is a whole number of 32 bits", id="too large"),
        pytest.param("size = 1.5", "column 8: size is a whole number of 32 bits", id="not whole"),
        pytest.param("colour = GREEN", "column 10: colour is one of RED, BLUE", id="no such choice"),
        pytest.param("colour = red", "column 10: colour is one of RED, BLUE", id="choices are upper case"),
        pytest.param("made > soon", "column 8: made is a date or a time", id="no time"),
        pytest.param("made > 2030-02-31", "column 8: made is a date or a time", id="no such day"),
        pytest.param("made > 2030-01-31T12:00:00", "column 8: made is a date or a time", id="where?"),
        pytest.param("made > 20300131", "column 8: made is a date or a time", id="without dashes"),
        pytest.param("made > 0001-01-01T00:00:00+01:00", "column 8: made is", id="before all time"),
        pytest.param("owner = you", "column 9: owner is the id of a person, or me", id="nobody"),
        pytest.param("owner > me", "column 1: owner knows != =, not >", id="people have no order"),
        pytest.param("code > a", "column 1: code knows != =, not >", id="such texts have no order"),
        pytest.param("shelf = top", "column 9: shelf is a number, or an id", id="no name"),
        pytest.param(f"shelf.id = {ME}", "column 1: there is no field 'shelf.id'", id="what only the tree says"),
        pytest.param("lost = maybe", "column 8: lost is true or false", id="no flag"),
        pytest.param("name = boot", "column 1: name knows :, not =", id="texts are not compared"),
        pytest.param("name:*", "column 1: name is always there", id="what is always there"),
        pytest.param("size = *", "column 8: size is a whole number", id="a star with ="),
        pytest.param("size > (1 OR 2)", "column 8: several values go with = only, not with >", id="several values"),
        pytest.param("colour = (RED size)", "column 15: colour is one of RED, BLUE", id="a field for a value"),
        pytest.param("today(size)", "column 1: there are no functions", id="function"),
        pytest.param("(" * 11 + "a" + ")" * 11, "column 11: parentheses go 10 deep at the most", id="too deep"),
        pytest.param(" ".join("a" * 51), "column 101: a filter has 50 terms at the most", id="too many terms"),
        pytest.param("a" * 1001, "column 1001: a filter has 1000 characters at the most", id="too long"),
    ],
)
def test_refuses(text: str, complaint: str) -> None:
    with pytest.raises(BadFilter) as refused:
        read_filter(text, FIELDS)
    (violation,) = refused.value.violations
    assert violation.field == "filter"
    assert violation.description.startswith(complaint)


PIECES = [
    *FIELDS,
    "AND",
    "OR",
    "NOT",
    "-",
    "(",
    ")",
    "=",
    "!=",
    "<",
    ">=",
    ":",
    "*",
    "'a b'",
    '"',
    "\\",
    ",",
    "me",
    "41",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map(" ".join)))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        read = read_filter(text, FIELDS)
    except BadFilter:
        return
    assert len(read.values) <= filters.MOST_TERMS
