"""All that is said of a model on a set of labelled photos, in one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from hotdog_ft.inference import metrics
from hotdog_ft.inference.metrics import Answer, Calibration, ClassScore
from hotdog_ft.inference.outcome import Outcome
from hotdog_ft.stats import CONFIDENCE, wilson_interval


@dataclass(frozen=True)
class Evaluation:
    """A model's worth on these photos."""

    outcome: Outcome
    right: int
    total: int
    interval: tuple[float, float]
    """Wilson's, of the accuracy."""
    scores: tuple[ClassScore, ...]
    confusion: np.ndarray
    """int64, shape (classes, classes): rows are what photos show, columns what was answered."""
    plain: Calibration
    """At temperature 1."""
    scaled: Optional[Calibration]
    """At the model's own temperature; None when none was fitted."""
    worst_mistakes: list[Answer]
    least_sure: list[Answer]

    @property
    def accuracy(self) -> float:
        """The part of the answers that is right."""
        return self.right / self.total

    @property
    def calibration(self) -> Calibration:
        """Of the probabilities that `predict` gives."""
        return self.scaled or self.plain

    def to_dict(self) -> dict[str, Any]:
        """Everything but the photos, as JSON takes it."""
        return {
            "photos": self.total,
            "right": self.right,
            "accuracy": self.accuracy,
            "interval": {
                "method": "wilson",
                "confidence": CONFIDENCE,
                "low": self.interval[0],
                "high": self.interval[1],
            },
            "log_loss": self.calibration.log_loss,
            "ece": self.calibration.error,
            "temperature": self.scaled.temperature if self.scaled else None,
            "classes": [vars(score) for score in self.scores],
            "confusion": self.confusion.tolist(),
            "calibration": {
                name: _calibration_dict(values) if values else None
                for name, values in (("plain", self.plain), ("scaled", self.scaled))
            },
            "worst_mistakes": [_answer_dict(answer) for answer in self.worst_mistakes],
            "least_sure": [_answer_dict(answer) for answer in self.least_sure],
        }


def evaluate(outcome: Outcome, temperature: float | None = None, pictures: int = 12) -> Evaluation:
    """Judge a model by its answers.

    temperature: the one fitted on validation photos. pictures: how many of each kind are chosen, at most.
    """
    t = temperature or 1.0
    right, total = int(outcome.right.sum()), len(outcome.labels)
    return Evaluation(
        outcome=outcome,
        right=right,
        total=total,
        interval=wilson_interval(right, total),
        scores=metrics.class_scores(outcome),
        confusion=metrics.confusion(outcome),
        plain=metrics.calibration(outcome),
        scaled=None if temperature is None else metrics.calibration(outcome, temperature),
        worst_mistakes=metrics.worst_mistakes(outcome, t, pictures),
        least_sure=metrics.least_sure(outcome, t, pictures),
    )


def _calibration_dict(values: Calibration) -> dict[str, Any]:
    return {
        "temperature": values.temperature,
        "log_loss": values.log_loss,
        "ece": values.error,
        "bins": [vars(one) for one in values.bins],
    }


def _answer_dict(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in vars(answer).items() if name != "index"}
