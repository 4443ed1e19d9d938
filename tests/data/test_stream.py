from __future__ import annotations

import threading
import time

import pytest

from hotdog_ft.data.stream import BATCHES_AHEAD, PAUSE, in_batches


def test_batches_are_full_and_in_order():
    def slower_at_first(item):
        time.sleep(0.02 if item < 3 else 0)
        return item

    assert list(in_batches(slower_at_first, range(8), workers=4, size=3)) == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_no_more_items_are_taken_than_the_lead():
    taken = []

    def endless():
        while True:
            taken.append(None)
            yield len(taken)

    batches = in_batches(int, endless(), workers=2, size=4)
    assert next(batches) == [1, 2, 3, 4]
    assert len(taken) == 4 * (1 + BATCHES_AHEAD)
    batches.close()


def test_at_a_pause_all_that_came_is_given_out():
    asked = []

    def items():
        yield from (1, 2)
        yield PAUSE
        asked.append("after the pause")
        yield 3

    batches = in_batches(int, items(), workers=1, size=10)
    assert next(batches) == [1, 2]
    assert asked == []
    assert list(batches) == [[3]]


@pytest.mark.parametrize("items", [[], [PAUSE], [PAUSE, PAUSE]])
def test_without_items_there_are_no_batches(items):
    assert list(in_batches(int, items, workers=1, size=2)) == []


def test_an_item_that_takes_long_keeps_none_before_it():
    come = threading.Event()

    def late(item):
        if item == 2:
            assert come.wait(60)
        return item

    batches = in_batches(late, range(4), workers=2, size=4)
    assert next(batches) == [0, 1]
    come.set()
    assert list(batches) == [[2, 3]]


def test_an_error_of_the_function_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(in_batches(lambda item: 1 // item, [1, 0], workers=1, size=2))
