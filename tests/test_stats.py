from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from hotdog_ft.stats import mean_interval, paired_difference, wilson_interval


def test_wilsons_interval_is_the_published_one():
    # facts.md: "With 800 test images an accuracy of 0.94 has the 95 % interval 0.921-0.954".
    assert wilson_interval(752, 800) == pytest.approx((0.921, 0.954), abs=0.0006)
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3: 81 of 263.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=0.00005)
    # The same table: 15 of 148, 0 of 20, 1 of 29.
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=0.00005)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=0.00005)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=0.00005)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_solves_its_equation(case):
    """Each end is where the score test just rejects: (p - x)^2 = z^2 x (1 - x) / n."""
    right, total = case
    z = scipy_stats.norm.ppf(0.975)
    for end in wilson_interval(right, total):
        assert (right / total - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / total, abs=1e-9)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError):  # noqa: PT011, scipy's words
        wilson_interval(3, 2)


def outcomes(both, only_first, only_second, neither):
    first = [True] * (both + only_first) + [False] * (only_second + neither)
    second = [True] * both + [False] * only_first + [True] * only_second + [False] * neither
    return first, second


def test_mcnemars_test_is_the_binomial_test_of_where_they_differ():
    result = paired_difference(*outcomes(700, 40, 20, 40))
    assert (result.only_first, result.only_second, result.total) == (40, 20, 800)
    # By hand: twice the upper tail of 60 throws of a coin.
    tail = sum(math.comb(60, k) for k in range(40, 61)) / 2**60
    assert result.p_value == pytest.approx(2 * tail)
    assert result.difference == pytest.approx(20 / 800)


def test_the_paired_interval_is_agresti_and_mins():
    # By hand from the paper's formula: cells 40.5, 20.5 of 802.
    p1, p2 = 40.5 / 802, 20.5 / 802
    half = 1.959964 * math.sqrt((p1 + p2 - (p1 - p2) ** 2) / 802)
    result = paired_difference(*outcomes(700, 40, 20, 40))
    assert (result.low, result.high) == pytest.approx((p1 - p2 - half, p1 - p2 + half), abs=1e-6)


def test_the_paired_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    cells, held = [0.80, 0.08, 0.04, 0.08], 0
    for _ in range(1000):
        counts = rng.multinomial(400, cells)
        result = paired_difference(*outcomes(*counts))
        held += result.low <= 0.04 <= result.high
    # A binomial of 1000 at 0.95 has a standard deviation of 7.
    assert 925 <= held <= 975


def test_two_that_never_differ_are_alike():
    result = paired_difference([True, False], [True, False])
    assert (result.p_value, result.difference) == (1.0, 0.0)
    assert result.low < 0 < result.high


@pytest.mark.parametrize(("first", "second"), [([], []), ([True], [True, False])])
def test_there_must_be_something_to_compare(first, second):
    with pytest.raises(ValueError, match="same length"):
        paired_difference(first, second)


def test_a_mean_has_students_interval():
    values = [0.936, 0.939, 0.941]
    mean, low, high = mean_interval(values)
    expected = scipy_stats.t.interval(0.95, 2, loc=np.mean(values), scale=scipy_stats.sem(values))
    assert mean == pytest.approx(np.mean(values))
    assert (low, high) == pytest.approx(expected)


def test_one_measurement_says_nothing_of_its_spread():
    assert mean_interval([0.9]) == (0.9, -math.inf, math.inf)
