from __future__ import annotations

import logging
import os

import numpy as np
import pytest

from hotdog_ft.data.folder import read_folder
from hotdog_ft.models import feature_cache
from hotdog_ft.models.feature_cache import feature_file, read_features, write_features
from hotdog_ft.models.features import Features
from tests.models.test_features import classifier

FEATURES = Features(np.array([0, 2]), np.arange(12, dtype=np.float32).reshape(2, 2, 3))


@pytest.fixture
def split(photos):
    return read_folder(photos).test


def test_what_is_kept_comes_back(split):
    path = feature_file(classifier(), "weights", split)
    assert read_features(path) is None
    write_features(path, FEATURES)
    found = read_features(path)
    assert (found.good == FEATURES.good).all()
    assert (found.values == FEATURES.values).all()


def test_other_weights_sizes_photos_and_networks_are_other_files(split):
    net = classifier()
    before = feature_file(net, "weights", split)
    assert feature_file(classifier(), "weights", split) == before
    others = {
        feature_file(net, "others", split),
        feature_file(classifier(size=64), "weights", split),
        feature_file(classifier("mobilenet0.5"), "weights", split),
        feature_file(net, "weights", split.take(np.arange(5))),
    }
    os.utime(split.paths[0], (1, 1))  # it has been written again, at the same length
    others.add(feature_file(net, "weights", split))
    assert len(others - {before}) == 5


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_told_and_computed_again(split, content, caplog):
    path = feature_file(classifier(), "weights", split)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert read_features(path) is None
    assert "computed again" in caplog.text


def test_no_pickle_is_loaded(tmp_path, caplog):
    path = tmp_path / "evil.npz"
    np.savez(path, good=np.array([print], dtype=object), values=FEATURES.values)
    assert read_features(path) is None


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path, caplog):
    (tmp_path / "file").write_text("in the folder's place")
    write_features(tmp_path / "file" / "f.npz", FEATURES)
    assert "not kept" in caplog.text


def test_what_was_unused_for_longest_makes_room(tmp_path, monkeypatch):
    paths = [tmp_path / f"{number}.npz" for number in range(3)]
    for age, path in zip((3, 1, 2), paths):
        write_features(path, FEATURES)
        os.utime(path, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(feature_cache, "LARGEST", int(2.5 * paths[0].stat().st_size))
    read_features(paths[0])  # used now
    write_features(tmp_path / "new.npz", FEATURES)
    assert [path.exists() for path in paths] == [True, False, False]
