from __future__ import annotations

import os
import resource
import signal

import numpy as np
import pytest

from hotdog_ft.data.pixel_store import DiskStore, Entry, RamStore

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
MANY = 10**9


def entry(name: str = "a") -> Entry:
    return Entry(name * 32, 30, 20, (1,))


@pytest.fixture(params=["ram", "disk"])
def make(request, tmp_path):
    """A function that makes a store with a limit in bytes."""
    return RamStore if request.param == "ram" else lambda limit: DiskStore(tmp_path, "photos", limit)


def test_what_is_kept_comes_back(make):
    store = make(MANY)
    assert store.get(entry()) is None
    store.put(entry(), PIXELS)
    assert (store.get(entry()) == PIXELS).all()
    assert store.get(entry()._replace(reduction=2)) is None


def test_what_does_not_fit_is_not_kept(make):
    store = make(2 * PIXELS.nbytes + 100)
    for name in "abc":
        store.put(entry(name), PIXELS)
    assert [store.get(entry(name)) is not None for name in "abc"] == [True, True, False]


def test_memory_that_is_kept_cant_be_written_to():
    store = RamStore(MANY)
    store.put(entry(), PIXELS.copy())
    with pytest.raises(ValueError, match="read-only"):
        store.get(entry())[0] = 0


def test_files_serve_the_next_process_too(tmp_path):
    reduced = Entry("ab12" * 8, 58, 39, (8, 4, 2, 1), 2)
    first = DiskStore(tmp_path, "photos", MANY)
    first.put(entry(), PIXELS)
    first.put(reduced, PIXELS[:, :29])
    second = DiskStore(tmp_path, "photos", MANY)
    assert set(second.known()) == {entry(), reduced}
    assert (second.get(reduced) == PIXELS[:, :29]).all()


@pytest.mark.parametrize("damage", ["cut off", "another bit", "empty", "gone", "a folder"])
def test_a_damaged_file_counts_as_missing_and_is_written_anew(tmp_path, damage):
    store = DiskStore(tmp_path, "photos", MANY)
    store.put(entry(), PIXELS)
    (path,) = (tmp_path / "photos").iterdir()
    data = bytearray(path.read_bytes())
    data[700] ^= 4
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "gone":
        path.write_bytes({"cut off": data[:-1], "another bit": data, "empty": b""}[damage])
    assert store.get(entry()) is None
    if damage != "a folder":
        store.put(entry(), PIXELS)
        assert (store.get(entry()) == PIXELS).all()


def test_the_data_set_unused_for_longest_makes_room(tmp_path):
    for name, used in (("old", 1), ("older", 0)):
        DiskStore(tmp_path, name, MANY).put(entry(), PIXELS)
        os.utime(tmp_path / name, (used, used))
    store = DiskStore(tmp_path, "new", 2 * PIXELS.nbytes)
    store.put(entry(), PIXELS)
    assert {path.name for path in tmp_path.iterdir()} == {"old", "new"}


def test_using_a_data_set_counts_as_use(tmp_path):
    for name in ("first", "second"):
        DiskStore(tmp_path, name, MANY).put(entry(), PIXELS)
        os.utime(tmp_path / name, (0, 0))
    DiskStore(tmp_path, "first", MANY)
    DiskStore(tmp_path, "new", 2 * PIXELS.nbytes).put(entry(), PIXELS)
    assert (tmp_path / "first").exists()
    assert not (tmp_path / "second").exists()


def test_other_files_in_the_folder_do_no_harm(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("notes.txt", "a-1x1-1-0.rgb", "a-1x1.rgb", ".a-2x2-1-1-x.rgb"):
        (tmp_path / "photos" / name).write_text("")
    (tmp_path / "notes.txt").write_text("")
    assert DiskStore(tmp_path, "photos", MANY).known() == []


def test_a_full_disk_is_told_once_and_nothing_more_is_written(tmp_path, caplog):
    store = DiskStore(tmp_path, "photos", MANY)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PIXELS.nbytes // 2, limits[1]))
    try:
        store.put(entry("a"), PIXELS)
        store.put(entry("b"), PIXELS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caplog.text.count("no more decoded photos are kept") == 1
    assert store.get(entry("a")) is None
    assert list((tmp_path / "photos").iterdir()) == []
