from __future__ import annotations

import logging
import os

import numpy as np
import pytest

from hotdog_ft.data.folder import read_folder
from hotdog_ft.errors import DataError
from hotdog_ft.models import feature_cache
from hotdog_ft.models.feature_cache import cached_features, feature_file
from hotdog_ft.models.features import Features
from tests.models.test_features import classifier


@pytest.fixture
def data(photos):
    return read_folder(photos)


@pytest.fixture
def path(data):
    return feature_file(classifier(), "weights", data.root)


class Computer:
    """Makes up features that tell the photo, and writes down which photos it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, split) -> Features:
        names = [f"{path.parent.name}/{path.name}" for path in split.paths]
        self.asked += names
        good = np.array([i for i, path in enumerate(split.paths) if path.read_bytes() != b"broken"], dtype=int)
        if not len(good):
            raise DataError("not one", hint="")
        return Features(good, np.stack([value_of(split.paths[i]) for i in good]))


def value_of(path) -> np.ndarray:
    seed = int.from_bytes(path.read_bytes()[-9:-2], "little")
    return np.random.default_rng(seed).normal(size=(2, 3)).astype(np.float32)


def test_what_was_computed_comes_back(path, data):
    first = cached_features(path, data.test, Computer())
    computer = Computer()
    second = cached_features(path, data.test, computer)
    assert computer.asked == []
    assert second.good.tolist() == list(range(6))
    assert (second.values == first.values).all()
    assert all((value == value_of(photo)).all() for value, photo in zip(second.values, data.test.paths))


def test_another_split_of_the_same_photos_needs_no_computing(path, data):
    cached_features(path, data.train, Computer())
    computer = Computer()
    split = data.hold_out(0.25, 0)
    for part in (split.validation, split.train):
        found = cached_features(path, part, computer)
        assert all((value == value_of(photo)).all() for value, photo in zip(found.values, part.paths))
    assert computer.asked == []


def test_only_what_is_new_or_changed_is_computed(path, data):
    cached_features(path, data.test.take(np.arange(5)), Computer())
    changed = data.test.paths[1]
    os.utime(changed, (1, 1))  # it has been written again, at the same length
    computer = Computer()
    found = cached_features(path, data.test, computer)
    assert computer.asked == ["green/1.jpg", "red/2.jpg"]
    assert all((value == value_of(photo)).all() for value, photo in zip(found.values, data.test.paths))


def test_a_broken_photo_is_asked_for_each_time(path, data):
    data.test.paths[2].write_bytes(b"broken")
    computer = Computer()
    first = cached_features(path, data.test, computer)
    computer.asked.clear()
    second = cached_features(path, data.test, computer)
    assert first.good.tolist() == second.good.tolist() == [0, 1, 3, 4, 5]
    assert computer.asked == ["green/2.jpg"]


def test_photos_that_are_all_broken_are_an_error(path, data):
    for photo in data.test.paths:
        photo.write_bytes(b"broken")
    with pytest.raises(DataError):
        cached_features(path, data.test, Computer())


def test_other_weights_sizes_networks_and_folders_are_other_files(path, data):
    others = {
        feature_file(classifier(), "others", data.root),
        feature_file(classifier(size=64), "weights", data.root),
        feature_file(classifier("mobilenet0.5"), "weights", data.root),
        feature_file(classifier(), "weights", data.root / "train"),
    }
    assert feature_file(classifier(), "weights", data.root) == path
    assert len(others - {path}) == 4


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_told_and_computed_again(path, data, content, caplog):
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    computer = Computer()
    with caplog.at_level(logging.WARNING):
        cached_features(path, data.test, computer)
    assert len(computer.asked) == 6
    assert "computed again" in caplog.text


def test_no_pickle_is_loaded(path, data, caplog):
    path.parent.mkdir(parents=True)
    np.savez(path, identities=np.array([print], dtype=object), values=np.zeros((1, 2, 3)))
    assert len(cached_features(path, data.test, Computer()).good) == 6
    assert "computed again" in caplog.text


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path, data, caplog):
    (tmp_path / "file").write_text("in the folder's place")
    assert len(cached_features(tmp_path / "file" / "f.npz", data.test, Computer()).good) == 6
    assert "not kept" in caplog.text


def test_what_was_unused_for_longest_makes_room(tmp_path, data, monkeypatch):
    paths = [tmp_path / f"{number}.npz" for number in range(3)]
    for age, path in zip((3, 1, 2), paths):
        cached_features(path, data.test, Computer())
        os.utime(path, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(feature_cache, "LARGEST", int(2.5 * paths[0].stat().st_size))
    cached_features(paths[0], data.test, Computer())  # used now
    cached_features(tmp_path / "new.npz", data.test, Computer())
    assert [path.exists() for path in paths] == [True, False, False]
