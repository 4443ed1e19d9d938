"""Every statistic against another's computation of it: scikit-learn's, SciPy's, or one done by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import softmax
from scipy.stats import mannwhitneyu
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from hotdog_ft.inference import metrics
from hotdog_ft.inference.evaluate import evaluate
from hotdog_ft.inference.outcome import Outcome
from hotdog_ft.stats import wilson_interval

CLASSES = ("cat", "dog", "eel")


def outcome_of(labels, logits, classes=CLASSES) -> Outcome:
    labels = np.asarray(labels, np.int32)
    paths = tuple(Path(f"{i}.jpg") for i in range(len(labels)))
    return Outcome(tuple(classes), paths, labels, np.asarray(logits, np.float32))


def random_outcome(seed=0, photos=200, classes=3, signal=1.5) -> Outcome:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, photos)
    logits = 2 * rng.normal(size=(photos, classes))
    logits[np.arange(photos), labels] += signal
    return outcome_of(labels, logits, [f"class {i}" for i in range(classes)])


def answers_outcome(truths, answers, classes=CLASSES) -> Outcome:
    """One whose answers are these, all equally sure."""
    return outcome_of(truths, 3 * np.eye(len(classes))[list(answers)], classes)


def test_scores_of_an_example_worked_by_hand():
    # Of 5 cats 3 are recognised, of 3 dogs 2; 3 of 4 answers "cat" are right, 2 of 4 "dog". There is no eel.
    scores = metrics.class_scores(answers_outcome([0, 0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 0]))
    cat, dog, eel = scores
    assert (cat.precision, cat.recall, cat.support) == (3 / 4, 3 / 5, 5)
    assert cat.f1 == pytest.approx(2 * (3 / 4) * (3 / 5) / (3 / 4 + 3 / 5))
    assert (dog.precision, dog.recall, dog.support) == (2 / 4, pytest.approx(2 / 3), 3)
    assert (eel.precision, eel.recall, eel.f1, eel.support, eel.auc) == (None, None, None, 0, None)


def test_a_class_that_is_never_answered_has_recall_0_and_no_precision():
    dog = metrics.class_scores(answers_outcome([0, 1], [0, 0]))[1]
    assert (dog.precision, dog.recall, dog.f1, dog.support) == (None, 0, 0, 1)


def test_auc_is_mann_and_whitneys_u_over_the_number_of_pairs():
    outcome = random_outcome()
    probabilities = softmax(outcome.logits.astype(float), axis=1)
    for k, score in enumerate(metrics.class_scores(outcome)):
        of, others = probabilities[outcome.labels == k, k], probabilities[outcome.labels != k, k]
        assert score.auc == pytest.approx(mannwhitneyu(of, others).statistic / (len(of) * len(others)))


def test_where_all_photos_are_of_one_class_there_is_no_auc():
    assert metrics.class_scores(answers_outcome([0, 0], [0, 1]))[0].auc is None


def test_the_confusion_matrix_is_scikit_learns():
    outcome = random_outcome()
    expected = sklearn_metrics.confusion_matrix(outcome.labels, outcome.logits.argmax(axis=1), labels=[0, 1, 2])
    assert (metrics.confusion(outcome) == expected).all()


def test_rows_of_the_confusion_matrix_are_what_photos_show():
    assert metrics.confusion(answers_outcome([0, 0, 1], [0, 2, 1])).tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_log_loss_is_scikit_learns(temperature):
    outcome = random_outcome()
    probabilities = softmax(outcome.logits.astype(float) / temperature, axis=1)
    expected = sklearn_metrics.log_loss(outcome.labels, probabilities, labels=[0, 1, 2])
    assert metrics.log_loss(outcome, temperature) == pytest.approx(expected)


def test_log_loss_of_a_hopeless_answer_is_a_number():
    assert metrics.log_loss(outcome_of([1], [[1000.0, 0.0, 0.0]])) == pytest.approx(1000)


def test_calibration_error_of_an_example_worked_by_hand():
    # Bins of 15: 0.62 and 0.65 in (0.600, 0.667], 0.95 in (0.933, 1].
    confidences, right = np.array([0.62, 0.65, 0.95, 0.95]), np.array([True, False, True, True])
    bins = metrics.reliability(confidences, right)
    assert [(b.count, b.confidence, b.accuracy) for b in bins if b.count] == [
        (2, pytest.approx(0.635), 0.5),
        (2, pytest.approx(0.95), 1.0),
    ]
    assert metrics.expected_calibration_error(bins) == pytest.approx((2 * 0.135 + 2 * 0.05) / 4)


def test_the_reliability_diagram_is_scikit_learns():
    outcome = random_outcome(photos=1000)
    confidences = outcome.probabilities().max(axis=1)
    accuracies, means = calibration_curve(outcome.right, confidences, n_bins=15, strategy="uniform")
    filled = [b for b in metrics.reliability(confidences, outcome.right) if b.count]
    assert [b.accuracy for b in filled] == pytest.approx(list(accuracies))
    assert [b.confidence for b in filled] == pytest.approx(list(means))


def test_calibration_error_is_the_sum_over_photos_of_guos_formula():
    outcome = random_outcome(photos=500)
    confidences, right = outcome.probabilities().max(axis=1), outcome.right
    expected = 0.0
    for m in range(1, 16):  # I_m = ((m - 1) / M, m / M], their equation 3
        members = [i for i, c in enumerate(confidences) if (m - 1) / 15 < c <= m / 15]
        if members:
            expected += abs(sum(right[i] for i in members) - sum(confidences[i] for i in members)) / len(right)
    assert metrics.calibration(outcome).error == pytest.approx(expected)


@pytest.mark.parametrize(("confidence", "place"), [(0.0, 0), (1 / 3, 4), (1.0, 14), (1 / 3 + 1e-9, 5)])
def test_a_bin_holds_its_upper_end(confidence, place):
    bins = metrics.reliability(np.array([confidence]), np.array([True]))
    assert [b.count for b in bins].index(1) == place


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_each_answer_is_in_one_bin_and_the_error_between_0_and_1(answers):
    confidences, right = (np.array(column) for column in zip(*answers))
    bins = metrics.reliability(confidences, right)
    assert sum(b.count for b in bins) == len(answers)
    assert all(b.confidence is None or b.low - 1e-12 <= b.confidence <= b.high + 1e-12 for b in bins)
    assert 0 <= metrics.expected_calibration_error(bins) <= 1


def test_the_temperature_is_where_the_derivative_of_the_log_loss_is_zero():
    outcome = random_outcome(photos=500)
    logits = outcome.logits.astype(float)

    def derivative(b):  # of the log loss by b = 1 / temperature: mean of E[z] - z_truth
        expected = (softmax(logits * b, axis=1) * logits).sum(axis=1)
        return (expected - logits[np.arange(len(logits)), outcome.labels]).mean()

    assert metrics.best_temperature(outcome) == pytest.approx(1 / brentq(derivative, 0.05, 20), rel=1e-4)


@pytest.mark.parametrize("scale", [0.25, 1.0, 4.0])
def test_the_temperature_of_logits_that_were_scaled_is_that_scale(scale):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 3))
    labels = (rng.random((len(logits), 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    assert metrics.best_temperature(outcome_of(labels, logits * scale)) == pytest.approx(scale, rel=0.06)


def test_two_classes_one_logit_have_a_temperature_in_closed_form():
    # 3 of 4 right at the same logit z: the best probability is 3/4, so z / T = log 3.
    outcome = outcome_of([0, 0, 0, 1], [[5.0, 0.0]] * 4, ("cat", "dog"))
    assert metrics.best_temperature(outcome) == pytest.approx(5 / math.log(3), rel=1e-4)


def test_without_a_mistake_there_is_no_temperature():
    assert metrics.best_temperature(answers_outcome([0, 1], [0, 1])) is None


def test_a_temperature_changes_no_answer():
    outcome = random_outcome()
    assert (outcome.probabilities(7.0).argmax(axis=1) == outcome.logits.argmax(axis=1)).all()


def test_the_worst_mistake_is_the_one_that_left_the_truth_least():
    outcome = outcome_of([0, 0, 1, 1], [[0, 1, 0], [0, 5, 0], [0, 3, 0], [2, 1, 0]])
    worst = metrics.worst_mistakes(outcome)
    assert [answer.path for answer in worst] == ["1.jpg", "0.jpg", "3.jpg"]
    assert (worst[0].truth, worst[0].label) == ("cat", "dog")
    assert worst[0].probability == pytest.approx(softmax([0, 5, 0])[1])


def test_the_least_sure_are_right_or_wrong():
    outcome = outcome_of([0, 1, 2], [[9, 0, 0], [0.1, 0, 0], [0, 0, 1]])
    assert [answer.path for answer in metrics.least_sure(outcome, count=2)] == ["1.jpg", "2.jpg"]


def test_an_evaluation_is_all_of_that_at_the_models_temperature():
    outcome = random_outcome(photos=300)
    found = evaluate(outcome, 2.0)
    assert found.accuracy == sklearn_metrics.accuracy_score(outcome.labels, outcome.logits.argmax(axis=1))
    assert found.interval == wilson_interval(found.right, 300)
    assert found.plain == metrics.calibration(outcome, 1.0)
    assert found.calibration == found.scaled == metrics.calibration(outcome, 2.0)
    assert found.worst_mistakes == metrics.worst_mistakes(outcome, 2.0)


def test_without_a_temperature_probabilities_are_the_networks_own():
    found = evaluate(random_outcome())
    assert found.scaled is None
    assert found.calibration is found.plain
    assert found.to_dict()["temperature"] is None


def test_one_photo_can_be_evaluated():
    found = evaluate(outcome_of([2], [[0, 1, 0]]))
    assert (found.right, found.total, found.interval[0]) == (0, 1, 0)
