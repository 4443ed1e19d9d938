from __future__ import annotations

import argparse
import itertools
import time

import pytest

from benchmarks.flops import multiply_adds
from benchmarks.measure import best_batch, endless, timed


def test_time_starts_after_one_batch_and_ends_with_the_last_one_asked_for():
    taken = []
    options = argparse.Namespace(batch_size=8, seconds=0, batches=3)
    speed = timed(itertools.count(), lambda batches: taken.append(list(batches)), options)
    assert taken == [[0], [1, 2, 3]]
    assert speed > 0


def test_the_best_batch_size_is_the_fastest_for_each_image():
    def predict(size: int) -> None:
        time.sleep({1: 0.2, 8: 0.1, 16: 5}[size])  # 5, 80 and 3 images a second

    options = argparse.Namespace(batch_size=4, seconds=0, batches=1)
    assert best_batch(predict, options)["best_batch_size"] == 8


def test_batches_that_are_not_whole_are_passed_over():
    batches = endless(lambda epoch: [[epoch] * 2, [epoch]], len, batch_size=2)
    assert list(itertools.islice(batches, 3)) == [[0, 0], [1, 1], [2, 2]]


def test_too_few_photos_are_told_rather_than_waited_for():
    with pytest.raises(SystemExit, match="fewer than 128 photos"):
        next(endless(lambda epoch: [[1]], len, batch_size=128))


# Published: 1.82 billion for torchvision's resnet18 with 1000 classes; 407 million for EfficientNet-Lite0's whole,
# its BatchNorms and its output layer of 1000 classes among them (tensorflow/tpu, efficientnet/lite).
@pytest.mark.parametrize(("name", "published"), [("resnet18_v2", 1.82e9), ("efficientnet_lite0", 407e6)])
def test_multiply_adds_are_those_published(name, published):
    assert multiply_adds(name) == pytest.approx(published, rel=0.06)
