"""What a classifier's answers are worth: scores of each class, the confusion matrix, log loss, calibration.

Pure functions of an Outcome. docs/evaluation.md says how each is read, and where it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

import numpy as np

from hotdog_ft.inference.outcome import Outcome

BINS = 15
"""Of equal width, as in Guo et al. (2017)."""
TEMPERATURES = (0.05, 20.0)
"""Between which the temperature is looked for."""


@dataclass(frozen=True)
class ClassScore:
    """One class against the rest; None where a score isn't defined: no such photo, or no such answer."""

    name: str
    precision: Optional[float]
    """The part of the answers of this class that is right."""
    recall: Optional[float]
    """The part of its photos that is recognised."""
    f1: Optional[float]
    """The harmonic mean of both."""
    support: int
    """Its photos."""
    auc: Optional[float]
    """The area under the ROC curve: how often a photo of the class gets a higher probability than another one."""


@dataclass(frozen=True)
class Bin:
    """The answers whose probability lies in (low, high]."""

    low: float
    high: float
    count: int
    confidence: Optional[float]
    """Their mean probability; None when there are none."""
    accuracy: Optional[float]


@dataclass(frozen=True)
class Calibration:
    """How well probabilities say how often the answers are right."""

    temperature: float
    log_loss: float
    error: float
    """The expected calibration error."""
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Answer:
    """One photo's."""

    index: int
    """In the Outcome."""
    path: str
    truth: str
    label: str
    probability: float
    """The label's."""


def confusion(outcome: Outcome) -> np.ndarray:
    """Numbers of photos: int64, shape (classes, classes); rows are what they show, columns what was answered."""
    n = len(outcome.classes)
    cells = outcome.labels.astype(np.int64) * n + outcome.logits.argmax(axis=1)
    return np.bincount(cells, minlength=n * n).reshape(n, n)


def class_scores(outcome: Outcome) -> tuple[ClassScore, ...]:
    """Precision, recall, F1, support and one-against-the-rest AUC of each class, by scikit-learn."""
    from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

    answers, labels = outcome.logits.argmax(axis=1), outcome.labels
    numbers = list(range(len(outcome.classes)))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, answers, labels=numbers, zero_division=np.nan
    )
    probabilities = outcome.probabilities()
    scores = []
    for k, name in enumerate(outcome.classes):
        is_k = labels == k
        auc = float(roc_auc_score(is_k, probabilities[:, k])) if is_k.any() and not is_k.all() else None
        values = (_defined(precision[k]), _defined(recall[k]), _defined(f1[k]))
        scores.append(ClassScore(name, *values, int(support[k]), auc))
    return tuple(scores)


def log_loss(outcome: Outcome, temperature: float = 1.0) -> float:
    """The mean of -log(probability of what the photo shows): 0 is perfect, log(classes) is knowing nothing."""
    from scipy.special import log_softmax

    logs = log_softmax(outcome.logits.astype(np.float64) / temperature, axis=1)
    return float(-logs[np.arange(len(outcome.labels)), outcome.labels].mean())


def calibration(outcome: Outcome, temperature: float = 1.0, bins: int = BINS) -> Calibration:
    """Log loss, reliability bins and the expected calibration error, of probabilities at a temperature."""
    filled = reliability(outcome.probabilities(temperature).max(axis=1), outcome.right, bins)
    return Calibration(temperature, log_loss(outcome, temperature), expected_calibration_error(filled), filled)


def reliability(confidences: np.ndarray, right: np.ndarray, bins: int = BINS) -> tuple[Bin, ...]:
    """How often answers are right, by how sure they are, in bins of equal width. Both arrays: shape (photos,)."""
    edges = np.linspace(0, 1, bins + 1)
    places = np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, bins - 1)
    found = []
    for i in range(bins):
        inside = places == i
        count = int(inside.sum())
        means = (float(confidences[inside].mean()), float(right[inside].mean())) if count else (None, None)
        found.append(Bin(float(edges[i]), float(edges[i + 1]), count, *means))
    return tuple(found)


def expected_calibration_error(bins: Iterable[Bin]) -> float:
    """The mean distance of a bin's accuracy from its mean probability, weighted by its answers (Guo et al., 2017)."""
    filled = [(b.count, b.accuracy, b.confidence) for b in bins if b.accuracy is not None and b.confidence is not None]
    total = sum(count for count, _, _ in filled)
    return sum(count * abs(accuracy - confidence) for count, accuracy, confidence in filled) / total


def best_temperature(outcome: Outcome) -> float | None:
    """The temperature with the least log loss (Guo et al., 2017), to be asked of validation photos only.

    None when every answer is right: the loss then falls for ever as the temperature does, and says nothing.
    """
    from scipy.optimize import minimize_scalar

    if outcome.right.all():
        return None
    low, high = map(math.log, TEMPERATURES)
    found = minimize_scalar(
        lambda log_t: log_loss(outcome, math.exp(log_t)), bounds=(low, high), method="bounded", options={"xatol": 1e-6}
    )
    return math.exp(float(found.x))


def worst_mistakes(outcome: Outcome, temperature: float = 1.0, count: int = 12) -> list[Answer]:
    """The wrong answers that gave what the photo shows the least probability, the worst first."""
    probabilities = outcome.probabilities(temperature)
    of_truth = probabilities[np.arange(len(outcome.labels)), outcome.labels]
    wrong = np.flatnonzero(~outcome.right)
    return _answers(outcome, probabilities, wrong[np.argsort(of_truth[wrong], kind="stable")][:count])


def least_sure(outcome: Outcome, temperature: float = 1.0, count: int = 12) -> list[Answer]:
    """The answers with the lowest probability, right or wrong, the lowest first."""
    probabilities = outcome.probabilities(temperature)
    return _answers(outcome, probabilities, np.argsort(probabilities.max(axis=1), kind="stable")[:count])


def _answers(outcome: Outcome, probabilities: np.ndarray, indices: np.ndarray) -> list[Answer]:
    answers = []
    for i in map(int, indices):
        k = int(outcome.logits[i].argmax())
        truth = outcome.classes[outcome.labels[i]]
        answers.append(Answer(i, str(outcome.paths[i]), truth, outcome.classes[k], float(probabilities[i, k])))
    return answers


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
