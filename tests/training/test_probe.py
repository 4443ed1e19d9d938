from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from hotdog_ft.errors import DivergedError
from hotdog_ft.training import probe
from hotdog_ft.training.probe import PENALTIES, fit_head


def examples(photos=60, views=2, features=5, classes=2, seed=0, apart=1.0):
    """Features of classes that overlap, of very different sizes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(photos) % classes
    middles = apart * rng.normal(size=(classes, features))
    values = middles[labels, None] + rng.normal(size=(photos, views, features))
    return (values * 10.0 ** (np.arange(features) % 5)).astype(np.float32) + 3, labels.astype(np.int32)


def reference(features, labels, classes, penalty, weights=None):
    """Logits of the features' first views, by minimising the definition: scaled features, mean loss, penalty."""
    scaled = (features - features.mean((0, 1))) / features.std((0, 1))
    X, y = scaled.reshape(-1, features.shape[2]).astype(np.float64), np.repeat(labels, features.shape[1])
    w = np.ones(len(y)) if weights is None else weights[y]

    def objective(flat):
        parameters = flat.reshape(classes, -1)
        logits = X @ parameters[:, :-1].T + parameters[:, -1]
        loss = -(w * log_softmax(logits, axis=1)[np.arange(len(y)), y]).mean()
        # Two classes: scikit-learn penalises the difference of the two outputs, which is twice the squares' sum.
        factor = 2 if classes == 2 else 1
        return loss + factor * penalty / 2 * (parameters[:, :-1] ** 2).sum()

    flat = minimize(objective, np.zeros(classes * (X.shape[1] + 1)), method="L-BFGS-B", tol=1e-12).x
    parameters = flat.reshape(classes, -1)
    logits = scaled[:, 0] @ parameters[:, :-1].T + parameters[:, -1]
    return logits - logits.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_the_output_layer_minimises_the_penalised_loss(classes, weighted):
    features, labels = examples(classes=classes)
    weights = np.linspace(0.5, 2, classes) if weighted else None
    head = fit_head(features, labels, classes, weights)
    logits = head.logits(features[:, 0])
    logits -= logits.mean(axis=1, keepdims=True)
    assert logits == pytest.approx(reference(features, labels, classes, head.penalty, weights), abs=0.02)


def test_the_penalty_is_the_one_with_the_least_loss_on_photos_held_out():
    features, labels = examples(photos=40, features=10, apart=0.4)
    head = fit_head(features, labels, 2)
    losses = []
    for penalty in PENALTIES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(probe, "PENALTIES", (penalty,))
            held_out = fit_head(features, labels, 2).held_out
        losses.append(-log_softmax(held_out, axis=1)[np.arange(40), labels].mean())
    assert head.penalty == PENALTIES[int(np.argmin(losses))]
    assert 0 < PENALTIES.index(head.penalty) < len(PENALTIES) - 1  # else the test shows little


def test_answers_on_photos_held_out_are_of_regressions_that_have_not_seen_them():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(100, 1, 80)).astype(np.float32), (np.arange(100) % 2).astype(np.int32)
    head = fit_head(features, labels, 2)  # there is nothing to learn, but photos by heart
    assert (head.logits(features[:, 0]).argmax(axis=1) == labels).mean() > 0.7
    assert (head.held_out.argmax(axis=1) == labels).mean() < 0.65


def test_without_a_bias_there_is_none():
    features, labels = examples()
    head = fit_head(features, labels, 2, bias=False)
    assert (head.bias == 0).all()
    assert (head.logits(features[:, 0]).argmax(axis=1) == labels).mean() > 0.6


def test_a_feature_that_says_nothing_does_no_harm():
    features, labels = examples()
    features[:, :, 2] = 7
    head = fit_head(features, labels, 2)
    assert np.isfinite(head.weight).all()
    assert (head.logits(features[:, 0]).argmax(axis=1) == labels).mean() > 0.6


def test_a_class_of_one_photo_is_learned_with_the_default_penalty(caplog):
    features, labels = examples(photos=9)
    labels[:] = 0
    labels[4] = 1
    with caplog.at_level(logging.WARNING):
        head = fit_head(features, labels, 2)
    assert (head.penalty, head.held_out) == (probe.DEFAULT_PENALTY, None)
    assert "single photo" in caplog.text


def test_features_that_are_no_numbers_are_refused():
    features, labels = examples()
    features[3, 0, 1] = np.nan
    with pytest.raises(DivergedError, match="no numbers"):
        fit_head(features, labels, 2)
