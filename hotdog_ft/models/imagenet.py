"""ImageNet's 1,000 classes (imagenet_classes.txt): their names, and the row of a name in a network's output layer.

The hot dog's row is 934. The 713 that the last exercise of Dive into Deep Learning 13.2 gives is the photocopier.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path


@functools.cache
def class_names() -> tuple[str, ...]:
    """All 1,000, in the order of the output rows: "hotdog, hot dog, red hot"."""
    lines = (Path(__file__).parent / "imagenet_classes.txt").read_text("utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def find_rows(name: str, classes: tuple[str, ...] | None = None) -> list[int]:
    """The rows of the classes (ImageNet's) that go by this name, whatever its case and separators: hot_dog -> [934].

    The whole line will do too. A class's first name wins over its others. Some names stand for several classes (a crane
    is a bird and a machine), most names for none.
    """
    names = [[_plain(part) for part in (line, *line.split(","))] for line in classes or class_names()]
    wanted = _plain(name)
    first = [row for row, parts in enumerate(names) if wanted in parts[:2]]
    return first or [row for row, parts in enumerate(names) if wanted in parts]


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
