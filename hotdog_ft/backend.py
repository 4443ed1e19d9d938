"""The one door to MXNet: `from hotdog_ft.backend import mx, nd, gluon, autograd`.

MXNet reads its thread count when it is loaded, and its last release names `np.bool`, which NumPy has removed. Both
must be dealt with before the first import, and so nothing else in this package imports mxnet.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hotdog_ft.errors import HotdogError, OutOfMemoryError, ran_out_of_memory
from hotdog_ft.machine import cores, launched_by

# In the order in which they must be loaded: each needs those before it.
_CUDA_LIBRARIES = (
    "cuda_runtime/lib/libcudart.so.11.0",
    "cuda_nvrtc/lib/libnvrtc.so.11.2",
    "nvtx/lib/libnvToolsExt.so.1",
    "cublas/lib/libcublasLt.so.11",
    "cublas/lib/libcublas.so.11",
    "cufft/lib/libcufft.so.10",
    "curand/lib/libcurand.so.10",
    "cusolver/lib/libcusolver.so.11",
    "cudnn/lib/libcudnn_ops_infer.so.8",
    "cudnn/lib/libcudnn.so.8",
    "nccl/lib/libnccl.so.2",
)


@contextlib.contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Inside, importing these modules fails as if they weren't installed."""
    modules = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(modules)


def disable_onednn() -> None:
    """Have MXNet compute with its own operators, where oneDNN's fail. No effect once oneDNN has computed something."""
    os.environ["MXNET_MKLDNN_ENABLED"] = "0"
    os.environ.setdefault("MXNET_STORAGE_FALLBACK_LOG_VERBOSE", "0")  # else it tells so for every operator


def onednn_enabled() -> bool:
    """Whether MXNet computes with oneDNN on the CPU, as it does unless disable_onednn or the user said otherwise."""
    return os.environ.get("MXNET_MKLDNN_ENABLED", "1") != "0"


def _load_cuda_libraries() -> None:
    """Load the CUDA 11 wheels' libraries, so that mxnet-cu112 finds them without LD_LIBRARY_PATH."""
    spec = importlib.util.find_spec("nvidia")
    if spec is None or not spec.submodule_search_locations:
        return
    folders = [Path(place) for place in spec.submodule_search_locations]
    for library in _CUDA_LIBRARIES:
        for path in (folder / library for folder in folders):
            if path.exists():
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def installed_build() -> str | None:
    """The MXNet distribution that is installed, `mxnet` or `mxnet-cu112`, or None. Imports nothing."""
    for name in ("mxnet-cu112", "mxnet"):
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return name
    return None


def _import_mxnet():
    """Import MXNet with its threads and its NumPy set up. Raises HotdogError when it is missing or can't be loaded."""
    # MXNet takes half the cores unless told. What the user has set stays.
    if not os.environ.get("OMP_NUM_THREADS", "").isdigit():  # MXNet ends the process when it isn't a number
        os.environ["OMP_NUM_THREADS"] = str(cores())
    # Threads that spin while they wait gain nothing on an idle machine, and make small networks crawl on a busy one.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("MXNET_SUBGRAPH_VERBOSE", "0")  # else it tells whenever operators are fused
    if "bool" not in vars(np):
        np.bool = bool  # type: ignore[attr-defined]
    if installed_build() == "mxnet-cu112":
        _load_cuda_libraries()
    try:
        # They take two fifths of the import. MXNet needs scikit-learn for the base class of one of its own alone, and
        # SciPy's statistics to quantize (inference/int8.py gives them to it).
        with hidden("sklearn", "scipy.stats"):
            import mxnet
    except ImportError as error:
        if importlib.util.find_spec("mxnet") is None:
            raise HotdogError(
                "MXNet is not installed.",
                hint="Run scripts/setup, or: pip install 'hotdog-ft[cpu]' (with a CUDA 11 GPU: 'hotdog-ft[cu112]').",
            ) from error
        raise HotdogError(f"MXNet is installed, but can't be imported: {error}", hint=_import_hint(error)) from error
    except OSError as error:
        raise HotdogError(f"MXNet is installed, but can't be loaded: {error}", hint=_import_hint(error)) from error
    return mxnet


def _import_hint(error: Exception) -> str:
    """What to do about MXNet's failing to load, by what it was missing."""
    text = str(error)
    for library, package in (("libgomp", "libgomp1"), ("libquadmath", "libquadmath0")):
        if library in text:
            return f"Install the system library {library}; on Debian and Ubuntu: apt-get install {package}."
    if "libcuda" in text:
        return "This build of MXNet needs an NVIDIA driver; for the CPU run: HOTDOG_FT_EXTRA=cpu scripts/setup."
    if "distutils" in text:
        return "Python 3.12 no longer brings distutils; run: pip install setuptools."
    return "Run scripts/setup again; hotdog-ft works with MXNet 1.9.1, NumPy below 2 and Python 3.9 to 3.12."


mx = _import_mxnet()
nd = mx.nd
gluon = mx.gluon
autograd = mx.autograd

__all__ = [
    *("autograd", "cores", "gluon", "hidden", "installed_build", "memory_for", "memory_of", "mx", "nd"),
    "onednn_enabled",
]


def memory_of(array: Any) -> np.ndarray:
    """A CPU NDArray's own memory, as soon as nothing computes with it: what is written there is what it holds.

    The array must outlive what is given, and not be computed with until that has been written.
    """
    library, check = mx.base._LIB, mx.base.check_call
    check(library.MXNDArrayWaitToWrite(array.handle))
    memory = ctypes.c_void_p()
    check(library.MXNDArrayGetData(array.handle, ctypes.byref(memory)))
    dtype = np.dtype(array.dtype)
    size = array.size * dtype.itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(memory.value or 0), dtype).reshape(array.shape)


@contextlib.contextmanager
def memory_for(batch_size: int) -> Iterator[None]:
    """For a block that computes so many photos at once. Raises: OutOfMemoryError, which names a batch size to try."""
    try:
        yield
    except (MemoryError, mx.MXNetError) as error:
        if not ran_out_of_memory(error):
            raise
        if launched_by() == "local":  # else it could wait for other processes that wait for this one
            _forget_failures()
        photos = f"batches of {batch_size} photos" if batch_size > 1 else "one photo at a time"
        hint = f"Try --batch-size {batch_size // 2}." if batch_size > 1 else "Try a smaller --image-size or network."
        raise OutOfMemoryError(f"Out of memory with {photos}.", hint=hint) from error


def _forget_failures() -> None:
    """Wait for what still computes. MXNet keeps its failures, and would bring them up when the process ends."""
    for _ in range(1000):  # each wait tells of one; what is not told by then, nobody waits for
        with contextlib.suppress(mx.MXNetError):
            nd.waitall()
            return
