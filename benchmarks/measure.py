"""What measured processes share: their arguments, the clock, and their one line of output. Imports nothing heavy."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

BATCH_SIZES = (1, 8, 16, 32, 64, 128)
"""Tried for a network's best speed."""

Batch = TypeVar("Batch")


def argument_parser() -> argparse.ArgumentParser:
    """With the arguments that all have."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="a folder with train/ and test/")
    parser.add_argument("--model", default="resnet18_v2")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=10, help="timed, after one batch to warm up")
    parser.add_argument("--batches", type=int, default=2, help="timed at least")
    return parser


def timed(batches: Iterator[Batch], consume: Callable[[Iterable[Batch]], object], options: argparse.Namespace) -> float:
    """Images a second that `consume` gets through, with all that brings them along, after one batch to warm up.

    batches: of options.batch_size images each, more than will be taken. consume: takes batches until there are no more,
    and returns when the last is done.
    """
    consume(itertools.islice(batches, 1))
    taken = 0
    start = time.perf_counter()

    def for_a_while() -> Iterator[Batch]:
        nonlocal taken
        while taken < options.batches or time.perf_counter() - start < options.seconds:
            taken += 1
            yield next(batches)

    consume(for_a_while())
    return taken * options.batch_size / (time.perf_counter() - start)


def best_batch(predict: Callable[[int], object], options: argparse.Namespace) -> dict[str, float]:
    """The highest of the speeds by batch size, in images a second, and that batch size.

    predict: computes a resident batch of this size, and returns when it is done. Sizes go up to four times
    options.batch_size, and share options.seconds.
    """
    sizes = [size for size in BATCH_SIZES if size <= 4 * options.batch_size]
    speeds = {}
    for size in sizes:
        share = argparse.Namespace(batch_size=size, batches=options.batches, seconds=options.seconds / len(sizes))
        speeds[size] = timed(itertools.repeat(size), lambda batches: [predict(size) for size in batches], share)
    best = max(speeds, key=lambda size: speeds[size])
    return {"images_per_sec": speeds[best], "best_batch_size": best}


def endless(
    epoch: Callable[[int], Iterable[Batch]], length: Callable[[Batch], int], batch_size: int
) -> Iterator[Batch]:
    """The batches of one epoch after another, without those that are not whole. Exits when there are none."""
    for number in itertools.count():
        whole = 0
        for batch in epoch(number):
            if length(batch) == batch_size:
                whole += 1
                yield batch
        if not whole:
            sys.exit(f"there are fewer than {batch_size} photos")


def use_cores(count: int | None) -> None:
    """Keep this process, and the threads that it will start, to so many of its cores; all without a count."""
    if count is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def report(images_per_sec: float, **others: object) -> None:
    """Print the figures as a line of JSON."""
    print(json.dumps({"images_per_sec": images_per_sec, **others}))
