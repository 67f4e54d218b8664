"""The checker of histories takes those that one task could have had, and refuses those that none could."""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.histories import (
    LOCKED,
    MOVES,
    Answer,
    Call,
    NotLinearizable,
    State,
    Undecided,
    after,
    check,
)

START = Answer("TODO", "1")
unhurried = settings(deadline=None)
_processes = itertools.count(1)


def call(span: str, status: str = "", *, etag: str = "", answer: str = "") -> Call:
    """`3..5` and what was answered, such as `DONE 2` or `ETAG_MISMATCH`; `3..` has no answer."""
    invoked, _, answered = span.partition("..")
    first, _, second = answer.partition(" ")
    shown = Answer(first, second) if first in MOVES else Answer(refusal=first)
    return Call(
        process=next(_processes),
        invoked_at=int(invoked),
        answered_at=int(answered) if answered else None,
        status=status,
        etag=etag,
        answer=shown if answered else None,
    )


GOOD = {
    "nothing happened": [],
    "one after the other": [
        call("1..2", "IN_PROGRESS", etag="1", answer="IN_PROGRESS 2"),
        call("3..4", "DONE", etag="2", answer="DONE 3"),
        call("5..6", answer="DONE 3"),
    ],
    "of two at once either is the first": [
        call("1..9", "DONE", answer="DONE 3"),
        call("2..8", "IN_PROGRESS", answer="IN_PROGRESS 2"),
    ],
    "of two with one etag one wins": [
        call("1..9", "DONE", etag="1", answer="DONE 2"),
        call("2..8", "CANCELLED", etag="1", answer="ETAG_MISMATCH"),
    ],
    "the loser is answered first": [
        call("1..3", "CANCELLED", etag="1", answer="ETAG_MISMATCH"),
        call("2..9", "DONE", etag="1", answer="DONE 2"),
    ],
    "who reads during a change sees what was, or what comes": [
        call("1..9", "DONE", answer="DONE 2"),
        call("2..3", answer="TODO 1"),
        call("4..5", answer="DONE 2"),
    ],
    "who goes where it is changes nothing": [call("1..2", "TODO", answer="TODO 1"), call("3..4", answer="TODO 1")],
    "what the matrix forbids is refused": [call("1..2", "IN_REVIEW", answer="ILLEGAL_TRANSITION")],
    "a stale etag is refused before a forbidden move": [
        call("1..2", "DONE", answer="DONE 2"),
        call("3..4", "CANCELLED", etag="1", answer="ETAG_MISMATCH"),
    ],
    "who waited too long has changed nothing": [
        call("1..2", "DONE", answer=LOCKED),
        call("3..4", answer="TODO 1"),
    ],
    "a call without an answer has happened": [call("1..", "DONE"), call("2..3", answer="DONE 7")],
    "a call without an answer never happens": [call("1..", "DONE"), call("2..3", answer="TODO 1")],
    "a call without an answer happens late": [
        call("1..", "DONE"),
        call("2..3", answer="TODO 1"),
        call("4..5", answer="DONE 2"),
    ],
    "between two calls without an answer nobody saw the etag": [
        call("1..", "IN_PROGRESS", etag="1"),
        call("1..", "IN_REVIEW"),
        call("2..3", answer="IN_REVIEW 3"),
    ],
    "it met the etag that a call without an answer had made": [
        call("1..", "DONE"),
        call("2..3", "IN_PROGRESS", etag="1", answer="ETAG_MISMATCH"),
        call("4..5", "IN_PROGRESS", answer="IN_PROGRESS 3"),
    ],
    "a read without an answer": [call("1.."), call("2..3", answer="TODO 1")],
}

