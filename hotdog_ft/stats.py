"""How sure an accuracy is, and whether two differ: what is said about numbers of right answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


def wilson_interval(right: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The interval of an accuracy, both ends between 0 and 1, by Wilson's score method (1927).

    right: answers that were right, of `total`. Raises: ValueError, when that is impossible.
    """
    from scipy.stats import binomtest

    interval = binomtest(right, total).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


@dataclass(frozen=True)
class PairedDifference:
    """Two classifiers on the same photos."""

    only_first: int
    """Photos that the first alone gets right."""
    only_second: int
    total: int
    difference: float
    """The first's accuracy less the second's."""
    low: float
    high: float
    """The difference's interval."""
    p_value: float
    """Of McNemar's exact test that neither is better."""


def paired_difference(
    first: Sequence[bool] | np.ndarray, second: Sequence[bool] | np.ndarray, confidence: float = CONFIDENCE
) -> PairedDifference:
    """Compare which photos two classifiers get right, shape (photos,) each, in the same order.

    McNemar's test (1947) in its exact, binomial form; the interval is Agresti and Min's (2005): Wald's, with half a
    photo added to each of the four cells. Raises: ValueError, when there is nothing to compare.
    """
    from scipy.stats import binomtest, norm

    a, b = np.asarray(first, bool), np.asarray(second, bool)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError("two lists of the same length, at least one photo long, are needed")
    only_first, only_second, total = int((a & ~b).sum()), int((~a & b).sum()), len(a)
    differing = only_first + only_second
    p_value = binomtest(only_first, differing).pvalue if differing else 1.0
    p1, p2, n = (only_first + 0.5) / (total + 2), (only_second + 0.5) / (total + 2), total + 2
    half = norm.ppf((1 + confidence) / 2) * math.sqrt((p1 + p2 - (p1 - p2) ** 2) / n)
    return PairedDifference(
        only_first=only_first,
        only_second=only_second,
        total=total,
        difference=(only_first - only_second) / total,
        low=max(-1.0, p1 - p2 - half),
        high=min(1.0, p1 - p2 + half),
        p_value=float(p_value),
    )


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """The mean of repeated measurements and its interval by Student's t; of a single one, an endless interval."""
    from scipy.stats import t

    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, -math.inf, math.inf
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return mean, mean - half, mean + half
