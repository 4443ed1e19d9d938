"""A linear probe: logistic regression on features that stay as they are (Kornblith, Shlens and Le 2019, appendix A).

What keeps the regression from learning photos by heart is a penalty on its weights. How strong that should be, is
chosen by cross-validation on the training photos.
"""

from __future__ import annotations

import dataclasses
import logging
import warnings
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
from scipy.special import softmax

from hotdog_ft.errors import DivergedError

log = logging.getLogger(__name__)

PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Half the weights' squared length is multiplied by one of these and added to the mean loss, features being scaled."""
FOLDS = 5
DEFAULT_PENALTY = 0.1
"""Where a class has but one photo, and nothing can be held out."""
MOST_STEPS = 200
SMALLEST_SPREAD = 1e-6
"""Features that vary less between photos are taken as they are: dividing would make noise of them."""


@dataclass(frozen=True)
class Head:
    """An output layer."""

    weight: np.ndarray
    """float32, shape (classes, features)."""
    bias: np.ndarray
    """float32, shape (classes,)."""
    penalty: float
    held_out: Optional[np.ndarray] = None
    """Logits of each training photo by a regression that hasn't seen it: float32, shape (photos, classes)."""

    def logits(self, features: np.ndarray) -> np.ndarray:
        """float32, shape (photos, features) -> float32, shape (photos, classes)."""
        return features @ self.weight.T + self.bias


def fit_head(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    class_weights: np.ndarray | None = None,
    seed: int = 0,
    bias: bool = True,
) -> Head:
    """The output layer with the least penalised loss, its penalty the one with the least loss on photos held out.

    features: float32, shape (photos, views, features); all views of a photo are learned from, its first is judged.
    labels: int, shape (photos,), each class at least once. class_weights: as in train_step. seed: of the folds.
    bias: whether the layer has one. Raises: DivergedError, when features are no numbers.
    """
    if not np.isfinite(features).all():
        raise DivergedError("The network's features are no numbers.", hint="Use other weights: these are broken.")
    spread = features.std(axis=(0, 1))
    spread[spread < SMALLEST_SPREAD] = 1
    middle = features.mean(axis=(0, 1)) if bias else np.zeros_like(spread)
    regression = _Regression((features - middle) / spread, labels, num_classes, class_weights, bias)
    penalty, held_out = _choose_penalty(regression, seed)
    weight, shift = regression.fit(penalty)
    weight = weight / spread
    return Head(weight.astype(np.float32), (shift - weight @ middle).astype(np.float32), penalty, held_out)


@dataclass
class _Regression:
    """Logistic regression on all views of photos. Fitting again, with another penalty, starts from the last weights."""

    features: np.ndarray
    labels: np.ndarray
    num_classes: int
    class_weights: Optional[np.ndarray]
    bias: bool
    _model: Any = None

    def take(self, photos: np.ndarray) -> _Regression:
        """The same on a part of the photos."""
        return dataclasses.replace(self, features=self.features[photos], labels=self.labels[photos])

    def fit(self, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """weight, shape (classes, features), and bias, shape (classes,)."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        if self._model is None:
            self._model = LogisticRegression(warm_start=True, max_iter=MOST_STEPS, fit_intercept=self.bias)
        X = self.features.reshape(-1, self.features.shape[2])
        y = np.repeat(self.labels, self.features.shape[1])
        self._model.C = 1 / (penalty * len(y))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # what is held out judges the weights, converged or not
            self._model.fit(X, y, self._weights(y))
        weight = self._model.coef_
        bias = np.broadcast_to(self._model.intercept_, len(weight))
        if self.num_classes == 2:  # the difference of two outputs, which stand for one half of it each
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        return weight, bias

    def loss(self, logits: np.ndarray) -> float:
        """The mean loss of logits of all photos, weighted as in training."""
        from sklearn.metrics import log_loss

        probabilities = softmax(logits.astype(np.float64), axis=1)
        labels = np.arange(self.num_classes)
        return float(log_loss(self.labels, probabilities, sample_weight=self._weights(self.labels), labels=labels))

    def _weights(self, labels: np.ndarray) -> np.ndarray | None:
        return None if self.class_weights is None else self.class_weights[labels]


def _choose_penalty(whole: _Regression, seed: int) -> tuple[float, np.ndarray | None]:
    """The penalty with the least loss on the photos held out, and their logits under it."""
    from sklearn.model_selection import StratifiedKFold

    photos = len(whole.labels)
    folds = min(FOLDS, int(np.bincount(whole.labels, minlength=whole.num_classes).min()))
    if folds < 2:
        log.warning("A class has a single photo to train on: the probe's penalty can't be chosen by photos held out.")
        return DEFAULT_PENALTY, None
    logits = np.empty((len(PENALTIES), photos, whole.num_classes), np.float32)
    for rest, part in StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(photos), whole.labels):
        regression = whole.take(rest)
        for i in reversed(range(len(PENALTIES))):  # from the strongest, which is found soonest
            weight, bias = regression.fit(PENALTIES[i])
            logits[i, part] = whole.features[part, 0] @ weight.T + bias
    best = int(np.argmin([whole.loss(each) for each in logits]))
    return PENALTIES[best], logits[best]
