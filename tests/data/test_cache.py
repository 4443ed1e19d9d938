from __future__ import annotations

import os

import numpy as np
import pytest

from hotdog_ft.data import cache as caches
from hotdog_ft.data.cache import PhotoCache, identity, open_cache
from hotdog_ft.data.photo import open_photo, read_photo
from hotdog_ft.data.pixel_store import Entry, RamStore
from hotdog_ft.errors import ImageError
from hotdog_ft.files import cache_home
from tests.conftest import draw, save


@pytest.fixture(autouse=True)
def _files_are_settled(monkeypatch):
    monkeypatch.setattr(caches, "SETTLED_SECONDS", 0)


@pytest.fixture
def path(tmp_path):
    return save(tmp_path / "photo.png", draw((9, 99, 200), 0))


@pytest.fixture(params=["ram", "disk"])
def cache(request, tmp_path) -> PhotoCache:
    return open_cache(request.param, tmp_path)


def whole(photo) -> np.ndarray:
    return photo.part(0, 0, photo.width, photo.height, (photo.width, photo.height))


def test_a_photo_comes_from_the_store_the_second_time(cache, path):
    assert (whole(cache.open(path)) == read_photo(path)).all()
    (kept,) = {known._replace(reduction=1) for known in cache._known.values()}
    assert (cache.store.get(kept) == read_photo(path)).all()
    other = RamStore(10**9)
    other.put(kept, draw((1, 2, 3), 1))
    cache.store = other
    assert (whole(cache.open(path)) == draw((1, 2, 3), 1)).all()


def test_a_changed_photo_is_decoded_anew(cache, path):
    whole(cache.open(path))
    before = os.stat(path)
    save(path, draw((200, 9, 9), 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a copying program may set it
    assert (whole(cache.open(path)) == draw((200, 9, 9), 1)).all()


def test_each_reduction_of_a_large_photo_is_kept_by_itself(cache, tmp_path):
    path = save(tmp_path / "large.jpg", draw((9, 99, 200), 0, (801, 900)))
    for _ in range(2):
        for size in ((100, 100), (400, 400), (900, 801)):
            kept, fresh = (photo.part(0, 0, 900, 801, size) for photo in (cache.open(path), open_photo(path)))
            assert (kept == fresh).all()


def test_files_on_disk_serve_the_next_run(tmp_path, path):
    whole(open_cache("disk", tmp_path).open(path))
    (known,) = open_cache("disk", tmp_path).store.known()
    assert known == Entry(identity(path), 48, 40, (1,))
    assert len(list((cache_home() / "photos").rglob("*.rgb"))) == 1


def test_each_data_set_has_a_folder_of_its_own(tmp_path, path):
    for folder in (tmp_path, tmp_path.parent):
        whole(open_cache("disk", folder).open(path))
    assert len(list((cache_home() / "photos").iterdir())) == 2


def test_a_file_that_has_just_changed_is_not_kept(cache, path, monkeypatch):
    monkeypatch.setattr(caches, "SETTLED_SECONDS", 3600)
    assert (whole(cache.open(path)) == read_photo(path)).all()
    assert not cache._known


def test_a_missing_and_a_broken_photo_are_named(cache, path):
    for content in (b"no photo", None):
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(ImageError, match=str(path)):
            cache.open(path)


def test_no_cache_is_none(tmp_path):
    assert open_cache("none", tmp_path) is None
