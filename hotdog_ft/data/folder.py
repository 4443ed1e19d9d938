"""A folder of class folders: which photos it has, what they show, and which are for training."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hotdog_ft.data.photo import SUFFIXES
from hotdog_ft.errors import DataError
from hotdog_ft.files import size

log = logging.getLogger(__name__)

TEST_FRACTION = 0.2
TEST_NAMES = ("test", "val", "valid", "validation")


@dataclass(frozen=True)
class Split:
    """Photos and what they show."""

    paths: tuple[Path, ...]
    labels: np.ndarray
    """int32 class indices, shape (len(paths),)."""

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: np.ndarray) -> Split:
        """The photos at these positions, in this order."""
        return Split(tuple(self.paths[i] for i in indices), self.labels[indices])


@dataclass(frozen=True)
class ImageFolder:
    """A data set that has been looked through: every class has photos in train, and test has the same classes."""

    root: Path
    classes: tuple[str, ...]
    train: Split
    test: Split
    validation: Split | None = None

    def splits(self) -> dict[str, Split]:
        """The parts that there are, by name."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in parts.items() if split is not None}

    def fingerprint(self) -> str:
        """A SHA-256 over the photos' places and sizes: cheap, and another one for another data set."""
        digest = hashlib.sha256()
        for name, split in self.splits().items():
            for path in split.paths:
                place = os.fsencode(path.relative_to(self.root))
                digest.update(b"%s\0%s\0%d\n" % (name.encode(), place, size(path)))
        return digest.hexdigest()

    def hold_out(self, fraction: float, seed: int) -> ImageFolder:
        """Move a part of train to validation, the same part of every class (at least one photo), chosen by the seed.

        Raises: DataError, when a class would be left without photos.
        """
        if not fraction:
            return self
        if self.validation:
            raise DataError(
                f"{self.root}: has a validation part already, val/.", hint="Leave --val-split out, or remove val/."
            )
        rest, held_out = split_classes(self.train, len(self.classes), fraction, seed)
        counts = np.bincount(rest.labels, minlength=len(self.classes))
        if counts.min() == 0:
            name = self.classes[int(counts.argmin())]
            raise DataError(
                f"{self.root}: holding out {fraction:g} leaves no photo of {name!r} to train on.",
                hint="Give a smaller --val-split, or more photos of that class.",
            )
        return dataclasses.replace(self, train=rest, validation=held_out)


def read_folder(root: Path, seed: int = 0) -> ImageFolder:
    """Look through `root`: train/ and test/ (or val/) of class folders, or only class folders.

    Only class folders are split into four fifths to train and a fifth to test, by the seed. With train/, val/ and
    test/, val/ becomes the validation part. One folder that holds all that is gone into, as archives have it.
    Raises: DataError.
    """
    root = inner_folder(Path(root))
    folders = {path.name: path for path in subfolders(root)}
    if not folders:
        raise DataError(
            f"{root}: no class folders.", hint="Put the photos of each class into a folder that bears its name."
        )
    tests = [name for name in TEST_NAMES if name in folders]
    if "train" not in folders and tests and set(folders) <= {*tests, "train"}:
        raise DataError(f"{root}: has {tests[0]}/, but no train/.", hint="Put the training photos into train/CLASS/.")
    if "train" in folders and not tests:
        raise DataError(
            f"{root}: has train/, but no test/.",
            hint="Put test photos into test/CLASS/, or give the folder train itself, to have it split.",
        )
    if "train" in folders:
        classes = _class_names(folders["train"])
        train = _read_split(folders["train"], classes)
        test = _read_split(folders[tests[0]], classes)
        both = tests[0] == "test" and len(tests) > 1
        if tests[0] != "test":
            log.warning("%s: has no test/; %s/ is used as the test set.", root, tests[0])
        return ImageFolder(root, classes, train, test, _read_split(folders[tests[1]], classes) if both else None)
    classes = _class_names(root)
    train, test = split_classes(_read_split(root, classes), len(classes), TEST_FRACTION, seed)
    lonely = np.bincount(train.labels, minlength=len(classes)) == 0
    if lonely.any():
        name = classes[int(lonely.argmax())]
        raise DataError(
            f"{root}: {name!r} has one photo, which can't be both trained on and tested.", hint="Add photos of it."
        )
    return ImageFolder(root, classes, train, test)


def find_photos(folder: Path) -> list[Path]:
    """Every photo in `folder` and below, by suffix, sorted. Hidden files and folders are passed over."""
    photos, others = find_files(folder)
    if others:
        suffixes = collections.Counter(path.suffix.lower() or "no suffix" for path in others)
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(4))
        log.warning("%s: passed over files that are not photos by their names (%s).", folder, kinds)
    return photos


def find_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """(photos, other files) in `folder` and below, by suffix, sorted, without what is hidden."""
    photos: list[Path] = []
    others: list[Path] = []
    for place, names_of_folders, names in os.walk(folder):
        names_of_folders[:] = sorted(name for name in names_of_folders if not hidden(name))
        for name in sorted(name for name in names if not hidden(name)):
            is_photo = os.path.splitext(name)[1].lower() in SUFFIXES
            (photos if is_photo else others).append(Path(place, name))
    return photos, others


def inner_folder(root: Path) -> Path:
    """`root`, or the one folder in it that holds everything (`hotdog/train/…` -> `hotdog`)."""
    folders = subfolders(root)
    while len(folders) == 1 and folders[0].name not in ("train", *TEST_NAMES) and subfolders(folders[0]):
        root = folders[0]
        folders = subfolders(root)
    return root


def subfolders(folder: Path) -> list[Path]:
    """The folders in `folder`, sorted, without what is hidden."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not hidden(path.name))


def hidden(name: str) -> bool:
    """What file managers and archivers leave behind: .DS_Store, ._photo.jpg, __MACOSX, Thumbs.db."""
    return name.startswith(".") or name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _class_names(folder: Path) -> tuple[str, ...]:
    """The class folders' names in order, the same as the network's outputs."""
    classes = tuple(path.name for path in subfolders(folder))
    if len(classes) < 2:
        found = f"only one class, {classes[0]!r}" if classes else "no class folders"
        raise DataError(
            f"{folder}: {found}.", hint="Put the photos of each class into a folder of its own, two classes at least."
        )
    return classes


def _read_split(folder: Path, classes: tuple[str, ...]) -> Split:
    """The photos of a train/ or test/ folder. Raises DataError unless it has each of the classes and no other."""
    unknown = [path.name for path in subfolders(folder) if path.name not in classes]
    if unknown:
        raise DataError(
            f"{folder}: class folder {unknown[0]!r} has no counterpart in train/.",
            hint=f"The classes in train/ are {', '.join(classes)}: rename it, or add its photos to train/.",
        )
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        photos = find_photos(folder / name) if (folder / name).is_dir() else []
        if not photos:
            raise DataError(
                f"{folder}: no images in {name!r}.",
                hint="Put at least one photo in every class folder, or remove the class everywhere.",
            )
        paths += photos
        labels += [label] * len(photos)
    return Split(tuple(paths), np.array(labels, dtype=np.int32))


def split_classes(split: Split, num_classes: int, fraction: float, seed: int) -> tuple[Split, Split]:
    """(the rest, a random part) of the photos; the part takes `fraction` of each class, one photo at least."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(split), dtype=bool)
    for label in range(num_classes):
        members = np.flatnonzero(split.labels == label)
        chosen[rng.permutation(members)[: max(1, round(fraction * len(members)))]] = True
    return split.take(np.flatnonzero(~chosen)), split.take(np.flatnonzero(chosen))
