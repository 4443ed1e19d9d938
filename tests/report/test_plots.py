from __future__ import annotations

import cv2
import numpy as np
import pytest

from hotdog_ft.report.plots import draw_curves, draw_photos
from hotdog_ft.training import EpochResult


def result(epoch, val_acc=None, test_acc=0.8):
    return EpochResult(epoch, 1 / epoch, 0.75, val_acc, test_acc, 100.0, 2.0, "[cpu(0)]", 0.01)


CURVES = {
    "one epoch": [result(1)],
    "several epochs": [result(epoch) for epoch in range(1, 6)],
    "a validation part": [result(1, 0.7, None), result(2, 0.8, None), result(3, 0.9, 0.85)],
    "one epoch with a validation part": [result(1, 0.7)],
    "an epoch that wasn't judged": [result(1, 0.7, None), result(2, None, None), result(3, 0.9, None)],
}


@pytest.mark.parametrize("results", CURVES.values(), ids=CURVES)
def test_curves_are_a_picture_that_can_be_read(tmp_path, results):
    draw_curves(results, tmp_path / "curves.png")
    image = cv2.imread(str(tmp_path / "curves.png"))
    assert image.shape[1] > image.shape[0] > 100
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 10


def test_the_same_results_give_the_same_curves(tmp_path):
    first, second = tmp_path / "1.png", tmp_path / "2.png"
    for path in (first, second):
        draw_curves(CURVES["several epochs"], path)
    assert first.read_bytes() == second.read_bytes()


def test_a_validation_accuracy_adds_a_curve(tmp_path):
    draw_curves([result(1), result(2)], tmp_path / "without.png")
    draw_curves([result(1, 0.7), result(2, 0.7)], tmp_path / "with.png")
    assert (tmp_path / "without.png").read_bytes() != (tmp_path / "with.png").read_bytes()


def picture(height, width, colour):
    return np.full((height, width, 3), colour, dtype=np.uint8)


def test_photos_are_a_picture_that_can_be_read(tmp_path):
    rows = [("green", [picture(20, 30, (0, 200, 0))] * 3), ("red", [picture(40, 10, (200, 0, 0))] * 2)]
    draw_photos(rows, tmp_path / "photos.png")
    image = cv2.cvtColor(cv2.imread(str(tmp_path / "photos.png")), cv2.COLOR_BGR2RGB)
    upper, lower = np.array_split(image, 2)
    assert (upper == (0, 200, 0)).all(axis=2).any()
    assert not (upper == (200, 0, 0)).all(axis=2).any()
    assert (lower == (200, 0, 0)).all(axis=2).any()


def test_a_single_photo_is_drawn(tmp_path):
    draw_photos([("one", [picture(5, 5, 0)])], tmp_path / "photos.png")
    assert cv2.imread(str(tmp_path / "photos.png")) is not None


TITLES = ["cheap $5 to $10", "$x^{$", "ホットドッグ", "\U0001f32d", "two\nlines", "back\\slash_{}", "\udcff", "x" * 200]


@pytest.mark.parametrize("title", TITLES, ids=ascii)
def test_any_name_of_a_class_can_be_a_title(tmp_path, title):
    draw_photos([(title, [picture(5, 5, 0)] * 8)], tmp_path / "photos.png")
    assert cv2.imread(str(tmp_path / "photos.png")) is not None
