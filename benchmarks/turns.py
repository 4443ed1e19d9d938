"""Contenders that take turns, A B A B …, each turn a process of its own.

Machines are shared and their speed drifts: what counts is the ratio of neighbouring turns.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import use_cores

REPOSITORY = Path(__file__).resolve().parents[1]

Turn = dict[str, Any]
"""What a turn came to: `wall_seconds` and `peak_bytes` of its process, what that printed, and its run's metrics."""


@dataclass(frozen=True)
class Command:
    """A process to start. Relative paths in it belong to the folder of the round in which it runs."""

    arguments: tuple[str, ...]
    """For Python."""
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)
    reports: bool = False
    """Whether the last line that it prints is a JSON object with figures."""


def module(name: str, *arguments: object, python: str = sys.executable, **environment: str) -> Command:
    """A measured process of this package: `module("book", "--model", …)`."""
    return Command(("-m", f"benchmarks.{name}", *map(str, arguments)), python, environment, reports=True)


def hotdog_ft(*arguments: object, **environment: str) -> Command:
    """The command line: `hotdog_ft("train", "--data", …)`. Take another tree's with PYTHONPATH."""
    return Command(("-m", "hotdog_ft", *map(str, arguments)), environment=environment)


@dataclass(frozen=True)
class Figure:
    """One of the values of a turn, and how it is shown."""

    key: str
    title: str
    unit: str = ""
    scale: float = 1.0
    """What the value is multiplied by to be shown in the unit."""


SPEED = Figure("images_per_sec", "speed", "images/s")
WALL = Figure("wall_seconds", "time", "s")
PEAK = Figure("peak_bytes", "peak memory", "GiB", 2**-30)


@dataclass(frozen=True)
class Contender:
    """Who takes turns."""

    name: str
    command: Command
    run: str | None = None
    """The folder of the hotdog-ft run that it makes: the last epoch's metrics belong to the turn."""
    size: int | None = None
    """The number of photos, where the contenders differ in nothing else."""
    cores: int | None = None
    """How many of the machine's cores it may use; all without it."""


@dataclass(frozen=True)
class Comparison:
    """What is measured side by side."""

    title: str
    figure: Figure
    contenders: tuple[Contender, ...]
    minutes: float = 0
    """What it may take of the hour that all suites take together."""
    subject: str | None = None
    """The name of the contender whose figure is set against each of the others'."""
    also: tuple[Figure, ...] = (PEAK,)
    """Shown beside the figure."""
    preparation: tuple[Command, ...] = ()
    """Run once before, in the folder in which the rounds have theirs."""
    notes: tuple[str, ...] = ()


@dataclass
class Measured:
    """A contender's turns, one a round; fewer when it failed in one, after which it was left out."""

    contender: Contender
    turns: list[Turn] = field(default_factory=list)
    failure: str | None = None

    def values(self, figure: Figure) -> list[float]:
        """Each turn's, in the figure's unit."""
        return [turn[figure.key] * figure.scale for turn in self.turns if figure.key in turn]


class TurnError(Exception):
    """A process failed. The text says why, in a line."""


def take_turns(
    comparison: Comparison,
    folder: Path,
    seconds: float,
    least: int = 1,
    most: int = 12,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Measured]:
    """Let the contenders take turns, round after round, while another round fits into the time.

    folder: where the rounds have their folders. least, most: rounds, whatever the time. tell: called with lines for
    people. A contender that fails takes no more turns; the others go on.
    """
    start = time.perf_counter()
    measured = [Measured(contender) for contender in comparison.contenders]
    try:
        for command in comparison.preparation:
            run(command, folder)
    except TurnError as error:
        return [Measured(contender, failure=f"preparation: {error}") for contender in comparison.contenders]
    for number in itertools.count(1):
        began = time.perf_counter()
        _take_round(comparison, measured, folder / f"round-{number}", lambda line, n=number: tell(f"round {n}, {line}"))
        ended = time.perf_counter()
        another = number < least or ended - start + (ended - began) <= seconds
        if number >= most or not another or all(each.failure for each in measured):
            return measured


def _take_round(comparison: Comparison, measured: list[Measured], folder: Path, tell: Callable[[str], None]) -> None:
    folder.mkdir()
    figure = comparison.figure
    for each in measured:
        if each.failure:
            continue
        try:
            each.turns.append(_take_turn(each.contender, folder))
            tell(f"{each.contender.name}: {each.values(figure)[-1]:.4g} {figure.unit}")
        except TurnError as error:
            each.failure = str(error)
            tell(f"{each.contender.name}: not measured: {error}")


def _take_turn(contender: Contender, folder: Path) -> Turn:
    turn = run(contender.command, folder, contender.cores)
    if contender.run:
        turn.update(json.loads((folder / contender.run / "metrics.jsonl").read_text("utf-8").splitlines()[-1]))
    return turn


def run(command: Command, folder: Path, cores: int | None = None) -> Turn:
    """Run a process in a folder to its end, on so many cores. Raises: TurnError."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+", errors="replace") as errors:
        process = subprocess.Popen(
            [command.python, *command.arguments],
            cwd=folder,
            env=_environment(command),
            stdout=out,
            stderr=errors,
            preexec_fn=partial(use_cores, cores),
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            raise TurnError(_reason(process.returncode, errors.read()))
        turn = {"wall_seconds": seconds, "peak_bytes": usage.ru_maxrss * 1024}
        return {**turn, **json.loads(out.read().splitlines()[-1])} if command.reports else turn


def _environment(command: Command) -> dict[str, str]:
    """This process's, without what a user has set for hotdog-ft, and with each program's own choice of threads."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "OMP_NUM_THREADS" and (not name.startswith("HOTDOG_FT_") or name == "HOTDOG_FT_HOME")
    }
    return {**kept, "PYTHONPATH": str(REPOSITORY), **command.environment}


def _reason(status: int, errors: str) -> str:
    """Why a process failed: its last words, but for the hint that hotdog-ft's errors close with."""
    if status < 0:
        return f"ended by signal {-status}" + (" (out of memory?)" if status == -9 else "")
    lines = [line for line in errors.strip().splitlines() if not line.startswith("Hint: ")]
    if not lines:
        return f"exit status {status}"
    if missing := re.fullmatch(r"ModuleNotFoundError: No module named '(.*)'", lines[-1]):
        return f"{missing[1]} is not installed (docs/benchmarks.md says how to add it)"
    return lines[-1].removeprefix("Error: ")
