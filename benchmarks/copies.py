"""How many planted copies `hotdog-ft data check` finds among real photos, what else it reports, and in what time:

PYTHONPATH=. .venv/bin/python -m benchmarks.copies hotdog --each 100 --seed 1 [--half first|second]
"""

from __future__ import annotations

import argparse
import collections
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from hotdog_ft.data import duplicates
from hotdog_ft.data.check import Report, check
from hotdog_ft.data.sources import local_folder
from hotdog_ft.data.survey import survey
from hotdog_ft.machine import cores

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""A BGR photo and a generator of random numbers -> the changed photo."""


def resized(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """To a quarter to twice its size."""
    factor = np.exp(rng.uniform(np.log(0.25), np.log(2)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=method)


def cropped(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """To 90 % to 99 % of its height, and of its width, anywhere."""
    height, width = image.shape[:2]
    kept = np.ceil(rng.uniform(0.9, 0.99, 2) * (height, width)).astype(int)
    top, left = rng.integers(0, (height - kept[0] + 1, width - kept[1] + 1))
    return image[top : top + kept[0], left : left + kept[1]]


def cropped_most(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """To 90 % of both sides, anywhere."""
    height, width = image.shape[:2]
    kept = np.ceil(0.9 * np.array((height, width))).astype(int)
    top, left = rng.integers(0, (height - kept[0] + 1, width - kept[1] + 1))
    return image[top : top + kept[0], left : left + kept[1]]


def mirrored(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image[:, ::-1]


def stretched(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """To a square."""
    return cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA)


def all_at_once(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return mirrored(resized(cropped(image, rng), rng), rng)


# Kind -> (suffix, the range of qualities, the change); without a change the photo is encoded anew.
KINDS: dict[str, tuple[str, tuple[int, int], Change | None]] = {
    "resized": (".jpg", (75, 95), resized),
    "JPEG, quality 30": (".jpg", (30, 30), None),
    "JPEG, quality 30 to 95": (".jpg", (30, 95), None),
    "PNG": (".png", (0, 0), None),
    "WebP": (".webp", (30, 95), None),
    "cropped": (".jpg", (75, 95), cropped),
    "cropped to 90 %": (".jpg", (75, 95), cropped_most),
    "cropped to 90 %, JPEG, quality 30": (".jpg", (30, 30), cropped_most),
    "mirrored": (".jpg", (75, 95), mirrored),
    "stretched": (".jpg", (75, 95), stretched),
    "cropped, resized, mirrored": (".jpg", (60, 90), all_at_once),
}


def plant(root: Path, each: int, seed: int) -> dict[Path, tuple[str, Path]]:
    """Put `each` copies of every kind into the data set at `root`, and `each` files that are the same byte by byte.

    A copy goes to test/ when its photo is in train/, and the other way. Returns copy -> (kind, photo).
    """
    rng = np.random.default_rng(seed)
    photos = sorted(root.glob("*/*/*.jpg"))
    planted: dict[Path, tuple[str, Path]] = {}
    for kind in ("same file", *KINDS):
        for number in rng.choice(len(photos), each, replace=False):
            photo = photos[number]
            other = root / {"train": "test", "test": "train"}[photo.parts[-3]] / photo.parts[-2]
            copy = other / f"planted-{len(planted)}"
            if kind == "same file":
                copy = copy.with_suffix(".jpg")
                shutil.copyfile(photo, copy)
            else:
                copy = write(photo, copy, kind, rng)
            planted[copy] = (kind, photo)
    return planted


def write(photo: Path, copy: Path, kind: str, rng: np.random.Generator) -> Path:
    """Write a copy of this kind. Returns its path, with the suffix of its format."""
    suffix, (lowest, highest), change = KINDS[kind]
    image = cv2.imread(str(photo))
    quality = int(rng.integers(lowest, highest + 1))
    flag = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}.get(suffix)
    path = copy.with_suffix(suffix)
    if not cv2.imwrite(str(path), change(image, rng) if change else image, [flag, quality] if flag is not None else []):
        raise OSError(f"{path} can't be written")
    return path


def judge(report: Report, planted: dict[Path, tuple[str, Path]]) -> tuple[dict[Path, str], list[tuple[Path, Path]]]:
    """(planted copies that weren't found -> their kinds, reported pairs that don't come from one photo).

    A copy is found when it is in one group with its photo, over other copies or directly.
    """
    group: dict[Path, Path] = {}

    def root(path: Path) -> Path:
        while group.setdefault(path, path) != path:
            path = group[path]
        return path

    others = []
    for finding in report.findings:
        if len(finding.paths) == 2:
            first, second = finding.paths
            group[root(first)] = root(second)
            origins = [planted.get(path, ("", path))[1] for path in finding.paths]
            if origins[0] != origins[1]:
                others.append((first, second))
    missed = {copy: kind for copy, (kind, photo) in planted.items() if root(copy) != root(photo)}
    return missed, others


def keep_half(root: Path, half: str) -> None:
    """Remove every second photo."""
    for photo in sorted(root.glob("*/*/*.jpg"))[half == "first" :: 2]:
        photo.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.copies", description=__doc__)
    parser.add_argument("data", nargs="?", default="hotdog", help="hotdog, or a folder or ZIP of photos in its layout")
    parser.add_argument("--each", type=int, default=40, help="copies planted of each kind (default: 40)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--half", choices=["first", "second"], help="of the photos; the whole set without it")
    parser.add_argument("--same", type=float, default=duplicates.SAME, help="the threshold, to see what is below it")
    options = parser.parse_args()
    duplicates.SAME = options.same

    place = survey(options.data, local_folder(options.data)).root
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary, "photos")
        shutil.copytree(place, root)
        if options.half:
            keep_half(root, options.half)
        before = timed_check(root)
        print("\nfound without planting, the least alike first:")
        pairs = [finding for finding in before.findings if len(finding.paths) == 2]
        for finding in sorted(pairs, key=lambda finding: finding.similarity or 1):
            print(
                f"  {finding.similarity or 1:.3f}  {'  '.join(str(path.relative_to(root)) for path in finding.paths)}"
            )

        planted = plant(root, options.each, options.seed)
        print()
        report = timed_check(root)
        missed, others = judge(report, planted)
        least = collections.defaultdict(lambda: 1.0)
        for finding in report.findings:
            for copy, photo in (finding.paths[::-1], finding.paths) if len(finding.paths) == 2 else ():
                if copy in planted and planted[copy][1] == photo:
                    least[planted[copy][0]] = min(least[planted[copy][0]], finding.similarity or 1)
        for kind in ("same file", *KINDS):
            lost = list(missed.values()).count(kind)
            print(f"  {kind:34} {options.each - lost} of {options.each}, least similarity {least[kind]:.3f}")
        print(f"  pairs of two photos' copies: {len(others)}, before planting: {len(pairs)}")
        for pair in others:
            print("   ", *(planted.get(path, ("", path))[1].relative_to(root) for path in pair))


def timed_check(root: Path) -> Report:
    """A check, with its time."""
    start = time.perf_counter()
    report = check(survey(str(root), root), cores())
    print(f"{len(report.survey.photos)} photos: {time.perf_counter() - start:.1f} s on {cores()} cores")
    return report


if __name__ == "__main__":
    main()
