"""What lies in a data set's folder, whether or not it could be trained on."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hotdog_ft.data.folder import (
    TEST_FRACTION,
    TEST_NAMES,
    Split,
    find_files,
    hidden,
    inner_folder,
    split_classes,
    subfolders,
)
from hotdog_ft.data.photo import SUFFIXES
from hotdog_ft.errors import DataError

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Photo:
    """A file that is a photo by its name."""

    path: Path
    part: str
    """One of PARTS."""
    label: str
    """Its class: its folder's name."""


@dataclass(frozen=True)
class Survey:
    """Everything in a data set's folder."""

    root: Path
    photos: tuple[Photo, ...]
    """In the order of PARTS, each part's by class and path."""
    others: tuple[Path, ...]
    """Files that training passes over: not photos by their names, or not in a class folder."""
    counts: dict[str, dict[str, int]]
    """Part -> class -> photos. Each part has each class, with 0 where there are none."""
    is_split: bool
    """Whether train and test are a random split of plain class folders, as training would split them."""

    @property
    def classes(self) -> list[str]:
        """The classes of all parts, in order."""
        return list(next(iter(self.counts.values())))


def survey(data: str, place: Path, seed: int = 0) -> Survey:
    """List what is in `place`, the folder of the data set that `data` names, by the rules of `read_folder`.

    seed: of the split of plain class folders into train and test. Raises: DataError, when there is not one photo.
    """
    root = inner_folder(place)
    parts = _parts(root)
    photos: list[Photo] = []
    others = _stray_photos(root)
    for part, folder in parts.items():
        found, passed_over = _class_folders(folder, part)
        photos += found
        others += _stray_photos(folder) + passed_over
    if not parts:
        found, passed_over = _class_folders(root, "train")
        photos = _split(found, seed)
        others += passed_over
    if not photos:
        raise DataError(
            f"{data}: no photos in class folders.",
            hint="Put the photos of each class into a folder that bears its name.",
        )
    if Path(data).is_file():
        others += _not_unpacked(Path(data), place, photos)
    classes = sorted({folder.name for place in parts.values() or [root] for folder in subfolders(place)})
    counts = {part: dict.fromkeys(classes, 0) for part in parts or ("train", "test")}
    for photo in photos:
        counts[photo.part][photo.label] += 1
    return Survey(root, tuple(photos), tuple(others), counts, is_split=not parts)


def _parts(root: Path) -> dict[str, Path]:
    """Part -> its folder; nothing for plain class folders. The first of the names for tests is the test set."""
    folders = {path.name: path for path in subfolders(root)}
    tests = [name for name in TEST_NAMES if name in folders]
    if "train" not in folders and not (tests and set(folders) <= set(tests)):
        return {}
    parts = {"train": folders.get("train"), "validation": None, "test": folders[tests[0]] if tests else None}
    if len(tests) > 1 and tests[0] == "test":
        parts["validation"] = folders[tests[1]]
    return {part: folder for part, folder in parts.items() if folder}


def _class_folders(folder: Path, part: str) -> tuple[list[Photo], list[Path]]:
    """The photos in the class folders of `folder`, and the files in them that are none."""
    photos: list[Photo] = []
    others: list[Path] = []
    for place in subfolders(folder):
        paths, passed_over = find_files(place)
        photos += [Photo(path, part, place.name) for path in paths]
        others += passed_over
    return photos, others


def _stray_photos(folder: Path) -> list[Path]:
    """Photos that lie in a folder of folders, where training doesn't look. Other files there may be a README."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.suffix.lower() in SUFFIXES and not hidden(path.name)
    )


def _split(photos: list[Photo], seed: int) -> list[Photo]:
    """The photos of plain class folders as training splits them, train first."""
    if not photos:
        return []
    classes = sorted({photo.label for photo in photos})
    number = {name: i for i, name in enumerate(classes)}
    labels = np.array([number[photo.label] for photo in photos], dtype=np.int32)
    whole = Split(tuple(photo.path for photo in photos), labels)
    train, test = split_classes(whole, len(classes), TEST_FRACTION, seed)
    return [
        Photo(path, part, classes[label])
        for part, of in (("train", train), ("test", test))
        for path, label in zip(of.paths, of.labels)
    ]


def _not_unpacked(archive: Path, place: Path, photos: list[Photo]) -> list[Path]:
    """The members of a ZIP, unpacked in `place`, that aren't photos by their names, and so aren't there.

    Those that lie beside class folders, such as a README, are left out.
    """
    class_folders = {photo.path.relative_to(place).parent for photo in photos}
    above = {parent for folder in class_folders for parent in folder.parents}
    with zipfile.ZipFile(archive) as opened:
        members = [Path(member.filename) for member in opened.infolist() if not member.is_dir()]
    return [
        path
        for path in members
        if path.suffix.lower() not in SUFFIXES
        and path.parent not in above
        and not any(hidden(name) for name in path.parts)
    ]
