"""The command line as processes that tests watch and disturb, and what their runs come to."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

TIMES = ("examples_per_sec", "seconds")


def start(*arguments, **options) -> subprocess.Popen:
    """Start the command line. options: of Popen."""
    command = [sys.executable, "-m", "hotdog_ft", *map(str, arguments)]
    return subprocess.Popen(command, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options})


def at_terminal(*arguments, both: bool = True, attributes: bytes = b"", **environment: str) -> tuple[str, str]:
    """Run the command line at a terminal of 24 x 80: what appears there, and standard output where that isn't there.

    both: both streams go to the terminal, or standard error alone. attributes: what it answers to who asks what it is.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    ours_alone = ("NO_COLOR", "FORCE_COLOR", "TMUX", "TERM_PROGRAM", "LC_TERMINAL", "KITTY_WINDOW_ID", "COLUMNS")
    plain = {name: value for name, value in os.environ.items() if name not in ours_alone}
    options = {"stdin": subprocess.DEVNULL, "stderr": theirs, "text": False}
    options["env"] = {**plain, "TERM": "xterm-256color", **environment}
    with start(*arguments, stdout=theirs if both else subprocess.PIPE, **options) as process:
        os.close(theirs)
        piped = b"" if both else process.stdout.read()
        shown = b""
        with contextlib.suppress(OSError):  # how Linux tells that nobody has the other end open
            while block := os.read(ours, 65536):
                shown += block
                if attributes and b"\x1b[c" in block:
                    os.write(ours, attributes)
        process.wait(120)
    os.close(ours)
    return shown.decode(), piped.decode()


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


def two_lines(err: str) -> tuple[str, str]:
    """The error and the hint, which are all there is but warnings."""
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if not line.startswith("Warning: ")]
    assert len(lines) == 2, err
    assert lines[0].startswith("Error: ")
    assert lines[1].startswith("Hint: ")
    assert max(map(len, lines)) < 600  # else nobody reads it
    return lines[0].removeprefix("Error: "), lines[1].removeprefix("Hint: ")


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from hotdog_ft.cli import main
main(sys.argv[2:])
"""


def limited(size: int, arguments: list) -> subprocess.CompletedProcess:
    """Run the command line as a process whose files can't grow beyond `size` bytes, as on a full disk."""
    command = [sys.executable, "-c", LIMITED, str(size), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
