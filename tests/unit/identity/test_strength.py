"""How hard a password is to guess, and words that one can act on."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from zxcvbn import matching, zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from identity_service.strength import weakness
from tests.support.people import PASSWORD

SIGNS = "4@8({[<369&!1/|0$5+7%2" * 4
ADA = ("Ada.Lovelace@analytical.example", "Augusta Ada King", "countess")


def test_the_most_common_passwords_are_refused_whatever_the_minimum() -> None:
    """Of those that are long enough for the shortest minimum that can be set: every one of the first 3,000."""
    common = [password for password in FREQUENCY_LISTS["passwords"] if len(password) >= 8][:3000]
    assert len(common) == 3000
    assert [password for password in common if weakness(password, ()) is None] == []


@pytest.mark.parametrize(
    "password",
    [
        "Ada Lovelace 1815",
        "lovelace.ada.analytical",
        "ada.lovelace@analytical.example",
        "AugustaAdaKing!",
        "countesscountess",
        "TandemTandemTandem",
    ],
)
def test_names_make_no_password(password: str) -> None:
    assert "your name" in (weakness(password, ADA) or "")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("aaaaaaaaaaaaaaaaaaaa", "repeats"),
        ("abcabcabcabcabcabc", "repeats"),
        ("abcdefghijklmnopqrstuvwxyz", "sequences"),
        ("qwertyuiopasdfghjkl", "commonly used"),
        ("password12345678", "commonly used"),
        ("p4$$w0rd12345678", "commonly used"),
    ],
)
def test_a_weak_password_is_told_why(password: str, why: str) -> None:
    reason = weakness(password, ADA)
    assert reason is not None
    assert why in reason
    assert "unusual words" in reason, "and what to do"


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "correct horse battery",
        "vier ungewöhnliche Wörter",
        "密码是很长的一句话没有人会猜到它",
        "x9$Kq2!vTz7#pLm4",
    ],
)
def test_long_and_unlikely_is_enough(password: str) -> None:
    assert weakness(password, ADA) is None


def test_the_longest_password_is_judged_in_no_time_by_its_beginning() -> None:
    assert weakness("long and unlikely words, " * 10, ADA) is None
    assert weakness("a" * 256, ADA) is not None


@pytest.mark.parametrize(
    "password", [SIGNS, SIGNS[:20] * 12, "$5+7" * 64, "31415926535897932384626433832795" * 8, "tandem 1!|7 " * 21]
)
def test_no_password_is_looked_for_in_many_spellings(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the pieces that are looked for in dictionaries, because clocks would lie: 12,000 take some 40 ms."""
    pieces = 0
    original = matching.dictionary_match

    def counted(text: str, *more: Any, **named: Any) -> Any:
        nonlocal pieces
        pieces += len(text) * (len(text) + 1) // 2
        return original(text, *more, **named)

    monkeypatch.setattr(matching, "dictionary_match", counted)
    weakness(password, ADA)
    assert 0 < pieces <= 12_000


def test_people_who_choose_at_once_are_not_judged_by_each_others_names(monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[list[str]] = []
    met = []

    def slow(password: str, user_inputs: list[str]) -> Any:
        there.append(user_inputs)
        time.sleep(0.01)  # long enough for another thread to come
        met.append(len(there))
        there.remove(user_inputs)
        return zxcvbn(password, user_inputs=user_inputs)

    monkeypatch.setattr("identity_service.strength.zxcvbn", slow)
    with ThreadPoolExecutor(4) as threads:
        for name in ("ada", "eve", "bob", "joy"):
            threads.submit(weakness, PASSWORD, (name,))
    assert met == [1, 1, 1, 1]


def test_short_words_of_a_name_do_not_count() -> None:
    assert weakness("jo ran to the olive groves", ("jo@example.com", "Jo To", "")) is None
