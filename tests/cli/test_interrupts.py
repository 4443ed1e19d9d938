from __future__ import annotations

import signal
import sys
import time

import pytest

from hotdog_ft.cli.interrupts import kept_interrupts


class Interrupting:
    """Gets Ctrl-C while it is deleted, where Python drops the KeyboardInterrupt."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def delete_one_and_wait(times: int = 1) -> None:
    for _ in range(times):
        doomed = Interrupting()
        del doomed
    time.sleep(30)


class Failing:
    def __del__(self):
        raise ValueError("in __del__")


def test_an_interrupt_while_an_object_is_deleted_is_heard():
    with kept_interrupts(), pytest.raises(KeyboardInterrupt):
        delete_one_and_wait()


def test_one_that_is_dropped_again_too():
    with kept_interrupts(), pytest.raises(KeyboardInterrupt):
        delete_one_and_wait(times=3)


def test_other_exceptions_go_where_they_went(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: seen.append(dropped.exc_type))
    with kept_interrupts():
        doomed = Failing()
        del doomed
    assert seen == [ValueError]


def test_afterwards_python_is_as_it_was():
    before = sys.unraisablehook
    with pytest.raises(ZeroDivisionError), kept_interrupts():
        raise ZeroDivisionError
    assert sys.unraisablehook is before
