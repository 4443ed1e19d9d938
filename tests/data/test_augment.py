from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hotdog_ft.data.augment import for_training, random_area
from hotdog_ft.data.preprocess import Preprocess
from tests.conftest import draw


@given(st.integers(1, 600), st.integers(1, 600), st.integers(0, 2**32))
def test_the_area_lies_inside_the_photo(width, height, seed):
    left, top, w, h = random_area(width, height, np.random.default_rng(seed))
    assert w >= 1
    assert h >= 1
    assert 0 <= left <= width - w
    assert 0 <= top <= height - h


def test_areas_have_the_size_and_shape_of_the_definition():
    # RandomResizedCrop (Szegedy et al. 2015; Gluon's and torchvision's defaults): area uniform in 0.08 to 1, ratio
    # 3/4 to 4/3.
    areas = [random_area(400, 400, np.random.default_rng(seed)) for seed in range(4000)]
    parts = np.array([w * h / 160_000 for _, _, w, h in areas])
    ratios = np.array([w / h for _, _, w, h in areas])
    assert parts.min() >= 0.078
    assert ratios.min() >= 0.74
    assert ratios.max() <= 1.35
    # In a square an area fits if neither side is longer, |log ratio| <= -log area, and is drawn anew if it doesn't.
    area = np.linspace(0.08, 1, 10_000)
    fits = np.minimum(1, -np.log(area) / np.log(4 / 3))
    assert abs(parts.mean() - (area * fits).sum() / fits.sum()) < 0.01
    assert abs(np.log(ratios).mean()) < 0.02


def test_half_of_the_photos_are_mirrored():
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 255
    transform = for_training(Preprocess(image_size=16))
    # Dark on the right where the photo is dark on the left: only areas that cross the middle tell.
    outs = [transform(image, np.random.default_rng(seed)) for seed in range(600)]
    sides = [int(out[:, 0].mean()) - int(out[:, -1].mean()) for out in outs]
    mirrored = sum(side > 200 for side in sides) / sum(abs(side) > 200 for side in sides)
    assert 0.4 < mirrored < 0.6


def test_the_same_generator_gives_the_same_picture():
    transform = for_training(Preprocess(image_size=32))
    image = draw((10, 200, 90), 3, (60, 80))
    first, second = (transform(image, np.random.default_rng(5)) for _ in range(2))
    assert (first == second).all()
    assert (first != transform(image, np.random.default_rng(6))).any()


def test_training_keeps_a_tiny_photo():
    assert for_training(Preprocess(image_size=32))(draw((1, 2, 3), 0, (1, 1)), np.random.default_rng(0)).shape == (
        32,
        32,
        3,
    )
