from __future__ import annotations

import cv2
import pytest

from hotdog_ft.report.comparison import draw_comparison, draw_search, draw_sweep
from hotdog_ft.training import EpochResult


def run(accuracies, val=False) -> list[EpochResult]:
    return [
        EpochResult(i, 1 / i, 0.7, acc if val else None, None if val else acc, 100.0, 2.0, "[cpu(0)]", 0.01)
        for i, acc in enumerate(accuracies, start=1)
    ]


COMPARISONS = {
    "two ways, two seeds": {"a": [run([0.7, 0.9]), run([0.6, 0.8])], "b": [run([0.5, 0.6]), run([0.5, 0.5])]},
    "one seed": {"a": [run([0.7, 0.9])], "b": [run([0.5, 0.6])]},
    "one seed diverged at once": {"a": [run([0.7, 0.9]), []], "b": [run([0.5, 0.6])] * 2},
    "one way diverged at once": {"a": [run([0.7, 0.9])], "b": [[]]},
    "one diverged later": {"a": [run([0.7, 0.9]), run([0.7])], "b": [run([0.5, 0.6])] * 2},
    "everything diverged": {"a": [[]], "b": [[]]},
    "judged on a validation part": {"a": [run([0.7, 0.9], val=True)], "b": [run([0.5, 0.6], val=True)]},
}

SWEEPS = {
    "over decades": {0.001: [(0.8, 0.8)], 0.01: [(0.9, 0.9)], 1.0: [(0.6, 0.5)]},
    "with zero": {0.0: [(0.8, 0.8)], 0.001: [(0.9, 0.9)], 0.1: [(0.6, 0.5)]},
    "some diverged": {0.01: [(0.8, 0.8), (0.9, 0.9)], 0.1: [(0.7, 0.7), None], 1.0: [None, None]},
    "all diverged": {1.0: [None], 10.0: [None]},
    "close together": {16.0: [(0.8, 0.8)], 32.0: [(0.8, 0.8)]},
    "one value": {16.0: [(0.8, 0.8)]},
}

SEARCHES = {
    "both went": {"a": [(0.01, 0.9), (0.1, None)], "b": [(0.1, 0.5), (0.2, 0.6)]},
    "nothing finished": {"a": [(0.01, None)], "b": [(0.1, None)]},
}


def is_a_picture(path) -> bool:
    image = cv2.imread(str(path))
    return image.shape[1] > 700 and image.std() > 5


@pytest.mark.parametrize("curves", COMPARISONS.values(), ids=COMPARISONS)
def test_a_comparison_is_a_picture(tmp_path, curves):
    draw_comparison(curves, tmp_path / "c.png")
    assert is_a_picture(tmp_path / "c.png")


@pytest.mark.parametrize("values", SWEEPS.values(), ids=SWEEPS)
def test_a_sweep_is_a_picture(tmp_path, values):
    draw_sweep("lr", values, tmp_path / "s.png")
    assert is_a_picture(tmp_path / "s.png")


@pytest.mark.parametrize("trials", SEARCHES.values(), ids=SEARCHES)
def test_a_search_is_a_picture(tmp_path, trials):
    draw_search(trials, tmp_path / "t.png")
    assert is_a_picture(tmp_path / "t.png")
