from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from hotdog_ft.backend import mx
from hotdog_ft.data.folder import read_folder
from hotdog_ft.errors import DataError
from hotdog_ft.inference.outcome import Outcome, answer
from hotdog_ft.training import evaluate_accuracy


@pytest.fixture
def net(toy_net):
    return toy_net([mx.cpu()])


def test_answers_come_in_the_splits_order_whatever_the_batches(net, photos):
    split = read_folder(photos).test
    first, again = answer(net, split, mx.cpu(), batch_size=2), answer(net, split, mx.cpu(), batch_size=32)
    assert first.paths == split.paths
    assert (first.labels == split.labels).all()
    assert np.abs(first.logits - again.logits).max() < 1e-5


def test_its_accuracy_is_that_of_training(net, photos):
    from hotdog_ft.data.loader import PhotoLoader

    split = read_folder(photos).test
    loader = PhotoLoader(split, net.preprocess.for_test, 4, 1)
    assert answer(net, split, mx.cpu()).accuracy == evaluate_accuracy(net, loader.epoch(), [mx.cpu()])


def test_a_broken_photo_is_left_out_with_its_label_and_path(net, photos, caplog):
    split = read_folder(photos).test
    split.paths[1].write_bytes(b"\xff\xd8 no photo")
    outcome = answer(net, split, mx.cpu(), batch_size=2)
    assert outcome.paths == (split.paths[0], *split.paths[2:])
    assert len(outcome.labels) == len(outcome.logits) == len(split) - 1
    assert str(split.paths[1]) in caplog.text


def test_without_one_photo_that_can_be_read_it_says_so(net, photos):
    split = read_folder(photos).test
    for path in split.paths:
        path.write_bytes(b"")
    with pytest.raises(DataError):
        answer(net, split, mx.cpu())


def test_with_the_mirror_image_both_are_averaged(net, photos):
    import cv2

    split = read_folder(photos).test
    both = answer(net, split, mx.cpu(), mirror=True)
    plain = answer(net, split, mx.cpu())
    for path in split.paths:
        image = cv2.imread(str(path))
        assert cv2.imwrite(str(path.with_suffix(".png")), image[:, ::-1])
        path.unlink()
    mirrored = answer(net, read_folder(photos).test, mx.cpu())
    assert np.abs((plain.logits + mirrored.logits) / 2 - both.logits).max() < 0.02


def test_probabilities_are_the_softmax_of_the_scaled_logits():
    logits = np.array([[1000.0, 0.0, -3.0], [0.5, 0.25, 0.0]], np.float32)
    outcome = Outcome(("a", "b", "c"), (), np.array([0, 2]), logits)
    assert np.allclose(outcome.probabilities(2.0), softmax(logits / 2.0, axis=1))
    assert outcome.right.tolist() == [True, False]
    assert outcome.accuracy == 0.5
