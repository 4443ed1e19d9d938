from __future__ import annotations

import math

import pytest

from hotdog_ft.training.schedule import learning_rates


def test_constant_stays():
    assert learning_rates("constant", 0.1, 50) == [0.1] * 50


def test_cosine_rises_over_a_twentieth_and_falls_along_a_cosine():
    rates = learning_rates("cosine", 0.1, 100)
    assert len(rates) == 100
    assert rates[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates[5] == pytest.approx(0.1)
    # SGDR (Loshchilov and Hutter 2017), equation 5, with the minimum at 0.
    for step in range(5, 100):
        assert rates[step] == pytest.approx(0.05 * (1 + math.cos(math.pi * (step - 5) / 95)))
    assert rates[-1] < 0.001


@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_cosine_learns_even_in_a_single_step(num_steps):
    assert learning_rates("cosine", 0.1, num_steps)[0] > 0.05
