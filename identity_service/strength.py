"""How hard a password is to guess: no rules about kinds of characters, but an estimate of what guessing takes.

The estimate knows the 30,000 most common passwords, words and names of several lists, keyboards, dates, sequences and
repetitions, and what the person is called.
"""

import re
from collections.abc import Iterable, Iterator
from threading import Lock

from zxcvbn import matching, zxcvbn

_OWN_NAME = "tandem"
_JUDGED = 32  # characters: more than enough to tell, and the estimate takes ever longer
_ENOUGH = 3  # of 4: more than 10^8 guesses
_SHORTEST_WORD = 3
_LEAST_BESIDE_NAMES = 8

_ADVICE = "four or five unusual words that have nothing to do with each other will do"
_NAMES = "is made of your name, your address or the name of this service: choose words that have nothing to do with you"

# The estimate tries every combination of what signs may stand for. With these there are 8, and with all that it knows
# there are 736: anybody could have us busy for seconds.
matching.L33T_TABLE.update({"c": ["("], "g": ["9"], "i": ["1", "!"], "l": [], "t": ["7"]})
_ONE_AT_A_TIME = Lock()  # what is told of a person is kept in a place that all estimates share


def weakness(password: str, about: Iterable[str]) -> str | None:
    """Why the password is too easy to guess, in words that one can act on. None when it is not.

    `about` is what others know of the person: names, the address.
    """
    words = sorted(set(_words(about)), key=len, reverse=True)
    if _beside(password.casefold(), words) < _LEAST_BESIDE_NAMES:
        return _NAMES
    with _ONE_AT_A_TIME:
        estimate = zxcvbn(password[:_JUDGED], user_inputs=words)
    if estimate["score"] >= _ENOUGH:
        return None
    if any(part.get("dictionary_name") == "user_inputs" for part in estimate["sequence"]):
        return _NAMES
    warning = estimate["feedback"]["warning"].rstrip(".")
    return f"is too easy to guess{f' ({warning[0].lower()}{warning[1:]})' if warning else ''}: {_ADVICE}"


def _words(about: Iterable[str]) -> Iterator[str]:
    yield _OWN_NAME
    for text in map(str.casefold, about):
        parts = (text, text.partition("@")[0], *re.split(r"[\W_]+", text))
        yield from (part for part in parts if len(part) >= _SHORTEST_WORD)


def _beside(password: str, words: Iterable[str]) -> int:
    """How long the password is without those words."""
    for word in words:
        password = password.replace(word, "")
    return len(password)
