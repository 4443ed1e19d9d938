from __future__ import annotations

import numpy as np
import pytest

import hotdog_ft
from benchmarks.pointing import Pointing, point
from hotdog_ft.stats import wilson_interval
from tests.recipes.test_fine_tune import needs_weights


@pytest.mark.slow
@needs_weights
def test_maps_point_at_the_food_far_more_often_than_chance(tmp_path):
    options = {"data": "demo", "model": "efficientnet_lite0", "method": "probe", "image_size": 160}
    run = hotdog_ft.fine_tune(hotdog_ft.TrainConfig(**options, out=str(tmp_path / "run")))
    pointing = point(hotdog_ft.load(run.folder), "hotdog", 120)
    low, _ = wilson_interval(int(pointing.map.sum()), 120)
    assert low > 1.5 * pointing.chance.mean()  # measured 0.93 and 0.45


def test_a_pointing_says_what_it_is_beside_chance():
    pointing = Pointing(np.array([1.0, 1, 0, 1]), np.array([1.0, 0, 0, 0]), np.array([0.5, 0.25, 0.25, 0]))
    assert str(pointing).startswith("3 of 4 maps (0.750, 95 % interval 0.301 to 0.954), the centre 0.250, ")
    assert str(pointing.where(pointing.centre == 0)).startswith("2 of 3 maps")
