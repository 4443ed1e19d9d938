"""What is wrong with a data set: broken files, copies, leaks between train and test, labels, balance. It only reads."""

from __future__ import annotations

import collections
import dataclasses
import functools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hotdog_ft.data.download import Progress
from hotdog_ft.data.duplicates import find_copies, is_plain
from hotdog_ft.data.folder import ImageFolder
from hotdog_ft.data.look import FORMATS, Look, look_at
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.data.survey import PARTS, Photo, Survey
from hotdog_ft.files import sha256, size

log = logging.getLogger(__name__)

KINDS = {
    "leak": "copies in two of train, validation and test: what is measured there flatters the network",
    "conflict": "copies in different classes: one of the labels is wrong",
    "refused": "training refuses the data set until this is mended",
    "broken": "can't be read: training skips it",
    "duplicate": "copies in one class of one part",
    "wrong-suffix": "holds another format than its name says",
    "imbalance": "a class with a tenth of the largest class's photos, or fewer",
    "few": "a class with fewer than 10 photos: too few to learn from, or to judge by",
    "tiny": "shorter side under 112 pixels: training enlarges it more than twice",
    "passed-over": "not a photo by its name, or not in a class folder: training passes it over",
}
"""What can be found, the worst first."""

IMBALANCE = 10
"""How many times fewer photos than the largest class a class has in train when the classes are out of balance."""
FEW = 10
"""Photos of a class in a part under which they are too few. An accuracy of 8 in 10 has a 95 % interval (Wilson's) from
0.49 to 0.94: less says next to nothing."""
TINY = Preprocess().image_size // 2
"""Pixels of the shorter side under which a photo is tiny: when it is enlarged to what most networks see, three of four
pixels are made up."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a file, a pair of photos, or a class."""

    kinds: tuple[str, ...]
    """Of KINDS, the worst first."""
    detail: str
    paths: tuple[Path, ...] = ()
    similarity: float | None = None
    """Of two photos that differ in their pixels: see duplicates.Match."""


@dataclass(frozen=True)
class Report:
    """A data set's survey and what is wrong with it."""

    survey: Survey
    findings: tuple[Finding, ...]
    """The worst first."""
    leaks: dict[str, int]
    """Part -> its photos that have a copy in an earlier part, of train, validation and test."""

    @functools.cached_property
    def parts(self) -> dict[Path, str]:
        """Photo -> its part."""
        return {photo.path: photo.part for photo in self.survey.photos}

    def found(self) -> dict[str, int]:
        """How many findings there are of each of KINDS."""
        counts = collections.Counter(kind for finding in self.findings for kind in finding.kinds)
        return {kind: counts[kind] for kind in KINDS}


@dataclass(frozen=True)
class _Copy:
    """Two photos, by their positions, of which one is a copy of the other."""

    first: int
    second: int
    how: str
    similarity: float | None = None


def check(survey: Survey, workers: int, progress: Progress | None = None) -> Report:
    """Read every photo and compare it with every other. workers: threads. progress: tqdm, or what takes its arguments.

    Holds a few photos at a time, and 8 KiB for each that has been read.
    """
    looks = look_at(survey.photos, workers, progress)
    groups = _groups(_copies(looks, workers, progress))
    findings = [*_of_classes(survey), *_of_files(survey.photos, looks), *_of_copies(survey.photos, groups)]
    findings += [Finding(("passed-over",), path.suffix.lower() or "no suffix", (path,)) for path in survey.others]
    order = list(KINDS)
    findings.sort(key=lambda finding: order.index(finding.kinds[0]))  # those of a kind stay in their order
    return Report(survey, tuple(findings), _leaks(survey.photos, survey.counts, groups))


def warn_about(data: ImageFolder, name: str) -> None:
    """Warn of what can be seen without decoding a photo: a file that is in two parts, and classes out of balance.

    name: what the user calls the data set.
    """
    leaking = _same_files(data)
    if leaking:
        log.warning(
            "%s: %d of the photos to test or validate by %s also among those before, the same file (%s): what is "
            "measured flatters the network. `hotdog-ft data check` shows all copies.",
            name,
            len(leaking),
            "is" if len(leaking) == 1 else "are",
            leaking[0].relative_to(data.root),
        )
    counts = np.bincount(data.train.labels, minlength=len(data.classes))
    for detail in _imbalances(dict(zip(data.classes, counts.tolist()))):
        log.warning("%s: the classes are out of balance: %s.", name, detail)


def _same_files(data: ImageFolder) -> list[Path]:
    """Photos of validation and test that are in an earlier part, byte by byte. Only files of equal size are read."""
    splits = data.splits()
    files = [(part, path, size(path)) for part in PARTS if part in splits for path in splits[part].paths]
    parts_of = collections.defaultdict(set)
    for part, _, length in files:
        parts_of[length].add(part)
    first_part: dict[str, str] = {}
    return [
        path
        for part, path, length in files
        if length and len(parts_of[length]) > 1 and first_part.setdefault(_content(path), part) != part
    ]


def _content(path: Path) -> str:
    """What two files have in common if they are the same; nothing, where it can't be read, which reading will tell."""
    try:
        return sha256(path)
    except OSError:
        return str(path)


