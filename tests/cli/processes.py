"""The command line as processes that tests watch and disturb, and what their runs come to."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

TIMES = ("examples_per_sec", "seconds")


def start(*arguments, **options) -> subprocess.Popen:
    """Start the command line. options: of Popen."""
    command = [sys.executable, "-m", "hotdog_ft", *map(str, arguments)]
    return subprocess.Popen(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options})


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    """Until the condition holds, which it must while the process runs."""
    for _ in range(6000):
        if condition():  # asked once: what is under way may end between the question and what comes next
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.kill()
    pytest.fail("in two minutes the condition didn't come")


def params(run: str | Path) -> bytes:
    """The model's parameters."""
    return Path(run, "model", "net.params").read_bytes()


def metrics(run: str | Path) -> list[dict]:
    """What was recorded, without what it took."""
    lines = [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def leftovers(run: str | Path) -> list[Path]:
    """Files that some process began to write and didn't finish."""
    return [path for path in Path(run).rglob("*") if path.name.startswith(".")]
