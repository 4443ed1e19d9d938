"""Two versions of hotdog-ft in turns: has a change made it slower?

The other version is checked out into a temporary folder, and both run in this Python. Only what the command line has
had all along is used, so that a version can be compared with others long before or after it.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.photos import link_photos
from benchmarks.suites import Setting
from benchmarks.turns import (
    REPOSITORY,
    WALL,
    Command,
    Comparison,
    Contender,
    Figure,
    Measured,
    TurnError,
    hotdog_ft,
    run,
)
from hotdog_ft.errors import ConfigError
from hotdog_ft.stats import mean_interval

SLOWER = 0.9
"""A speed below this part of the other version's is a failure."""
PAIRS, PAIRS_QUICK = 10, 6

TRAINING_SPEED = Figure("examples_per_sec", "speed", "images/s")


@contextlib.contextmanager
def checked_out(ref: str) -> Iterator[Path]:
    """A folder with another commit of this repository, for as long as the block takes, however it ends.

    Raises: ConfigError, when there is no such commit.
    """
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="hotdog-ft-bench-") as temporary:
        tree = Path(temporary, "tree")
        try:
            _git("worktree", "add", "--detach", str(tree), commit)
            yield tree
        finally:
            with contextlib.suppress(ConfigError):  # it may not have come to be
                _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", "") or "git finds no such commit").strip().splitlines()[-1]
        raise ConfigError(
            f"--against: git {arguments[0]} failed ({reason}).",
            hint="Give a commit, branch or tag of this repository, as in --against HEAD~1.",
        ) from error
    return done.stdout.strip()


def comparisons(setting: Setting, suites: Sequence[str], ref: str, tree: Path) -> list[Comparison]:
    """What both versions do in turns, of the suites that a command line alone can measure: those in WORKLOADS.

    Raises: ConfigError, when one of them isn't what would run.
    """
    trees = {ref: tree, "this tree": REPOSITORY}
    for name, place in trees.items():
        _check(name, place, setting.scratch)
    return [WORKLOADS[name](setting, trees) for name in suites]


def _check(name: str, tree: Path, folder: Path) -> None:
    """Raise ConfigError unless Python finds hotdog_ft in this tree, and not the installed one."""
    code = f"import hotdog_ft; assert hotdog_ft.__file__.startswith({str(tree)!r}), hotdog_ft.__file__"
    try:
        run(Command(("-c", code), environment={"PYTHONPATH": str(tree)}), folder)
    except TurnError as error:
        raise ConfigError(
            f"--against: {name} has no hotdog_ft that can be imported ({error}).", hint="Give a later commit."
        ) from error


def _training(setting: Setting, trees: dict[str, Path]) -> Comparison:
    count = 32 if setting.quick else 160
    folder = link_photos(setting.data, setting.scratch / "train", count, 4)
    options = ("train", "--data", folder, "--model", "resnet18_v2", "--weights", "none", "--lr", 1e-4)
    return Comparison(
        f"Training resnet18_v2 on {count} photos for two epochs",
        TRAINING_SPEED,
        tuple(
            Contender(name, _of(place, *options, "--batch-size", 16, "--epochs", 2, "--out", f"run-{i}"), f"run-{i}")
            for i, (name, place) in enumerate(trees.items())
        ),
        subject="this tree",
    )


def _prediction(setting: Setting, trees: dict[str, Path]) -> Comparison:
    count = 100 if setting.quick else 800
    folder = link_photos(setting.data, setting.scratch / "predict", 4, count)
    model = ("train", "--data", folder, "--model", "squeezenet1.1", "--weights", "none", "--epochs", 0, "--out")
    return Comparison(
        f"Predicting {count} photos with squeezenet1.1",
        WALL,
        tuple(
            Contender(name, _of(place, "predict", "--run", f"../run-{i}", folder / "test"))
            for i, (name, place) in enumerate(trees.items())
        ),
        subject="this tree",
        preparation=tuple(_of(place, *model, f"run-{i}") for i, place in enumerate(trees.values())),
    )


def _start(setting: Setting, trees: dict[str, Path]) -> Comparison:
    return Comparison(
        "hotdog-ft --help",
        WALL,
        tuple(Contender(name, _of(place, "--help")) for name, place in trees.items()),
        subject="this tree",
    )


WORKLOADS = {"training": _training, "prediction": _prediction, "start": _start}


def _of(tree: Path, *arguments: object) -> Command:
    """The command line of a tree."""
    return hotdog_ft(*arguments, PYTHONPATH=str(tree))


@dataclass(frozen=True)
class Verdict:
    """How fast this tree is, as a part of the other version's speed, by the pairs of neighbouring turns."""

    speed: float
    """The geometric mean over the pairs; 0.5 is half as fast."""
    low: float
    high: float
    """Its 95 % interval, by Student's t on the logarithms."""

    @property
    def word(self) -> str:
        """What can be said for certain."""
        return "slower" if self.high < 1 else "faster" if self.low > 1 else "no difference seen"

    @property
    def fails(self) -> bool:
        """Whether it is slower for certain, and by 10 % or more as far as can be told."""
        return self.word == "slower" and self.speed <= SLOWER

    def __str__(self) -> str:
        return f"{self.word}: {self.speed:.3f} times as fast, 95 % interval {self.low:.3f} to {self.high:.3f}."


def judge(figure: Figure, other: Measured, ours: Measured) -> tuple[str, bool]:
    """What the pairs of turns say, in a line, and whether this tree fails: it is too slow, or doesn't run at all."""
    pairs = list(zip(ours.values(figure), other.values(figure)))
    if ours.failure or not pairs:
        return "This tree and the other could not be compared.", ours.failure is not None
    sign = 1 if figure is TRAINING_SPEED else -1  # of a time, less is faster
    mean, low, high = mean_interval([sign * math.log(a / b) for a, b in pairs])
    verdict = Verdict(*(math.exp(value) for value in (mean, low, high)))
    return f"This tree: {verdict}", verdict.fails
