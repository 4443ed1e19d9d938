"""Photos reach a network as its own first block would have given them, and none is written over while it is read."""

from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.backend import memory_of, mx, nd
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.models.classifier import Normalize
from hotdog_ft.models.photo_input import NormalizePhotoByPhoto, normalized_first, photos_on

PREPROCESS = Preprocess(mean=(0.1, 0.5, 0.9), std=(0.2, 0.25, 0.3))


def pixels(count: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 12, 3), dtype=np.uint8)


@pytest.mark.parametrize("device", [mx.cpu(0), mx.cpu(1)], ids=str)
def test_photos_are_normalised_as_the_networks_own_block_does_it(device):
    block = Normalize(PREPROCESS.mean, PREPROCESS.std)
    block.initialize(ctx=device)
    X = photos_on(device, pixels())
    found = NormalizePhotoByPhoto(PREPROCESS)(X)
    assert found.context == device
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.asnumpy(), block(X).asnumpy(), atol=1e-5)


def test_photos_arrive_as_they_are_mirrored_ones_too():
    X = pixels()
    assert (photos_on(mx.cpu(), X).asnumpy() == X).all()
    assert (photos_on(mx.cpu(), X[:, :, ::-1]).asnumpy() == X[:, :, ::-1]).all()


def test_a_batch_is_not_written_over_by_the_next():
    normalize = NormalizePhotoByPhoto(PREPROCESS)
    first = normalize(photos_on(mx.cpu(), pixels(seed=0)))
    expected = first.asnumpy()
    normalize(photos_on(mx.cpu(), pixels(seed=1)))
    assert (first.asnumpy() == expected).all()


def test_memory_is_used_again_only_when_nothing_reads_it():
    normalize = NormalizePhotoByPhoto(PREPROCESS)
    photos = [photos_on(mx.cpu(), pixels(256, seed)) for seed in range(3)]
    expected = [NormalizePhotoByPhoto(PREPROCESS)(X).asnumpy().sum(axis=(1, 2, 3)) for X in photos]
    found = []
    for X in photos * 5:
        read_late = normalize(X)
        for _ in range(3):  # a queue of work between the photos and what is computed from them
            read_late = read_late * 1
        found.append(read_late)
    for i, values in enumerate(found):
        np.testing.assert_allclose(values.asnumpy().sum(axis=(1, 2, 3)), expected[i % 3], rtol=1e-6)


def test_a_smaller_batch_in_between_changes_nothing():
    normalize = NormalizePhotoByPhoto(PREPROCESS)
    for count in (4, 4, 1, 4, 2, 2, 4):
        X = photos_on(mx.cpu(), pixels(count))
        assert (normalize(X).asnumpy() == NormalizePhotoByPhoto(PREPROCESS)(X).asnumpy()).all()


def test_the_same_function_on_several_devices(toy_net):
    devices = [mx.cpu(0), mx.cpu(1)]
    net = toy_net(devices)
    X = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    network = normalized_first(net, lambda device: net.net, devices)
    for device in devices:
        found = network(photos_on(device, X))
        assert found.context == device
        assert found.asnumpy() == pytest.approx(net(photos_on(device, X)).asnumpy(), abs=1e-5)


def test_what_is_written_to_its_memory_is_what_an_array_holds():
    array = nd.zeros((2, 3))
    memory_of(array)[1] = [4, 5, 6]
    assert (array + 1).asnumpy().tolist() == [[1, 1, 1], [5, 6, 7]]
