"""Places in an order, such that whatever is moved gets one between two others, and nothing else moves.

A place is a string of hexadecimal digits, compared byte by byte: eight of them count, the rest are a fraction.
"""

from itertools import count

from chassis.errors import FailedPrecondition

_COUNTING = 8
_MIDDLE = 2**31  # half of what can be counted is left for what is put first
_STEPS = 4  # digits of the fraction that those take which are put last one after the other
_LONGEST = 1000


class NoRoom(FailedPrecondition):
    """So much has been put between these two that nothing more fits: move one of them first."""

    reason = "NO_ROOM"


def initial(number: int) -> str:
    """The place of what is new: after everything that has a lower number."""
    return f"{_MIDDLE + number:0{_COUNTING}x}"


def between(low: str | None, high: str | None) -> str:
    """A place above `low` and below `high`. None stands for the beginning, or for the end.

    What is put at the beginning or at the end, again and again, gets places that hardly grow; between two that stay
    where they are, a place grows by one digit in four.

    Raises:
        NoRoom: It would have more than 1,000 digits.
    """
    if low is None and high is not None and (first := int(high[:_COUNTING], 16)) > 0:
        return f"{first - 1:0{_COUNTING}x}8"  # with a fraction: without one, it may be that of a number
    if low is not None and high is None:
        digits = _COUNTING + _STEPS
        last = _value(low, digits) + 1
        if last >> 4 * _STEPS == int(low[:_COUNTING], 16):
            return f"{last:0{digits}x}"
    low = low or ""
    high = high or f"{int(low[:_COUNTING], 16) + 1:0{_COUNTING}x}"
    for digits in count(_COUNTING + 1):
        if digits > _LONGEST:
            raise NoRoom
        below, above = _value(low, digits), _value(high, digits)
        middle = (below + above) // 2
        middle += middle % 16 == 0  # never a zero in the end: it would stand right after what has none
        if below < middle < above:
            return f"{middle:0{digits}x}"
    raise AssertionError("counting does not end")


def _value(place: str, digits: int) -> int:
    return int(place[:digits].ljust(digits, "0"), 16)
