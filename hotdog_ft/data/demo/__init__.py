"""The demo data set: photos of food that the program draws itself, so that a first run needs no download.

`pen` paints, `foods` are what it paints, `scene` is what surrounds a food. Here they become photos, by split and class.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hotdog_ft.data.demo.foods import FOODS, OTHER_FOODS
from hotdog_ft.data.demo.pen import Pen, pick
from hotdog_ft.data.demo.scene import BACKDROPS, SIDES, SURFACES, photograph
from hotdog_ft.data.jpeg import as_jpeg

__all__ = [
    "CLASSES",
    "OTHER_FOODS",
    "PHOTOS_PER_CLASS",
    "VERSION",
    "DemoPhoto",
    "demo_photo",
    "draw_food",
    "write_demo",
]

VERSION = 1  # goes up whenever the photos change: the cache's folder is named after it
CLASSES = ("hotdog", "not-hotdog")
PHOTOS_PER_CLASS = {"train": 160, "test": 60}
JPEG_QUALITY = 88


class DemoPhoto(NamedTuple):
    """image: uint8 RGB, shape (height, width, 3). box: (left, top, right, bottom) of the food in pixels, half-open."""

    image: np.ndarray
    box: tuple[int, int, int, int]
    food: str


def draw_food(class_name: str, rng: np.random.Generator) -> DemoPhoto:
    """Draw a photo of a hot dog ("hotdog") or of another food ("not-hotdog") somewhere in a scene."""
    short = int(rng.integers(140, 201))
    sides = [short, int(short * rng.uniform(1.0, 1.5))]
    height, width = rng.permutation(sides)
    image = pick(rng, BACKDROPS)(rng, height, width)
    lamp = np.append(rng.uniform((-0.7, -0.8), (0.7, -0.2)), 0.9)
    light = lamp / np.linalg.norm(lamp)

    name = "hotdog" if class_name == "hotdog" else pick(rng, OTHER_FOODS)
    food = FOODS[name]
    centre, scale = rng.uniform(0.28, 0.72, 2) * (width, height), short * rng.uniform(0.3, 0.45)
    turn = rng.uniform(-0.3, 0.3) if food.upright else rng.uniform(-np.pi, np.pi)
    if rng.random() < 0.7:
        below = Pen(image, centre, scale * rng.uniform(1.0, 1.15), turn + rng.uniform(-0.2, 0.2), light, rng)
        pick(rng, SURFACES)(below, rng, food.half_height)
    for _ in range(rng.integers(0, 4)):
        spots = rng.uniform((0, 0), (width, height), (6, 2))
        away = spots[np.argmax(np.linalg.norm(spots - centre, axis=1))]
        beside = Pen(image, away, short * rng.uniform(0.17, 0.25), rng.uniform(-np.pi, np.pi), light, rng)
        pick(rng, SIDES)(beside, rng)
    pen = Pen(image, centre, scale, turn, light, rng)
    food.draw(pen, rng)
    return DemoPhoto(photograph(image, light, rng), pen.box(), name)


def demo_photo(split: str, class_name: str, index: int, seed: int = 0) -> DemoPhoto:
    """A photo of the demo set. It depends on these four alone."""
    stream = (seed, list(PHOTOS_PER_CLASS).index(split), CLASSES.index(class_name), index)
    return draw_food(class_name, np.random.default_rng(stream))


def write_demo(folder: Path, seed: int = 0) -> None:
    """Write `folder/{train,test}/{hotdog,not-hotdog}/N.jpg`, and the foods' boxes by photo to `folder/boxes.json`."""
    boxes = {}
    for split, count in PHOTOS_PER_CLASS.items():
        for class_name in CLASSES:
            (folder / split / class_name).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                photo, path = demo_photo(split, class_name, index, seed), f"{split}/{class_name}/{index}.jpg"
                (folder / path).write_bytes(as_jpeg(photo.image, JPEG_QUALITY))
                boxes[path] = photo.box
    (folder / "boxes.json").write_text(json.dumps(boxes), encoding="utf-8")
