from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

from hotdog_ft.cli.interrupts import clean_termination, kept_interrupts
from hotdog_ft.errors import Terminated


class Interrupting:
    """Gets a signal while it is deleted, where Python drops what the signal raises."""

    def __init__(self, number: int = signal.SIGINT):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


class Waiting:
    """Takes until a signal comes to be deleted."""

    def __del__(self):
        time.sleep(20)


def delete_and_read(doomed: list) -> None:
    """Delete each of them, and read what comes late, if at all."""
    ours, theirs = os.pipe()
    late = threading.Timer(20, os.write, (theirs, b"nobody interrupted"))
    late.start()
    try:
        while doomed:
            del doomed[0]
        os.read(ours, 1)
    finally:
        assert not late.finished.is_set()
        late.cancel()
        os.close(ours)
        os.close(theirs)


class Failing:
    def __del__(self):
        raise ValueError("in __del__")


@pytest.mark.parametrize("others", [[], [Interrupting, Interrupting], [Waiting]], ids=["one", "three", "again"])
def test_an_interrupt_while_objects_are_deleted_is_heard(others):
    with kept_interrupts(), pytest.raises(KeyboardInterrupt):
        delete_and_read([Interrupting(), *(other() for other in others)])


def test_a_termination_is_heard_as_one():
    with kept_interrupts(), clean_termination(), pytest.raises(Terminated):
        delete_and_read([Interrupting(signal.SIGTERM)])


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
