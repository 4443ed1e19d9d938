from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.data.folder import read_folder
from hotdog_ft.data.loader import PhotoLoader
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.data.soften import SoftLoader

SMALL = Preprocess(image_size=16, resize=18)


@pytest.fixture
def loader(photos):
    return PhotoLoader(read_folder(photos).train, SMALL.for_test, batch_size=6, workers=2, shuffle=True)


def test_smoothing_spreads_a_part_over_all_classes(loader):
    for batch in SoftLoader(loader, 2, smoothing=0.1, mixup=0).epoch(1):
        assert batch.targets.dtype == np.float32
        assert batch.targets[np.arange(len(batch.y)), batch.y] == pytest.approx(0.95)
        assert batch.targets.sum(axis=1) == pytest.approx(1)


def test_without_mixup_photos_stay_as_they_are(loader):
    for plain, soft in zip(loader.epoch(1), SoftLoader(loader, 2, smoothing=0.1, mixup=0).epoch(1)):
        assert (plain.X == soft.X).all()
        assert (plain.y == soft.y).all()


def test_mixup_blends_photos_and_targets_by_the_same_share(loader):
    shares = []
    for plain, blended in zip(loader.epoch(1), SoftLoader(loader, 2, smoothing=0, mixup=1.0).epoch(1)):
        own = blended.targets[np.arange(len(plain.y)), plain.y]
        for i in np.flatnonzero(own < 1):  # with a photo of the other class: which of them, the pixels say
            blends = [own[i] * plain.X[i].astype(float) + (1 - own[i]) * plain.X[j] for j in range(len(plain.X))]
            errors = [np.abs(blend - blended.X[i]).max() for blend in blends]
            assert min(errors) <= 1
            assert plain.y[int(np.argmin(errors))] != plain.y[i]
        assert blended.targets.sum(axis=1) == pytest.approx(1)
        shares += [set(own[own < 1].round(5).tolist())]
    assert max(map(len, shares)) == 1  # one share for a batch
    assert min(min(share) for share in shares if share) >= 0.5


def test_the_same_seed_and_epoch_blend_alike(loader):
    soft = SoftLoader(loader, 2, smoothing=0, mixup=0.2)
    first, again, other = (next(soft.epoch(epoch)).X for epoch in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
