"""The pointing game (Zhang et al. 2016): how often a map of where the network looked has its highest place on the food.

The photos are drawn as the demo data set's are, with numbers that are in none of its parts, so that the food's box is
known and no network has seen them: .venv/bin/python -m benchmarks.pointing --run runs/latest
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from hotdog_ft.data.demo import CLASSES, PHOTOS_PER_CLASS, DemoPhoto, demo_photo
from hotdog_ft.inference.predictor import Predictor, load
from hotdog_ft.stats import wilson_interval

BATCH_SIZE = 16


@dataclass(frozen=True)
class Pointing:
    """Which ways of pointing land in the box, a number from 0 to 1 a photo: float64, shape (photos,)."""

    map: np.ndarray
    """The map's highest place."""
    centre: np.ndarray
    """The middle of what the network sees."""
    chance: np.ndarray
    """A place at random: the part of what the network sees that is in the box."""

    def where(self, chosen: np.ndarray) -> Pointing:
        """Of some of the photos. chosen: bool, shape (photos,)."""
        return Pointing(self.map[chosen], self.centre[chosen], self.chance[chosen])

    def __str__(self) -> str:
        hits, photos = int(self.map.sum()), len(self.map)
        low, high = wilson_interval(hits, photos)
        return (
            f"{hits} of {photos} maps ({hits / photos:.3f}, 95 % interval {low:.3f} to {high:.3f}), "
            f"the centre {self.centre.mean():.3f}, a place at random {self.chance.mean():.3f}"
        )


def point(predictor: Predictor, class_name: str, count: int) -> Pointing:
    """Play with `count` photos of a class, explained as that class, whatever the network answers."""
    preprocess = predictor.classifier.preprocess
    label = predictor.classifier.classes.index(class_name)
    middle = preprocess.image_size // 2
    first = max(PHOTOS_PER_CLASS.values())
    rows = []
    for start in range(first, first + count, BATCH_SIZE):
        numbers = range(start, min(start + BATCH_SIZE, first + count))
        photos = [demo_photo("test", class_name, number, seed=0) for number in numbers]
        X = np.stack([preprocess.for_test(photo.image) for photo in photos])
        for photo, speaking in zip(photos, predictor.explainer.explain(X, [label] * len(X))):
            box = preprocess.for_test(_box(photo))[..., 0] > 127
            rows.append((box.flat[speaking.argmax()], box[middle, middle], box.mean()))
    return Pointing(*np.array(rows, dtype=np.float64).T)


def _box(photo: DemoPhoto) -> np.ndarray:
    """A photo of the box alone, in white: what is done to the photo is done to it, too."""
    left, top, right, bottom = photo.box
    drawn = np.zeros_like(photo.image)
    drawn[top:bottom, left:right] = 255
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="runs/latest", help="a run on the demo data set")
    parser.add_argument("--photos", type=int, default=600, help="of each class")
    options = parser.parse_args()
    predictor = load(options.run)
    for class_name in CLASSES:
        pointing = point(predictor, class_name, options.photos)
        print(f"{class_name}: {pointing}")
        print(f"{class_name}, where the centre isn't in the box: {pointing.where(pointing.centre == 0)}")


if __name__ == "__main__":
    main()
