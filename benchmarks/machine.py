"""What the figures were measured on."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.turns import REPOSITORY
from hotdog_ft.machine import cores

PACKAGES = ("mxnet", "mxnet-cu112", "numpy", "opencv-python-headless", "scikit-learn")


def machine() -> dict[str, str]:
    """The processor, what is there of it, and how busy it was before."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(": ", 1)[1] for line in cpuinfo if line.startswith("model name")), platform.processor())
    flags = next((line for line in cpuinfo if line.startswith("flags")), "")
    return {
        "processor": name,
        "cores": str(cores()),
        "instructions": "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "neither AVX2 nor AVX-512",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "date": time.strftime("%Y-%m-%d"),
    }


def versions() -> dict[str, str]:
    """Of this code, Python, and the packages that there are; PyTorch's come with what it measures."""
    found = {"commit": commit(), "python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def commit() -> str:
    """The commit of this tree, `+` behind it when files were changed since; `unknown` without git."""
    try:
        command = ["git", "describe", "--always", "--dirty=+", "--exclude=*", "--abbrev=12"]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