def _imbalances(counts: dict[str, int]) -> Iterator[str]:
    """What is wrong, for each class that is far smaller than the largest. counts: class -> photos in train."""
    largest = max(counts, key=lambda name: counts[name], default="")
    for name, count in counts.items():
        if 0 < count * IMBALANCE <= counts[largest]:
            yield f"train has {count} of {name!r} and {counts[largest]} of {largest!r}"


def _of_classes(survey: Survey) -> Iterator[Finding]:
    """What is wrong with the parts and their classes."""
    for part in ("train", "test"):
        if part not in survey.counts:
            yield Finding(("refused",), f"there is no {part}/")
    if len(survey.classes) == 1:
        yield Finding(("refused",), f"there is only one class, {survey.classes[0]!r}")
    for part, counts in survey.counts.items():
        for name, count in counts.items():
            if count == 0:
                yield Finding(("refused",), f"{part} has no photo of {name!r}")
            elif count < FEW:
                yield Finding(("few",), f"{part} has {count} of {name!r}")
    for detail in _imbalances(survey.counts.get("train", {})):
        yield Finding(("imbalance",), detail)


def _of_files(photos: Sequence[Photo], looks: Sequence[Look]) -> Iterator[Finding]:
    """What is wrong with single photos."""
    for photo, look in zip(photos, looks):
        wrong = {}
        if look.error:
            wrong["broken"] = look.error.rstrip(".")
        if look.format and photo.path.suffix.lower() not in FORMATS[look.format]:
            wrong["wrong-suffix"] = f"holds a {look.format}"
        elif not look.format and not look.error:
            wrong["wrong-suffix"] = "holds none of " + ", ".join(FORMATS)
        if not look.error and min(look.size) < TINY:
            wrong["tiny"] = f"{look.size[0]} x {look.size[1]} pixels"
        if wrong:
            yield Finding(tuple(wrong), "; ".join(wrong.values()), (photo.path,))


def _copies(looks: Sequence[Look], workers: int, progress: Progress | None) -> list[_Copy]:
    """Pairs of copies: each photo with the first that is the same, and the first ones with each other."""
    copies: list[_Copy] = []
    files: dict[str, int] = {}
    pixels: dict[str, int] = {}
    for i, look in enumerate(looks):
        first = files.setdefault(look.digest, i) if look.digest else i
        if first != i:
            copies.append(_Copy(first, i, "identical files"))
        elif look.pixels and pixels.setdefault(look.pixels, i) != i:
            copies.append(_Copy(pixels[look.pixels], i, "the same pixels"))
    thumbnails = [(i, small) for i in pixels.values() if (small := looks[i].thumbnail) is not None]
    different = [(i, small) for i, small in thumbnails if not is_plain(small)]
    if not different:
        return copies
    for match in find_copies(np.stack([small for _, small in different]), workers, progress):
        first, second = different[match.first][0], different[match.second][0]
        is_resized = looks[first].size != looks[second].size and not match.is_cropped
        how = ["mirrored"] * match.is_mirrored + ["cropped"] * match.is_cropped + ["resized"] * is_resized
        copies.append(_Copy(first, second, ", ".join(how) or "encoded anew or edited", match.similarity))
    return copies


def _groups(copies: list[_Copy]) -> list[list[_Copy]]:
    """Photos that are copies of each other, over others too, in order of their first photos.

    A group of n photos has n - 1 pairs: each but its first photo is once the second of a pair, with the first photo if
    it is a copy of that, else with one nearer to it.
    """
    partners = collections.defaultdict(list)
    for copy in copies:
        partners[copy.first].append(copy)
        partners[copy.second].append(dataclasses.replace(copy, first=copy.second, second=copy.first))
    groups = []
    seen: set[int] = set()
    for start in sorted(partners):
        if start in seen:
            continue
        seen.add(start)
        group: list[_Copy] = []
        reached = [start]
        for photo in reached:  # which grows: breadth first
            for copy in sorted(partners[photo], key=lambda copy: copy.second):
                if copy.second not in seen:
                    seen.add(copy.second)
                    reached.append(copy.second)
                    group.append(copy)
        groups.append(group)
    return groups


def _of_copies(photos: Sequence[Photo], groups: list[list[_Copy]]) -> Iterator[Finding]:
    """The pairs of each group. A photo leaks that isn't in the part of its group's first, where train comes first."""
    for group in groups:
        for copy in group:
            first, second = photos[copy.first], photos[copy.second]
            leaks, differ = second.part != photos[group[0].first].part, second.label != first.label
            kinds = ["leak"] * leaks + ["conflict"] * differ or ["duplicate"]
            yield Finding(tuple(kinds), copy.how, (first.path, second.path), copy.similarity)


def _leaks(photos: Sequence[Photo], parts: Iterable[str], groups: list[list[_Copy]]) -> dict[str, int]:
    """Part but the first -> its photos that have a copy in an earlier part."""
    counts = collections.Counter(
        photos[copy.second].part
        for group in groups
        for copy in group
        if photos[copy.second].part != photos[group[0].first].part
    )
    return {part: counts[part] for part in list(parts)[1:]}
