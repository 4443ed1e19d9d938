"""The errors that a user can cause or meet. Each says what is wrong and what to do about it.

Library code raises these and never prints or exits; the one handler is in `hotdog_ft.cli`.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence


class HotdogError(Exception):
    """Something failed that the user can mend.

    message: starts with what the user named (a path, an option, a URL) and says what is wrong.
    hint: one sentence that says what to do.
    """

    exit_status = 1

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(HotdogError):
    """An option, an environment variable or a line of a configuration file is wrong."""

    exit_status = 2


class DataError(HotdogError):
    """A data set can't be found, read, or used for training."""


class ImageError(DataError):
    """One photo can't be read. It costs that photo, not the others."""


class NotAnImageError(ImageError):
    """What should be a photo isn't an image, or of a kind that can't be read."""


class LargeImageError(ImageError):
    """A photo has more pixels than are read."""


class DownloadError(HotdogError):
    """No source gave the file, or what came isn't what was asked for. failures: each source tried, and its reason."""

    def __init__(self, message: str, hint: str, failures: Sequence[str] = ()) -> None:
        super().__init__(message, hint)
        self.failures = list(failures)


class WeightsError(HotdogError):
    """Weights can't be found, or don't fit the network."""


class RunError(HotdogError):
    """A run's folder can't be found, read or written."""


class DeviceError(HotdogError):
    """A device was asked for that this machine or this build of MXNet doesn't have."""


DIVERGED_HINT = "Try a tenth of that --lr, or a smaller --output-lr-mult."


class DivergedError(HotdogError):
    """The training loss is no longer a number."""


class OutOfMemoryError(HotdogError):
    """What was to be computed at once doesn't fit into memory."""


# What MXNet, CUDA's libraries, C++ and oneDNN say when they get no memory.
_NO_MEMORY = ("failed to allocate", "out of memory", "bad_alloc", "cuda malloc", "alloc_failed", "not create a memory")


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error says so, by its kind, or, as MXNet's, by its words."""
    says = str(error).lower()
    return isinstance(error, MemoryError) or (
        type(error).__name__ == "MXNetError" and any(words in says for words in _NO_MEMORY)
    )


class InterruptedRunError(HotdogError):
    """Ctrl-C during a run, or another signal that asks to end; the exit status tells which, as shells have it."""

    def __init__(self, message: str, hint: str, number: int = signal.SIGINT) -> None:
        super().__init__(message, hint)
        self.exit_status = 128 + number


class LaunchError(HotdogError):
    """One of several processes that train together has failed. status: with which exit status."""

    def __init__(self, message: str, hint: str, status: int) -> None:
        super().__init__(message, hint)
        self.exit_status = status


class Terminated(KeyboardInterrupt):
    """SIGTERM, where nothing waits for it: what must be cleaned up is, as after Ctrl-C."""
