from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.copies import KINDS
from hotdog_ft.data.duplicates import SAME, SIDE, find_copies, is_plain, thumbnail
from tests.conftest import draw

MANY = 40


def scene(seed: int, size: tuple[int, int] = (240, 320)) -> np.ndarray:
    """A picture with structure at every scale, as photos have it: uint8 RGB, shape (*size, 3)."""
    rng = np.random.default_rng(seed)
    image = np.zeros((*size, 3), np.float32)
    for scale in (2, 4, 8, 16, 32, 64):
        noise = rng.normal(0, scale**0.5, (size[0] // scale + 2, size[1] // scale + 2, 3)).astype(np.float32)
        image += cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


@pytest.fixture(scope="module")
def scenes() -> np.ndarray:
    return np.stack([scene(seed) for seed in range(MANY)])


def encoded(image: np.ndarray, suffix: str, quality: int) -> np.ndarray:
    """What is left of an image after it has been written and read."""
    flag = {".jpg": cv2.IMWRITE_JPEG_QUALITY, ".webp": cv2.IMWRITE_WEBP_QUALITY}.get(suffix)
    return cv2.imdecode(cv2.imencode(suffix, image, [flag, quality] if flag else [])[1], cv2.IMREAD_COLOR)


def pairs(images) -> set[tuple[int, int]]:
    return {(match.first, match.second) for match in find_copies(np.stack([thumbnail(i) for i in images]), workers=2)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_of_each_kind_is_found_and_nothing_else(scenes, kind):
    suffix, (lowest, _), change = KINDS[kind]
    rng = np.random.default_rng(0)
    copies = [encoded(change(image, rng) if change else image, suffix, lowest) for image in scenes]
    assert pairs([*scenes, *copies]) == {(i, MANY + i) for i in range(MANY)}


def test_a_match_says_what_was_done(scenes):
    mirrored, cropped = scenes[0][:, ::-1], scenes[1][:220, 20:]
    matches = find_copies(np.stack([thumbnail(i) for i in (*scenes[:2], mirrored, cropped)]), workers=1)
    assert [(m.first, m.second, m.is_mirrored, m.is_cropped) for m in matches] == [
        (0, 2, True, False),
        (1, 3, False, True),
    ]
    assert all(m.similarity > SAME for m in matches)


@settings(max_examples=40)
@given(
    cut=st.tuples(*[st.floats(0, 0.05)] * 4),
    is_mirrored=st.booleans(),
    factor=st.floats(0.3, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_crop_size_and_mirror_image_is_found(cut, is_mirrored, factor, seed):
    image = scene(seed)
    height, width = image.shape[:2]
    copy = image[round(cut[0] * height) : height - round(cut[1] * height)]
    copy = copy[:, round(cut[2] * width) : width - round(cut[3] * width)]
    copy = cv2.resize(copy, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    assert pairs([image, scene(seed + 1), copy[:, ::-1] if is_mirrored else copy]) == {(0, 2)}


def test_brighter_flatter_and_grey_copies_are_found(scenes):
    image = scenes[0]
    grey = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
    assert pairs([image, scenes[1], (image * 0.5 + 100).astype(np.uint8), grey]) == {(0, 2), (0, 3), (2, 3)}


def test_the_number_of_threads_changes_nothing(scenes):
    small = np.stack([thumbnail(i) for i in (*scenes[:4], *scenes[:4, :, ::-1])])
    assert find_copies(small, workers=1) == find_copies(small, workers=3)


def test_blocks_change_nothing(scenes, monkeypatch):
    small = np.stack([thumbnail(i) for i in (*scenes[:4], *scenes[:4, :, ::-1])])
    whole = find_copies(small, workers=1)
    monkeypatch.setattr("hotdog_ft.data.duplicates._BLOCK", 1)
    assert find_copies(small, workers=1) == whole


def test_noise_of_one_colour_is_not_taken_for_copies():
    assert pairs([draw((60, 180, 60), seed) for seed in range(30)]) == set()


def test_things_on_white_that_only_stand_alike_are_not_copies():
    def plate(seed: int) -> np.ndarray:
        image = np.full((224, 224, 3), 255, np.uint8)
        mask = cv2.circle(np.zeros((224, 224), np.uint8), (112, 112), 80, 1, -1) > 0
        image[mask] = scene(seed, (224, 224))[mask]
        return image

    assert pairs([plate(seed) for seed in range(20)]) == set()


@pytest.mark.parametrize("count", [0, 1])
def test_there_is_nothing_to_compare(count):
    assert find_copies(np.zeros((count, SIDE, SIDE), np.uint8), workers=1) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3000, 40)])
def test_a_thumbnail_of_any_size_is_square(size):
    assert thumbnail(draw((9, 9, 9), 0, size)).shape == (SIDE, SIDE)


def test_a_photo_of_one_grey_is_plain():
    assert is_plain(thumbnail(np.full((90, 90, 3), 200, np.uint8)))
    assert not is_plain(thumbnail(scene(0)))
