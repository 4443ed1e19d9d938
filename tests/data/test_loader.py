from __future__ import annotations

import threading

import numpy as np
import pytest

from hotdog_ft.data.augment import for_training
from hotdog_ft.data.cache import open_cache
from hotdog_ft.data.folder import read_folder
from hotdog_ft.data.loader import PhotoLoader, in_order
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.errors import DataError, ImageError
from tests.conftest import draw, save

PREPROCESS = Preprocess(image_size=16, resize=18)


def loader(split, batch_size=5, workers=2, augmented=False, **options):
    transform = for_training(PREPROCESS) if augmented else PREPROCESS.for_test
    return PhotoLoader(split, transform, batch_size, workers, **options)


@pytest.fixture
def train(photos):
    return read_folder(photos).train


def test_every_photo_comes_once_in_order(train):
    batches = list(loader(train).epoch())
    assert [len(batch.X) for batch in batches] == [5, 5, 5, 1]
    assert all(batch.X.shape[1:] == (16, 16, 3) and batch.X.dtype == np.uint8 for batch in batches)
    assert np.concatenate([batch.y for batch in batches]).tolist() == train.labels.tolist()


def test_the_number_of_batches_is_known(train):
    assert len(loader(train)) == 4
    assert len(loader(train, batch_size=100)) == 1


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_number_of_workers_changes_nothing(train, workers):
    one = list(loader(train, workers=1, augmented=True, shuffle=True, seed=3).epoch(2))
    many = list(loader(train, workers=workers, augmented=True, shuffle=True, seed=3).epoch(2))
    assert all((a.X == b.X).all() and (a.y == b.y).all() for a, b in zip(one, many))


@pytest.mark.parametrize("kind", ["ram", "disk"])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_cache_changes_nothing(train, workers, kind, monkeypatch):
    monkeypatch.setattr("hotdog_ft.data.cache.SETTLED_SECONDS", 0)
    save(train.paths[2], draw((90, 9, 9), 0, (700, 900)))  # one that is decoded at reduced scale
    options = {"augmented": True, "shuffle": True, "seed": 3}
    plain = loader(train, workers=1, **options)
    cached = loader(train, workers=workers, cache=open_cache(kind, train.paths[0].parent), **options)
    for epoch in range(3):
        for a, b in zip(plain.epoch(epoch), cached.epoch(epoch)):
            assert (a.X == b.X).all()
            assert (a.y == b.y).all()


def test_the_next_batches_are_read_while_one_is_computed(train):
    read = threading.Semaphore(0)

    def transform(photo, rng):
        read.release()
        return PREPROCESS.for_test(photo)

    batches = PhotoLoader(train, transform, batch_size=4, workers=2).epoch()
    next(batches)
    for _ in range(4 + 2 * 4):  # without another batch being asked for
        assert read.acquire(timeout=30)


def test_each_epoch_and_each_seed_has_its_own_order_and_crops(train):
    def first(seed, epoch):
        return next(loader(train, augmented=True, shuffle=True, seed=seed).epoch(epoch)).X

    assert (first(0, 1) == first(0, 1)).all()
    assert (first(0, 1) != first(0, 2)).any()
    assert (first(0, 1) != first(1, 1)).any()


def test_a_photo_that_breaks_off_is_named_and_skipped(train, caplog):
    path = train.paths[3]
    path.write_bytes(path.read_bytes()[:200])
    photos = loader(train)
    batches = list(photos.epoch())
    assert [len(batch.X) for batch in batches] == [4, 5, 5, 1]
    assert list(photos.broken) == [3]
    assert str(path) in caplog.text
    caplog.clear()
    list(photos.epoch(1))
    assert not caplog.text  # told once


def test_a_batch_of_broken_photos_only_is_left_out(train):
    for path in train.paths[:5]:
        path.write_text("not a photo")
    assert [len(batch.X) for batch in loader(train).epoch()] == [5, 5, 1]


def test_no_readable_photo_at_all_is_an_error(train):
    for path in train.paths:
        path.write_text("not a photo")
    with pytest.raises(DataError, match="not one of its photos can be read"):
        list(loader(train).epoch())


def test_a_photo_that_vanishes_is_skipped(train):
    train.paths[0].unlink()
    assert sum(len(batch.X) for batch in loader(train).epoch()) == 15


def test_check_names_the_first_broken_photo(train):
    loader(train).check()
    train.paths[7].write_text("not a photo")
    with pytest.raises(ImageError, match=str(train.paths[7])):
        loader(train).check()


def test_in_order_keeps_the_order_and_its_lead():
    asked, started = 0, []

    def work(item):
        started.append(item)
        assert item <= asked + 6
        return item * 2

    results = in_order(work, range(40), workers=3, lead=6)
    for expected in range(40):
        assert next(results) == expected * 2
        asked = expected + 1
    assert sorted(started) == list(range(40))


def test_leaving_early_ends_the_threads(train):
    before = threading.active_count()
    batches = loader(train, batch_size=2, workers=4).epoch()
    next(batches)
    batches.close()
    for thread in threading.enumerate():
        if thread.name.startswith("photos"):
            thread.join(timeout=10)
    assert threading.active_count() == before
