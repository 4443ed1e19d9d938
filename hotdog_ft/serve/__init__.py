"""A run's model over HTTP: a page for people, an API for programs, one process."""

from __future__ import annotations

from importlib.util import find_spec

from hotdog_ft.errors import ConfigError

PACKAGES = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus-client",
}
"""What the extra brings, by the name that it is imported by."""


def check_installed() -> None:
    """Raise ConfigError unless the packages of the extra are there."""
    missing = [package for module, package in PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise ConfigError(
            f"serve needs {' and '.join(missing)}, not installed here.", hint="Run: pip install 'hotdog-ft[serve]'."
        )
