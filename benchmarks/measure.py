"""What each measured process shares: its arguments, the clock, and its one line of output."""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterator


def arguments() -> argparse.Namespace:
    """The measured process's arguments."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="resnet18_v2")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--batches", type=int, default=2)
    return parser.parse_args()


def timed(steps: Iterator[Callable[[], None]], options: argparse.Namespace) -> float:
    """Images a second over `batches` steps, with the loading of their photos, after one step to warm up."""
    next(steps)()
    start = time.perf_counter()
    for _ in range(options.batches):
        next(steps)()
    return options.batches * options.batch_size / (time.perf_counter() - start)


def report(images_per_sec: float) -> None:
    """Print the figure and the process's peak memory as a line of JSON."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"images_per_sec": images_per_sec, "peak_bytes": peak}))
