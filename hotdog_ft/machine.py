"""What this process may use of the machine."""

from __future__ import annotations

import os


def cores() -> int:
    """The cores that this process may use, which a container or taskset can make fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
