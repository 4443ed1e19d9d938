"""Memory in training against the book's code, and what time and memory cost with more and more photos."""

from __future__ import annotations

from pathlib import Path

from benchmarks.photos import link_photos
from benchmarks.suites import Setting
from benchmarks.turns import PEAK, WALL, Comparison, Contender, Figure, hotdog_ft, module

EPOCH = Figure("seconds", "an epoch", "s")
COUNTS = (500, 1000, 2000, 4000, 8000)


def comparisons(setting: Setting) -> list[Comparison]:
    counts = COUNTS[:3] if setting.quick else COUNTS
    folders = {
        count: link_photos(setting.data, setting.scratch / f"{count}", count * 4 // 5, count // 5) for count in counts
    }
    return [_peak(setting), _growth(folders), _listing(folders)]


def _peak(setting: Setting) -> Comparison:
    """Three batches to train on and one to test, in both."""
    batch_size = setting.batch_size(128)
    folder = link_photos(setting.data, setting.scratch / "four-batches", 3 * batch_size, batch_size)
    tool = ("train", "--data", folder, "--model", "resnet18_v2", "--weights", "none", "--lr", 1e-4)
    book = ("--data", folder, "--model", "resnet18_v2", "--batch-size", batch_size, "--seconds", 0)
    return Comparison(
        f"Memory of training resnet18_v2, batches of {batch_size}",
        PEAK,
        (
            Contender("the book's code", module("book", *book, "--batches", 2)),
            Contender(
                "hotdog-ft train",
                hotdog_ft(*tool, "--epochs", 1, "--batch-size", batch_size, "--out", "run"),
                run="run",
            ),
        ),
        subject="hotdog-ft train",
        minutes=4,
        also=(),
    )


def _growth(folders: dict[int, Path]) -> Comparison:
    """A network so small that the photos are what counts."""
    options = ("--model", "mobilenet0.25", "--image-size", 64, "--weights", "none", "--lr", 1e-4, "--batch-size", 32)
    return Comparison(
        "An epoch of training and testing mobilenet0.25 at 64 pixels, by the number of photos",
        EPOCH,
        tuple(
            Contender(
                f"{count} photos",
                hotdog_ft("train", "--data", folder, *options, "--epochs", 1, "--out", f"run-{count}"),
                run=f"run-{count}",
                size=count,
            )
            for count, folder in folders.items()
        ),
        minutes=5,
        notes=("The photos are links, over and over where there are fewer files; a fifth of them are in test/.",),
    )


def _listing(folders: dict[int, Path]) -> Comparison:
    return Comparison(
        "Looking through a data set's folder, by the number of photos",
        WALL,
        tuple(Contender(f"{count} photos", module("listing", folder), size=count) for count, folder in folders.items()),
        minutes=0.5,
        also=(),
    )
