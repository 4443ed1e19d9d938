from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from hotdog_ft.backend import mx
from hotdog_ft.errors import DataError
from hotdog_ft.inference.parity import Agreement, compare
from hotdog_ft.inference.predictor import Predictor
from tests.conftest import save


class Elsewhere:
    """The same model, of which the first class's probability is too high by `excess`."""

    description: ClassVar[dict[str, str]] = {}

    def __init__(self, predictor: Predictor, excess: float) -> None:
        self._predictor = predictor
        self._excess = excess

    def answer(self, photo: np.ndarray) -> np.ndarray:
        prepared = self._predictor.classifier.preprocess.for_test(photo)
        (probabilities,) = self._predictor.predict_images(prepared[np.newaxis])
        return probabilities + np.array([self._excess, 0], np.float32)


@pytest.fixture
def predictor(toy_net):
    return Predictor(toy_net([mx.cpu()]), mx.cpu(), batch_size=4, workers=2)


@pytest.mark.parametrize("excess", [0, 0.25])
def test_the_largest_difference_is_told(predictor, photos, excess):
    paths = sorted(photos.rglob("*.jpg"))
    parity = compare(Elsewhere(predictor, excess), predictor, paths)
    assert parity.decoded.photos == len(paths)
    assert parity.decoded.largest == pytest.approx(excess, abs=1e-6)
    assert parity.decoded.mean == pytest.approx(excess, abs=1e-6)
    assert parity.reduced.photos == 0


def test_large_jpegs_are_compared_with_what_predict_makes_of_them(predictor, photos, tmp_path):
    # 2 x 2 pixels, black and white by turns: at half the size all of it is grey, before the network is asked.
    board = np.kron(np.indices((400, 400)).sum(axis=0) % 2 * 255, np.ones((2, 2))).astype(np.uint8)
    large = save(tmp_path / "large.jpg", np.repeat(board[:, :, np.newaxis], 3, axis=2))
    small = sorted(photos.rglob("*.jpg"))
    parity = compare(Elsewhere(predictor, 0), predictor, [large, *small])
    assert parity.decoded.photos == 1 + len(small)
    assert parity.decoded.largest < 1e-6
    assert parity.reduced.photos == 1


def test_broken_photos_are_told_and_left_out(predictor, photos, tmp_path, caplog):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photo")
    paths = [broken, *sorted(photos.rglob("*.jpg"))]
    assert compare(Elsewhere(predictor, 0), predictor, paths).decoded.photos == len(paths) - 1
    assert str(broken) in caplog.text
    with pytest.raises(DataError, match="Not one of the photos"):
        compare(Elsewhere(predictor, 0), predictor, [broken])


def test_answers_that_are_no_numbers_have_no_smaller_difference():
    found = np.array([[0.5, 0.5], [np.nan, 0.5]])
    assert np.isnan(Agreement.of(found, np.full((2, 2), 0.5)).largest)


def test_the_same_class_is_counted():
    found, expected = np.array([[0.6, 0.4], [0.4, 0.6], [0.9, 0.1]]), np.array([[0.4, 0.6], [0.4, 0.6], [0.8, 0.2]])
    agreement = Agreement.of(found, expected)
    assert (agreement.photos, agreement.same) == (3, 2)
    assert agreement.largest == pytest.approx(0.2)
    assert agreement.mean == pytest.approx((0.2 + 0 + 0.1) / 3)
