"""Places in an order."""

import random

import pytest

from work_service.positions import NoRoom, between, initial


def test_what_is_new_stands_last() -> None:
    numbers = [1, 2, 9, 15, 16, 17, 255, 256, 65_535, 2**31 - 1]
    assert [initial(number) for number in numbers] == sorted(initial(number) for number in numbers)


def test_whatever_is_moved_stands_between_its_neighbours() -> None:
    chance = random.Random(7)
    order = [initial(number) for number in range(1, 21)]
    for _ in range(5_000):
        order.pop(chance.randrange(len(order)))
        place = chance.randrange(len(order) + 1)
        low = order[place - 1] if place else None
        high = order[place] if place < len(order) else None
        order.insert(place, between(low, high))
        assert order == sorted(set(order))
    assert max(map(len, order)) < 40


def test_what_is_put_last_stands_before_what_comes_after_it() -> None:
    last = initial(7)
    for _ in range(1_000):
        following = between(last, None)
        assert last < following < initial(8)
        last = following
    assert len(last) == 12


def test_what_is_put_first_needs_no_more_room() -> None:
    first = initial(1)
    for _ in range(1_000):
        before = between(None, first)
        assert before < first
        first = before
    assert len(first) == 9


def test_no_place_between_others_is_that_of_a_number() -> None:
    """The number may be given out, and what has it not be there yet."""
    seven, eight = initial(7), initial(8)
    for low, high in ((None, eight), (None, f"{eight}8"), (seven, None), (seven, eight), (f"{seven}ffff", None)):
        assert len(between(low, high)) > len(seven)


def test_the_end_of_the_room_before_the_next_number_is_not_overrun() -> None:
    assert initial(7) < between(f"{initial(7)}ffff", None) < initial(8)


def test_the_beginning_of_what_can_be_counted_is_not_overrun() -> None:
    assert between(None, "000000001")[:7] < "00000000"
    assert between(None, "000000001") < "000000001"


def test_what_would_be_too_long_is_refused() -> None:
    def put_between_again_and_again() -> None:
        low, high = initial(1), initial(2)
        for _ in range(10_000):
            low = between(low, high)
            assert len(low) <= 1_000

    with pytest.raises(NoRoom):
        put_between_again_and_again()
