"""Data sets of as many photos as a measurement wants: links to those of another, over and over where it has fewer."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from hotdog_ft.data.folder import ImageFolder, Split


def link_photos(data: ImageFolder, folder: Path, train: int | None = None, test: int | None = None) -> Path:
    """Make a folder with train/ and test/ of links to the photos. train, test: how many; all of them unless given."""
    for name, split, count in (("train", data.train, train), ("test", data.test, test)):
        for label in data.classes:
            (folder / name / label).mkdir(parents=True)
        chosen = itertools.islice(_in_turn(split), len(split) if count is None else count)
        for number, (label, path) in enumerate(chosen):
            os.symlink(path, folder / name / data.classes[label] / f"{number:06}{path.suffix}")
    return folder


def _in_turn(split: Split) -> Iterator[tuple[int, Path]]:
    """(label, path) of one class and the next in turn while all have some left, then of those that have; endlessly."""
    by_class: dict[int, list[tuple[int, Path]]] = {}
    for path, label in zip(split.paths, split.labels.tolist()):
        by_class.setdefault(label, []).append((label, path.resolve()))
    rounds = itertools.zip_longest(*by_class.values())
    return itertools.cycle([each for members in rounds for each in members if each is not None])
