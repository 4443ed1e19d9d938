"""What this process may use of the machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from pathlib import Path

# Files with a container's limit of memory and what it uses, in bytes: of version 2 and 1 of Linux's control groups.
_CONTROL_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def cores() -> int:
    """The cores that this process may use, which a container or taskset can make fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def launched_by() -> str:
    """The kvstore whose launcher has started this process as one of several; `local` when it is alone."""
    if os.environ.get("DMLC_ROLE") == "worker":
        return "dist_sync"
    return "horovod" if "HOROVOD_RANK" in os.environ else "local"


def available_memory() -> int:
    """The bytes that this process may still take: the machine's, or a container's where those are fewer."""
    limits = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits[0] = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    for limit, used in _CONTROL_GROUPS:
        with contextlib.suppress(OSError, ValueError):  # there is no such file, or it says "max"
            limits.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
    return max(0, min(limits))


def open_files(wanted: int) -> int:
    """How many of the files and connections that are wanted this process may have open; it asks the system for them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        except (OSError, ValueError):  # macOS has a lower limit of its own
            return soft
    return allowed


_M_MMAP_THRESHOLD = -3  # mallopt(3)


def give_back_large_blocks() -> None:
    """Have glibc give blocks of a MiB and more back to the system as soon as they are freed, for as long as we live.

    Unless told, it keeps blocks of up to 32 MiB once one has been freed, and photos of all sizes tear holes into its
    heap: a server's grew by a MiB a second or so. Other C libraries are left alone.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)
