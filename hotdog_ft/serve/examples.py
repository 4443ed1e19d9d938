"""Photos to try a model on, small, and without what a camera writes beside them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hotdog_ft.data.jpeg import as_jpeg
from hotdog_ft.data.photo import open_photo
from hotdog_ft.errors import ImageError
from hotdog_ft.files import printable

SIDE, QUALITY = 640, 90
MOST = 6


class Example(NamedTuple):
    """A photo's name, and its JPEG."""

    name: str
    jpeg: bytes


def read_examples(named: Iterable[tuple[str, Path]]) -> list[Example]:
    """The first of these photos, each with its name, that can be read."""
    examples: list[Example] = []
    for name, path in named:
        if len(examples) == MOST:
            break
        with contextlib.suppress(ImageError):
            examples.append(Example(printable(name), as_jpeg(open_photo(path).in_small(SIDE), QUALITY)))
    return examples
