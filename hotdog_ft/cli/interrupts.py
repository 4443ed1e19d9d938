"""Ctrl-C and SIGTERM, wherever they land.

Python drops what is raised while it deletes an object, KeyboardInterrupt too, and MXNet's arrays have a `__del__` that
frees their memory: of 753 interrupts of a small network's training, 32 were lost.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, cast

from hotdog_ft.errors import Terminated

if TYPE_CHECKING:
    from hotdog_ft.training import StopRequest

SECONDS_UNTIL_AGAIN = 0.01


@contextmanager
def kept_interrupts() -> Iterator[None]:
    """Within, an interrupt that would be dropped comes again a moment later, until it is heard."""
    previous = sys.unraisablehook
    coming: set[int] = set()

    def send(number: int) -> None:
        coming.discard(number)
        # A real signal: what `_thread.interrupt_main` simulates doesn't wake a thread that reads or sleeps.
        signal.pthread_kill(cast(int, threading.main_thread().ident), number)

    def hook(dropped: sys.UnraisableHookArgs) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            number = signal.SIGTERM if issubclass(dropped.exc_type, Terminated) else signal.SIGINT
            if number not in coming:
                coming.add(number)
                threading.Timer(SECONDS_UNTIL_AGAIN, send, (number,)).start()
        else:
            previous(dropped)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = previous


@contextmanager
def clean_termination() -> Iterator[None]:
    """Within, SIGTERM is raised as Terminated, so that what is half done is cleaned up as after Ctrl-C."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    with handled((signal.SIGTERM,), terminate):
        yield


@contextmanager
def stop_when_saved(stop: StopRequest) -> Iterator[None]:
    """Within, Ctrl-C or SIGTERM asks a training that listens to save itself and end; asked again, all ends at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.number is not None:
            os._exit(128 + number)
        if stop.listening:
            stop.number = number
            # The signal may have come in the midst of printing, where Python's own stderr can't be used.
            os.write(2, b"Stopping after this batch; once more to stop at once, which loses what isn't saved.\n")
        else:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    with handled((signal.SIGINT, signal.SIGTERM), ask):
        yield


@contextmanager
def handled(numbers: tuple[int, ...], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Within, `handler` meets these signals. In a thread that isn't the main one, nothing can be changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
