"""A classifier as one ONNX file: preprocessing, network and softmax."""

from __future__ import annotations

from importlib.util import find_spec

from hotdog_ft.errors import ConfigError


def check_installed() -> None:
    """Raise ConfigError unless the packages are there that write ONNX files and compute them."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"ONNX needs {' and '.join(missing)}, not installed here.", hint="Run: pip install 'hotdog-ft[onnx]'."
        )
