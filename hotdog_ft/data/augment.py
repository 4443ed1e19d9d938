"""How training sees a photo: another part of it, and sometimes its mirror image, each time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Union

import cv2
import numpy as np

from hotdog_ft.data.photo import Photo
from hotdog_ft.data.preprocess import Preprocess

Transform = Callable[[Union[np.ndarray, Photo], np.random.Generator], np.ndarray]
"""A photo, or uint8 RGB (any, any, 3), and a generator of its own -> uint8 RGB (size, size, 3). Raises: ImageError."""


def for_training(preprocess: Preprocess) -> Transform:
    """The book's augmentation: a random part, resized, and mirrored half of the time.

    The part is drawn from the whole photo before that is decoded, so that only its size has a say in it.
    """
    size = (preprocess.image_size, preprocess.image_size)

    def transform(image: np.ndarray | Photo, rng: np.random.Generator) -> np.ndarray:
        photo = Photo.of(image)
        area = random_area(photo.width, photo.height, rng)
        image = preprocess.resized(photo.part(*area, size), size)
        return cv2.flip(image, 1) if rng.random() < 0.5 else image

    return transform


def random_area(
    width: int,
    height: int,
    rng: np.random.Generator,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> tuple[int, int, int, int]:
    """RandomResizedCrop's area as (left, top, width, height), inside width x height.

    scale: the area's part of the photo, uniform. ratio: width to height, uniform in the logarithm. After ten tries that
    don't fit, the largest centred area of an allowed ratio (Szegedy et al. 2015, as in torchvision and Gluon).
    """
    for _ in range(10):
        area = width * height * rng.uniform(*scale)
        shape = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1)), w, h
    w = min(width, max(1, round(height * ratio[1])))
    h = min(height, max(1, round(width / ratio[0])))
    return (width - w) // 2, (height - h) // 2, w, h
