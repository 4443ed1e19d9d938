"""Measure hotdog-ft against what people would run instead, side by side on this machine: docs/benchmarks.md."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import against
from benchmarks.machine import machine, versions
from benchmarks.photos import link_photos
from benchmarks.results import Results, table
from benchmarks.suites import Setting, elapsed, loading, memory, peak, prediction, start, training, workers
from benchmarks.turns import Comparison, take_turns
from hotdog_ft.data.folder import read_folder
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import HotdogError

SUITES = {
    "training": training,
    "prediction": prediction,
    "input": loading,
    "peak": peak,
    "time": elapsed,
    "memory": memory,
    "start": start,
    "workers": workers,
}
QUICK = 1 / 12
"""The part of its time that a comparison gets with --quick: five minutes of the hour."""
QUICK_PHOTOS = (96, 48)
"""To train and to test, with --quick."""


def main() -> int:
    """Measure, and write what was measured. Returns the exit status."""
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # with temporary folders removed
    try:
        with tempfile.TemporaryDirectory(prefix="hotdog-ft-bench-") as scratch:
            return bench(options, Path(scratch))
    except HotdogError as error:
        print(f"Error: {error.message}\nHint: {error.hint}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print(f"Error: Interrupted.\nHint: What was finished is in {options.out}.", file=sys.stderr)
        return 130


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small and rough: five minutes in place of an hour")
    parser.add_argument("--data", default="demo", help="hotdog, demo, a folder or a ZIP (default: demo)")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder for bench.json and bench.md")
    parser.add_argument("--rounds", type=int, help="as many, instead of as many as fit into the time")
    parser.add_argument(
        "--against",
        metavar="REF",
        help=f"compare this tree with another commit; suites: {', '.join(against.WORKLOADS)}. "
        "Exit status 1 if it is slower by 10 %% or more",
    )
    parser.add_argument(
        "--torch-python", default=sys.executable, metavar="PYTHON", help="a Python that has PyTorch (default: .venv's)"
    )
    options = parser.parse_args()
    known = against.WORKLOADS if options.against else SUITES
    for name in options.suites:
        if name not in known:
            parser.error(f"there is no suite {name!r}" + (" for --against" if options.against else ""))
    options.suites = options.suites or list(known)
    return options


def bench(options: argparse.Namespace, scratch: Path) -> int:
    """Measure what the options name, a comparison at a time. Returns the exit status."""
    results = Results(machine(), versions(), {name: str(value) for name, value in vars(options).items()})
    failed = False
    with chosen(options, scratch) as comparisons:
        for number, comparison in enumerate(comparisons):
            print(f"{comparison.title}:", file=sys.stderr)
            folder = scratch / f"comparison-{number}"
            folder.mkdir()
            measured = take_turns(comparison, folder, **effort(comparison, options), tell=tell)
            if options.against:
                note, fails = against.judge(comparison.figure, *measured)
                comparison = dataclasses.replace(comparison, notes=(note,))
                failed |= fails
            results.add(comparison, measured)
            results.write(options.out)
            print(table(comparison, measured))
    return 1 if failed else 0


@contextlib.contextmanager
def chosen(options: argparse.Namespace, scratch: Path) -> Iterator[list[Comparison]]:
    """What is to be compared, with whatever it needs, for as long as the block takes. Raises: HotdogError."""
    photos = link_photos(open_source(options.data), scratch / "photos", *(QUICK_PHOTOS if options.quick else ()))
    setting = Setting(read_folder(photos), scratch, options.quick, options.torch_python)
    if options.against:
        with against.checked_out(options.against) as tree:
            yield against.comparisons(setting, options.suites, options.against, tree)
    else:
        yield [each for name in options.suites for each in SUITES[name].comparisons(setting)]


def effort(comparison: Comparison, options: argparse.Namespace) -> dict[str, float]:
    """How long a comparison goes on: take_turns' seconds, least and most."""
    if options.rounds or options.against:
        rounds = options.rounds or (against.PAIRS_QUICK if options.quick else against.PAIRS)
        return {"seconds": 0, "least": rounds, "most": rounds}
    if options.quick:
        return {"seconds": 60 * comparison.minutes * QUICK, "least": 1, "most": 3}
    return {"seconds": 60 * comparison.minutes, "least": 3, "most": 10}


def tell(line: str) -> None:
    print(f"  {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