BAD = {
    "a lost update": [
        call("1..9", "IN_PROGRESS", etag="1", answer="IN_PROGRESS 2"),
        call("10..11", "DONE", answer="DONE 3"),
        call("12..13", answer="IN_PROGRESS 2"),
    ],
    "a stale read": [call("1..2", "DONE", answer="DONE 2"), call("3..4", answer="TODO 1")],
    "reads go back and forth": [
        call("1..9", "DONE", answer="DONE 2"),
        call("2..3", answer="DONE 2"),
        call("4..5", answer="TODO 1"),
    ],
    "two winners with one etag": [
        call("1..9", "DONE", etag="1", answer="DONE 2"),
        call("2..8", "CANCELLED", etag="1", answer="CANCELLED 3"),
    ],
    "two changes made one etag": [
        call("1..9", "IN_PROGRESS", answer="IN_PROGRESS 2"),
        call("2..8", "DONE", answer="DONE 2"),
    ],
    "an etag comes back": [
        call("1..2", "IN_PROGRESS", answer="IN_PROGRESS 2"),
        call("3..4", "TODO", answer="TODO 1"),
    ],
    "a forbidden move was made": [call("1..2", "IN_REVIEW", answer="IN_REVIEW 2")],
    "neither order allows both": [
        call("1..9", "DONE", answer="DONE 2"),
        call("2..8", "CANCELLED", answer="CANCELLED 3"),
    ],
    "a change was answered after a later read had not seen it": [
        call("1..2", "DONE", answer="DONE 2"),
        call("3..4", "DONE", answer="DONE 2"),
        call("5..6", answer="TODO 1"),
    ],
    "going where it is changed the etag": [call("1..2", "TODO", answer="TODO 2")],
    "a change kept the etag": [call("1..2", "DONE", answer="DONE 1")],
    "it is somewhere else than the answer says": [call("1..2", "DONE", answer="IN_PROGRESS 2")],
    "a mismatch that was none": [call("1..2", "DONE", etag="1", answer="ETAG_MISMATCH")],
    "a mismatch without an etag": [call("1..2", "DONE", answer="ETAG_MISMATCH")],
    "a move was refused that is allowed": [call("1..2", "DONE", answer="ILLEGAL_TRANSITION")],
    "an earlier answer is the one that cannot be": [
        call("1..9", "DONE", answer="DONE 2"),
        call("2..3", "CANCELLED", answer="ILLEGAL_TRANSITION"),
        call("4..5", answer="TODO 1"),
    ],
    "a stale etag was taken for a forbidden move": [
        call("1..2", "DONE", answer="DONE 2"),
        call("3..4", "CANCELLED", etag="1", answer="ILLEGAL_TRANSITION"),
    ],
    "who waited too long has changed something": [call("1..2", "DONE", answer=LOCKED), call("3..4", answer="DONE 2")],
    "a refusal that no rule knows": [call("1..2", answer="TASK_NOT_FOUND")],
    "a call without an answer happened before it was made": [call("1..2", answer="DONE 2"), call("3..", "DONE")],
    "a call without an answer happened twice": [
        call("1..", "DONE"),
        call("2..3", "TODO", answer="TODO 2"),
        call("4..5", answer="DONE 3"),
        call("6..7", "TODO", answer="TODO 4"),
        call("8..9", answer="DONE 5"),
    ],
    "a call without an answer happened in spite of the rules": [
        call("1..", "IN_REVIEW"),
        call("2..3", answer="IN_REVIEW 2"),
    ],
    "a call without an answer happened in spite of its etag": [
        call("1..2", "DONE", answer="DONE 2"),
        call("3..", "TODO", etag="1"),
        call("4..5", answer="TODO 3"),
    ],
    "a call without an answer made an etag of before": [call("1..", "DONE"), call("2..3", answer="DONE 1")],
    "a call without an answer made two etags": [
        call("1..", "DONE"),
        call("2..3", answer="DONE 2"),
        call("4..5", answer="DONE 3"),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_takes(name: str) -> None:
    check(GOOD[name], START)


@pytest.mark.parametrize("name", BAD)
def test_refuses(name: str) -> None:
    with pytest.raises(NotLinearizable):
        check(BAD[name], START)


def test_a_refusal_shows_what_it_met() -> None:
    moved = call("1..2", "DONE", answer="DONE 2")
    mismatch, illegal = call("3..4", "TODO", etag="1", answer="x"), call("3..4", "CANCELLED", answer="x")
    for refused, right, wrong in (
        (mismatch, Answer(etag="2", refusal="ETAG_MISMATCH"), Answer(etag="3", refusal="ETAG_MISMATCH")),
        (illegal, Answer("DONE", refusal="ILLEGAL_TRANSITION"), Answer("TODO", refusal="ILLEGAL_TRANSITION")),
    ):
        check([moved, replace(refused, answer=right)], START)
        with pytest.raises(NotLinearizable):
            check([moved, replace(refused, answer=wrong)], START)


def test_says_which_answer_cannot_be_and_why() -> None:
    won = replace(call("1..4", "DONE", etag="1", answer="DONE 2"), process=1)
    also_won = replace(call("2..5", "CANCELLED", etag="1", answer="CANCELLED 3"), process=2)
    reading = replace(call("3..8", answer="DONE 2"), process=3)
    later = [call(f"{at}..{at + 1}", answer="CANCELLED 3") for at in range(10, 90, 2)]
    with pytest.raises(NotLinearizable) as refused:
        check([won, also_won, reading, *later], START)
    assert str(refused.value) == (
        "no order of the calls explains this answer:\n"
        '    process 2, 2..5: move to CANCELLED if "1" -> CANCELLED "3"\n'
        "since the task can only have been\n"
        '    DONE "2", left by process 1, 1..4: move to DONE if "1" -> DONE "2"\n'
        '        by the rules: ETAG_MISMATCH DONE "2"\n'
        "while these were under way:\n"
        '    process 3, 3..8: read -> DONE "2"'
    )


def test_gives_up_when_there_is_too_much_to_try() -> None:
    unknown = [call("1..", status) for status in ("IN_PROGRESS", "TODO") for _ in range(6)]
    with pytest.raises(Undecided):
        check([*unknown, call("2..3", answer="CANCELLED 5")], START, most=20)


# Histories that are legal because a task had them, one call at a time; and what becomes of them if one answer is false.


@dataclass(frozen=True)
class Wish:
    """What somebody will ask for, whatever the task is then."""

    status: str
    condition: str
    before: int
    """How long before it happens it is asked for, and how long after it is answered."""
    behind: int


wishes = st.lists(
    st.builds(
        Wish,
        st.sampled_from(["", "", *MOVES]),
        st.sampled_from(["none", "current", "stale"]),
        st.integers(1, 35),
        st.integers(1, 35),
    ),
    min_size=1,
    max_size=25,
)


def lived(wishes: Sequence[Wish], *, at_once: bool, lost: Collection[int] = ()) -> list[Call]:
    """The history that they make of a task: one thing happens every ten instants. Some answers get lost."""
    status, version, newest, history = START.status, 1, 1, list[Call]()
    for number, wish in enumerate(wishes):
        known = {"none": "", "current": str(newest), "stale": str(newest - 1)}
        etag = known[wish.condition] if wish.status else ""
        if etag not in {"", str(version)}:
            answer = Answer(etag=str(version), refusal="ETAG_MISMATCH")
        elif wish.status in {"", status} or wish.status in MOVES[status]:
            version += wish.status not in {"", status}
            status = wish.status or status
            answer = Answer(status, str(version))
        else:
            answer = Answer(status, refusal="ILLEGAL_TRANSITION")
        instant = 10 * (number + 1)
        history.append(
            Call(
                process=number,
                invoked_at=instant - (wish.before if at_once else 1),
                answered_at=None if number in lost else instant + (wish.behind if at_once else 1),
                status=wish.status,
                etag=etag,
                answer=None if number in lost else answer,
            )
        )
        newest = version if answer.etag and number not in lost else newest
    return history


def changes(history: Sequence[Call]) -> list[int]:
    """Which calls have changed something."""
    seen, found = {START.etag}, []
    for number, made in enumerate(history):
        assert made.answer
        if made.status and made.answer.etag and not made.answer.refusal and made.answer.etag not in seen:
            found.append(number)
            seen.add(made.answer.etag)
    return found


@unhurried
@given(wishes, st.booleans())
def test_takes_what_a_task_has_lived(wishes: list[Wish], at_once: bool) -> None:  # noqa: FBT001 - an example
    check(lived(wishes, at_once=at_once), START)


@unhurried
@given(wishes, st.sets(st.integers(0, 24), max_size=4))
def test_takes_it_with_answers_that_got_lost(wishes: list[Wish], lost: set[int]) -> None:
    check(lived(wishes, at_once=True, lost=lost), START)


@unhurried
@given(wishes, st.data())
def test_refuses_any_other_answer_of_calls_one_after_the_other(wishes: list[Wish], data: st.DataObject) -> None:
    history = lived(wishes, at_once=False)
    number = data.draw(st.integers(0, len(history) - 1))
    true = history[number].answer
    assert true
    known = [str(version) for version in range(len(history) + 2)]
    false = data.draw(
        st.builds(Answer, st.sampled_from(list(MOVES)), st.sampled_from(known))
        | st.builds(Answer, refusal=st.sampled_from(["ETAG_MISMATCH", "ILLEGAL_TRANSITION", "TASK_NOT_FOUND"]))
    )
    assume((false.status, false.refusal) != (true.status, true.refusal) or false.etag not in {"", true.etag})
    assume(false.refusal != true.refusal or not false.refusal)
    if number in changes(history) and false.status == true.status and not false.refusal:
        assume(0 < int(false.etag) < int(true.etag))  # any that is new will do
    history[number] = replace(history[number], answer=false)
    with pytest.raises(NotLinearizable):
        check(history, START)


@unhurried
@given(wishes, st.data())
def test_refuses_an_etag_that_nobody_made(wishes: list[Wish], data: st.DataObject) -> None:
    history = lived(wishes, at_once=True)
    idle = [n for n, made in enumerate(history) if not made.status or (made.answer and made.answer.refusal)]
    assume(idle)
    number = data.draw(st.sampled_from(idle))
    false = replace(history[number].answer or START, etag="nobody's")
    history[number] = replace(history[number], answer=false)
    with pytest.raises(NotLinearizable):
        check(history, START)


@unhurried
@given(wishes, st.data())
def test_refuses_one_etag_of_two_changes(wishes: list[Wish], data: st.DataObject) -> None:
    history = lived(wishes, at_once=True)
    changed = changes(history)
    assume(len(changed) > 1)
    first, second = data.draw(st.permutations(changed))[:2]
    assume(history[first].status != history[second].status)  # or the second may have come to where it was already
    false = replace(history[second].answer or START, etag=(history[first].answer or START).etag)
    history[second] = replace(history[second], answer=false)
    with pytest.raises(NotLinearizable):
        check(history, START)


@unhurried
@given(wishes, st.data())
def test_refuses_another_status_under_the_same_etag(wishes: list[Wish], data: st.DataObject) -> None:
    history = lived(wishes, at_once=True)
    reads = [number for number, made in enumerate(history) if not made.status]
    assume(reads)
    number = data.draw(st.sampled_from(reads))
    true = history[number].answer or START
    false = replace(true, status=data.draw(st.sampled_from([status for status in MOVES if status != true.status])))
    history[number] = replace(history[number], answer=false)
    with pytest.raises(NotLinearizable):
        check(history, START)


@unhurried
@given(wishes)
def test_refuses_a_read_of_how_it_was_at_first_after_a_change_was_answered(wishes: list[Wish]) -> None:
    history = lived(wishes, at_once=True)
    assume(changes(history))
    end = max(made.answered_at or 0 for made in history)
    history.append(Call(process=0, invoked_at=end + 1, answered_at=end + 2, answer=START))
    with pytest.raises(NotLinearizable):
        check(history, START)


# The search, held against trying every order.

few_calls = st.lists(
    st.builds(
        lambda begin, length, status, etag, answer: Call(
            process=0,
            invoked_at=begin,
            answered_at=None if answer is None else begin + length,
            status=status,
            etag=etag if status else "",
            answer=answer,
        ),
        st.integers(0, 6),
        st.integers(0, 5),
        st.sampled_from(["", "TODO", "IN_PROGRESS", "DONE"]),
        st.sampled_from(["", "", "1", "2"]),
        st.sampled_from(
            [
                None,
                Answer(refusal="ETAG_MISMATCH"),
                Answer(refusal="ILLEGAL_TRANSITION"),
                *(Answer(status, etag) for status in ("TODO", "IN_PROGRESS", "DONE") for etag in "123"),
            ]
        ),
    ),
    max_size=5,
)


def is_explained_by_some_order(history: Sequence[Call]) -> bool:
    answered = [made for made in history if made.answer]
    unknown = [made for made in history if not made.answer and made.status]
    for many in range(len(unknown) + 1):
        for happened in itertools.combinations(unknown, many):
            for order in itertools.permutations([*answered, *happened]):
                state: State | None = State(START.status, START.etag, frozenset({START.etag}))
                for number, made in enumerate(order):
                    is_too_late = any(
                        later.answered_at is not None and later.answered_at < made.invoked_at
                        for later in order[number:]
                    )
                    state = after(state, made) if state and not is_too_late else None
                if state:
                    return True
    return False


@unhurried
@given(few_calls)
def test_finds_an_order_when_there_is_one(history: list[Call]) -> None:
    try:
        check(history, START)
    except NotLinearizable:
        assert not is_explained_by_some_order(history)
    else:
        assert is_explained_by_some_order(history)
