from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from hotdog_ft.data.preprocess import Preprocess
from tests.conftest import draw


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (10, 500), (224, 224), (1, 1), (4000, 30)])
@pytest.mark.parametrize("keep_ratio", [True, False])
def test_every_photo_comes_out_at_the_networks_size(size, keep_ratio):
    out = Preprocess(image_size=96, resize=110, keep_ratio=keep_ratio).for_test(draw((9, 99, 200), 0, size))
    assert out.shape == (96, 96, 3)
    assert out.dtype == np.uint8


def test_the_book_stretches_and_cuts_the_middle_out():
    image = np.zeros((100, 400, 3), np.uint8)
    image[:, 200:] = 255
    out = Preprocess().for_test(image)  # 400 x 100 -> 256 x 256 -> the middle 224
    assert out[0, 111].max() == 0
    assert out[0, 112].min() == 255


def test_keeping_the_proportions_loses_the_long_sides_ends():
    image = np.zeros((256, 512, 3), np.uint8)
    image[:, 144:368] = 255  # the middle 224 of 512
    out = Preprocess(keep_ratio=True).for_test(image)
    assert out.min() == 255


def test_shrinking_does_not_alias():
    stripes = np.zeros((1024, 1024, 3), np.uint8)
    stripes[:, ::2] = 255
    out = Preprocess().for_test(stripes)
    assert np.abs(out.astype(int) - 128).max() <= 1


def test_enlarging_asks_no_library_that_differs_by_processor():
    image, preprocess = draw((9, 99, 200), 0, (100, 120)), Preprocess(interpolation="bicubic")
    found = []
    for ipp in (True, False):
        cv2.ipp.setUseIPP(ipp)
        found.append(preprocess.for_test(image))
    np.testing.assert_array_equal(*found)


def test_another_size_keeps_the_crops_proportion():
    half = Preprocess(image_size=224, resize=256).at(112)
    assert (half.image_size, half.resize) == (112, 128)
    assert Preprocess().at(None) == Preprocess()


@pytest.mark.parametrize("keep_ratio", [True, False])
def test_squashed_the_whole_photo_is_there(keep_ratio):
    image = np.zeros((100, 400, 3), np.uint8)
    image[:, ::399] = 255  # the first column and the last
    out = Preprocess(keep_ratio=keep_ratio).at(200, "squash").for_test(image)
    assert out.shape == (200, 200, 3)
    assert out[:, [0, -1]].min() > 0
    assert out[:, 1:-1].max() == 0


def test_json_gives_the_same_record_back():
    preprocess = Preprocess(image_size=240, keep_ratio=True, interpolation="bicubic", mean=(0.1, 0.2, 0.3))
    assert Preprocess.from_dict(json.loads(json.dumps(preprocess.to_dict()))) == preprocess


@pytest.mark.parametrize("change", [{"mean": [0, 0]}, {"std": [1, 0, 1]}, {"interpolation": "magic"}, {"unknown": 1}])
def test_a_record_that_makes_no_sense_is_refused(change):
    with pytest.raises((ValueError, TypeError)):
        Preprocess.from_dict({**Preprocess().to_dict(), **change})
