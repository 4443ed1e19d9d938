"""A folder of class folders to judge a finished model by: its classes are the model's, and need not all be there."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hotdog_ft.data.download import Progress
from hotdog_ft.data.folder import TEST_NAMES, Split, find_photos, subfolders
from hotdog_ft.data.sources import local_folder
from hotdog_ft.errors import ConfigError, DataError

log = logging.getLogger(__name__)

PARTS = {"train": ("train",), "val": TEST_NAMES[1:], "test": TEST_NAMES}
"""The folders that a part may be in, the first that there is."""


def open_labelled(
    data: str, classes: Sequence[str], part: str | None = None, progress: Progress | None = None
) -> tuple[Split, str]:
    """The photos of a data set, folder or ZIP with a model's labels, and which part they are: train, val, test or all.

    classes: the model's. part: test unless given; a folder without parts is taken whole, as `all`.
    Raises: ConfigError, DataError, DownloadError.
    """
    place = local_folder(data, progress)
    try:
        return read_labelled(place, classes, part)
    except DataError as error:
        # What the user named is the archive, not the folder that it was unpacked to.
        raise DataError(error.message.replace(str(place), data), hint=error.hint) from error


def read_labelled(root: Path, classes: Sequence[str], part: str | None = None) -> tuple[Split, str]:
    """As open_labelled, of a folder. One folder in it that holds everything is gone into. Raises: as that."""
    root = Path(root)
    folder, name = root, "all"
    while True:
        inner = {path.name: path for path in subfolders(folder)}
        if found := [known for known in PARTS[part or "test"] if known in inner]:
            folder, name = inner[found[0]], part or "test"
            if name == "test" and found[0] != "test":
                log.warning("%s: has no test/; %s/ is used.", root, found[0])
            break
        if there := [known for known in ("train", *TEST_NAMES) if known in inner]:
            raise DataError(
                f"{root}: has {there[0]}/, but no {part or 'test'}/.",
                hint=f"Choose a part that is there with --split, or give the folder {inner[there[0]]} itself.",
            )
        if len(inner) != 1:
            break
        (only,) = inner.values()
        if not _holds_everything(only, classes):
            break
        folder = only
    if name == "all" and part is not None:
        raise ConfigError(
            f"--split {part}: {root} has no train/, val/ or test/.",
            hint="Leave --split out: the folder is evaluated whole.",
        )
    folders = subfolders(folder)
    if not folders:
        raise DataError(
            f"{folder}: no class folders.", hint="Put the photos of each class into a folder that bears its name."
        )
    labels = match_classes([path.name for path in folders], classes, folder)
    paths, numbers = [], []
    for path, label in zip(folders, labels):
        photos = find_photos(path)
        if not photos:
            log.warning("%s: no photos in it.", path)
        paths += photos
        numbers += [label] * len(photos)
    if not paths:
        raise DataError(f"{folder}: no images in its class folders.", hint="Put photos into the class folders.")
    return Split(tuple(paths), np.array(numbers, dtype=np.int32)), name


def _holds_everything(folder: Path, classes: Sequence[str]) -> bool:
    """Whether the only folder there is holds the data set, as in archives: hotdog/train/hotdog, hotdog/test/hotdog.

    That one has the name of a class; it is no class folder all the same, because of what is in it.
    """
    below = [path.name for path in subfolders(folder)]
    if not _matching(folder.name, classes):
        return bool(below)
    parts = any(name in ("train", *TEST_NAMES) for name in below)
    return parts or (len(below) > 1 and all(_matching(name, classes) for name in below))


def match_classes(names: Sequence[str], classes: Sequence[str], place: Path | str) -> list[int]:
    """The model's class that each name means: the same name, or else the only one alike.

    Names are alike when they differ in case and separators only (`Hot_Dog`, `hot-dog` and `hotdog`). place: for
    messages. Raises: DataError, naming what is unknown, could mean several classes, or is there twice.
    """
    known = f"The model's classes are {', '.join(classes)}"
    found: dict[int, str] = {}
    labels = []
    for name in names:
        meant = _matching(name, classes)
        if not meant:
            raise DataError(
                f"{place}: class folder {name!r} is unknown to the model.",
                hint=f"{known}: rename the folder, or move it elsewhere.",
            )
        if len(meant) > 1:
            could = " or ".join(repr(classes[i]) for i in meant)
            raise DataError(f"{place}: class folder {name!r} could be {could}.", hint=f"{known}: rename the folder.")
        if meant[0] in found:
            raise DataError(
                f"{place}: {found[meant[0]]!r} and {name!r} both mean the model's class {classes[meant[0]]!r}.",
                hint="Put their photos into one folder, or rename one.",
            )
        found[meant[0]] = name
        labels.append(meant[0])
    return labels


def _matching(name: str, classes: Sequence[str]) -> list[int]:
    """The classes that a name can mean."""
    if name in classes:
        return [classes.index(name)]
    plain = _plain(name)
    return [i for i, known in enumerate(classes) if plain and _plain(known) == plain]


def _plain(name: str) -> str:
    """A name's letters and digits, without case: what is left when people write the same name in their ways."""
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())
