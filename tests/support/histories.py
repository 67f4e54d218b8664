"""Histories of calls of one task, and whether a task that is changed by one call at a time could have had them.

A history is linearizable (Herlihy and Wing) if every call can be thought to happen at one instant between being made
and being answered, so that each answer is what the rules say of the task at that instant. The search is that of Wing
and Gong, a call at a time as it is answered (Lowe's just-in-time linearization): at each answer it knows every state
that the task may be in, with the calls under way that have happened already. So the first answer that leaves none ends
the shortest piece of the history that cannot be, and the states before it say why. What was met once is not searched
again.

The rules stand here by hand, as the contract tells them: they are what the service is held against.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

MOVES = {
    "TODO": {"IN_PROGRESS", "DONE", "CANCELLED"},
    "IN_PROGRESS": {"TODO", "IN_REVIEW", "DONE", "CANCELLED"},
    "IN_REVIEW": {"IN_PROGRESS", "DONE", "CANCELLED"},
    "DONE": {"TODO", "IN_PROGRESS"},
    "CANCELLED": {"TODO"},
}
LOCKED = "TASK_LOCKED"
"""The refusal that may come at any time. What is refused has not happened, so it says nothing of the task."""

_MOST = 100_000
_SHOWN = 5


class NotLinearizable(AssertionError):
    """No order of these calls explains their answers."""


class Undecided(Exception):
    """There are too many orders to try."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, and what that shows of the task. Empty is not shown."""

    status: str = ""
    etag: str = ""
    refusal: str = ""

    def __str__(self) -> str:
        return " ".join([*filter(None, (self.refusal, self.status)), *([f'"{self.etag}"'] if self.etag else [])])


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of one client. Instants are numbers; what is made and answered at the same one is under way together."""

    process: int
    invoked_at: int
    answered_at: int | None = None
    """None, as `answer`, when none came: the call may have happened, or happen yet, or never."""
    status: str = ""
    """Where the task is to go; empty for a call that reads."""
    etag: str = ""
    answer: Answer | None = None

    def __str__(self) -> str:
        what = f"move to {self.status}" if self.status else "read"
        condition = f' if "{self.etag}"' if self.etag else ""
        span = f"{self.invoked_at}..{'' if self.answered_at is None else self.answered_at}"
        return f"process {self.process}, {span}: {what}{condition} -> {self.answer or 'no answer'}"


@dataclass(frozen=True, slots=True)
class State:
    """What a task may be at an instant."""

    status: str
    etag: str
    """Empty as long as nobody was shown it: a call without an answer has made it."""
    used: frozenset[str]
    """Every etag that was ever shown, this one included: none comes back."""
    cause: Call | None = field(default=None, compare=False)

    def __str__(self) -> str:
        etag = f'"{self.etag}"' if self.etag else "with an etag that nobody knows"
        return f"{self.status} {etag}, " + (f"left by {self.cause}" if self.cause else "as it was at first")

    def shown(self, answer: Answer) -> "State | None":
        """The state, if the answer shows it: with its etag, if that was not known."""
        if answer.status not in {"", self.status} or (answer.etag and self.etag not in {"", answer.etag}):
            return None
        if self.etag or not answer.etag:
            return self
        if answer.etag in self.used:
            return None
        return replace(self, etag=answer.etag, used=self.used | {answer.etag})

    def moved(self, call: Call) -> "State | None":
        """The state after the call has moved the task, if the answer to it shows that with a new etag."""
        there = State(call.status, "", self.used, call)
        return there if call.answer is None else there.shown(call.answer)


def refusal(state: State, call: Call) -> str:
    """What the rules refuse a call for, if they do. What its author has not seen is refused before where it leads."""
    if call.etag and call.etag != state.etag:
        return "ETAG_MISMATCH"
    if call.status and call.status != state.status and call.status not in MOVES[state.status]:
        return "ILLEGAL_TRANSITION"
    return ""


def after(state: State, call: Call) -> State | None:
    """The state that the call leaves, happening now; None if its answer is not what the rules say, or it has none.

    A call without an answer is taken to change something: otherwise it may as well never happen.
    """
    refused = refusal(state, call)
    stays = not call.status or call.status == state.status
    if call.answer is None:
        return None if refused or stays else state.moved(call)
    if call.answer.refusal != refused:
        return None
    return state.shown(call.answer) if refused or stays else state.moved(call)


def said_by_the_rules(state: State, call: Call) -> str:
    """What would have to be answered, in words."""
    refused = refusal(state, call)
    if refused or not call.status or call.status == state.status:
        return str(Answer(state.status, state.etag, refused))
    return f"{call.status} with an etag that was never there"


Position = tuple[State, frozenset[int]]
"""What the task may be, and which of the calls under way have happened."""


def check(history: Iterable[Call], start: Answer, *, most: int = _MOST) -> None:
    """Go on only if the history is one of a task that was `start` at first.

    Raises:
        NotLinearizable: It cannot be; says where.
        Undecided: There are more than `most` positions to try at one answer.
    """
    calls = [call for call in history if call.answer is not None or call.status]
    calls = [call for call in calls if call.answer is None or call.answer.refusal != LOCKED]
    under_way: dict[int, Call] = {}
    positions: Collection[Position] = {(State(start.status, start.etag, frozenset({start.etag})), frozenset())}
    for number, is_answer in _events(calls):
        if not is_answer:
            under_way[number] = calls[number]
            continue
        met = _reachable(positions, number, under_way, most=most)
        reached = {(state, happened - {number}) for state, happened in met if number in happened}
        call = under_way.pop(number)
        if not reached:
            raise NotLinearizable(_explained(call, under_way.values(), [state for state, _ in met]))
        positions = reached


def _events(calls: Sequence[Call]) -> Iterator[tuple[int, bool]]:
    """Which call was made, and which was answered, in order."""
    made = [(call.invoked_at, False, number) for number, call in enumerate(calls)]
    answered = [(call.answered_at, True, number) for number, call in enumerate(calls) if call.answered_at is not None]
    return ((number, is_answer) for _, is_answer, number in sorted([*made, *answered]))


def _reachable(
    positions: Iterable[Position], answered: int, under_way: dict[int, Call], *, most: int
) -> dict[Position, None]:
    """Every position that calls under way can lead to until the one that is answered now has happened."""
    met = dict.fromkeys(_quietly(position, under_way) for position in positions)
    waiting = list(met)
    while waiting:
        state, happened = waiting.pop()
        if answered in happened:
            continue
        for number, call in under_way.items():
            left = None if number in happened else after(state, call)
            if left is None:
                continue
            position = _quietly((left, happened | {number}), under_way)
            if position not in met:
                met[position] = None
                waiting.append(position)
        if len(met) > most:
            raise Undecided(f"more than {most} positions at {under_way[answered]}")
    return met


def _quietly(position: Position, under_way: dict[int, Call]) -> Position:
    """The position once everything has happened that changes nothing: to wait with it can only lead to less."""
    state, happened = position
    quiet = (number for number, call in under_way.items() if call.answer is not None and after(state, call) is state)
    return state, happened.union(quiet)


def _explained(call: Call, others: Iterable[Call], states: Sequence[State]) -> str:
    different = list(dict.fromkeys(states))
    more = len(different) - _SHOWN
    return "\n".join(
        [
            "no order of the calls explains this answer:",
            f"    {call}",
            "since the task can only have been",
            *(f"    {state}\n        by the rules: {said_by_the_rules(state, call)}" for state in different[:_SHOWN]),
            *([f"    or one of {more} more states"] if more > 0 else []),
            "while these were under way:",
            *([f"    {other}" for other in others] or ["    none"]),
        ]
    )
