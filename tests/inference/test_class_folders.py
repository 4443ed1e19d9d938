from __future__ import annotations

import errno
import logging
import os
import threading
from pathlib import Path

import pytest

from hotdog_ft.inference import class_folders
from hotdog_ft.inference.class_folders import ClassFolders
from hotdog_ft.inference.names import folder_names
from hotdog_ft.inference.predictor import Prediction

JPEG = b"\xff\xd8\xff a photo"


def answered(path, label="hot dog", data=None) -> Prediction:
    return Prediction(str(path), label, 1.0, {label: 1.0}, data=data)


def write(path: Path, data: bytes = JPEG) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def moving(tmp_path) -> ClassFolders:
    return ClassFolders(tmp_path / "sorted", ["hot dog", "other"], move=True)


@pytest.fixture
def copying(tmp_path) -> ClassFolders:
    return ClassFolders(tmp_path / "sorted", ["hot dog", "other"], move=False)


@pytest.fixture
def other_file_system(monkeypatch):
    """Moving anywhere crosses from one file system to another."""

    def rename(source, place):
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))

    monkeypatch.setattr(class_folders.os, "rename", rename)


def test_a_photo_is_moved_into_its_class(moving, tmp_path):
    source = write(tmp_path / "a.jpg")
    assert moving.file(answered(source)) == tmp_path / "sorted" / "hot dog" / "a.jpg"
    assert files(tmp_path) == {"sorted/hot dog/a.jpg": JPEG}
    assert moving.summary() == f"1 photo moved into {tmp_path / 'sorted'}: 1 hot dog."


def test_a_photo_is_copied_with_its_time(copying, tmp_path):
    source = write(tmp_path / "a.jpg")
    os.utime(source, (1_000_000_000, 1_000_000_000))
    place = copying.file(answered(source, "other"))
    assert files(tmp_path) == {"a.jpg": JPEG, "sorted/other/a.jpg": JPEG}
    assert place.stat().st_mtime == 1_000_000_000


@pytest.mark.parametrize("folders", ["moving", "copying"])
def test_a_name_that_is_taken_gets_a_number(folders, tmp_path, request):
    there = {f"sorted/hot dog/{name}": b"there" for name in ("a.jpg", "a-3.jpg")}
    for name, data in there.items():
        write(tmp_path / name, data)
    sorter = request.getfixturevalue(folders)
    for i in range(3):
        sorter.file(answered(write(tmp_path / str(i) / "a.jpg", b"photo %d" % i)))
    found = {name: data for name, data in files(tmp_path).items() if name.startswith("sorted")}
    assert found == {
        **there, **{f"sorted/hot dog/a-{number}.jpg": b"photo %d" % i for i, number in enumerate((2, 4, 5))}
    }  # fmt: skip


def test_a_link_to_nowhere_is_not_written_through(moving, tmp_path):
    (tmp_path / "sorted" / "hot dog").mkdir()
    (tmp_path / "sorted" / "hot dog" / "a.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    moving.file(answered(write(tmp_path / "a.jpg")))
    assert files(tmp_path) == {"sorted/hot dog/a-2.jpg": JPEG}


@pytest.mark.parametrize("folders", ["moving", "copying"])
def test_a_photo_that_lies_in_its_folder_stays(folders, tmp_path, request):
    source = write(tmp_path / "sorted" / "hot dog" / "a.jpg")
    assert request.getfixturevalue(folders).file(answered(source)) == source
    assert files(tmp_path) == {"sorted/hot dog/a.jpg": JPEG}


def test_a_link_is_moved_as_a_link_to_the_same_photo(moving, tmp_path):
    write(tmp_path / "photos" / "a.jpg")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "b.jpg").symlink_to(Path("..", "photos", "a.jpg"))
    place = moving.file(answered(tmp_path / "links" / "b.jpg"))
    assert place.is_symlink()
    assert place.read_bytes() == JPEG
    assert (tmp_path / "photos" / "a.jpg").exists()
    assert not os.path.lexists(tmp_path / "links" / "b.jpg")


def test_a_link_to_a_photo_that_is_gone_by_then_stays(moving, tmp_path):
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert moving.file(answered(tmp_path / "b.jpg")) is None
    assert (tmp_path / "b.jpg").is_symlink()
    assert files(tmp_path) == {}


def test_on_another_file_system_a_photo_is_copied_and_removed(moving, tmp_path, other_file_system):
    source = write(tmp_path / "a.jpg")
    moving.file(answered(source))
    assert files(tmp_path) == {"sorted/hot dog/a.jpg": JPEG}


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no second file system")
def test_a_real_other_file_system(tmp_path, request):
    import shutil
    import tempfile

    root = Path(tempfile.mkdtemp(dir="/dev/shm"))
    request.addfinalizer(lambda: shutil.rmtree(root))
    if root.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("not another file system")
    sorter = ClassFolders(root, ["hot dog"], move=True)
    for i in range(2):
        sorter.file(answered(write(tmp_path / str(i) / "a.jpg", b"photo %d" % i)))
    assert files(root) == {"hot dog/a.jpg": b"photo 0", "hot dog/a-2.jpg": b"photo 1"}
    assert files(tmp_path) == {}


def test_an_interrupted_copy_to_another_file_system_leaves_the_photo(moving, tmp_path, other_file_system, monkeypatch):
    source = write(tmp_path / "a.jpg")

    def interrupted(source, target):
        Path(target).write_bytes(JPEG[:4])
        raise KeyboardInterrupt

    monkeypatch.setattr(class_folders.shutil, "copyfile", interrupted)
    with pytest.raises(KeyboardInterrupt):
        moving.file(answered(source))
    assert files(tmp_path) == {"a.jpg": JPEG}


def test_an_interrupt_right_after_the_move_leaves_the_photo(moving, tmp_path, monkeypatch):
    source = write(tmp_path / "a.jpg")
    rename = os.rename

    def interrupted(source, place):
        rename(source, place)
        raise KeyboardInterrupt

    monkeypatch.setattr(class_folders.os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        moving.file(answered(source))
    assert files(tmp_path) == {"sorted/hot dog/a.jpg": JPEG}


def test_a_full_disk_is_told_and_leaves_the_photo(moving, tmp_path, other_file_system, monkeypatch, caplog):
    source = write(tmp_path / "a.jpg")

    def full(source, target):
        Path(target).write_bytes(JPEG[:4])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(class_folders.shutil, "copyfile", full)
    with caplog.at_level(logging.ERROR):
        assert moving.file(answered(source)) is None
    assert caplog.messages == [f"{source}: not moved: No space left on device"]
    assert moving.failed == 1
    assert files(tmp_path) == {"a.jpg": JPEG}


def test_what_cannot_be_removed_is_not_copied_either(moving, tmp_path, other_file_system, monkeypatch):
    source = write(tmp_path / "a.jpg")
    unlink = Path.unlink

    def refused(path, missing_ok=False):
        if path == source:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    assert moving.file(answered(source)) is None
    assert files(tmp_path) == {"a.jpg": JPEG}


def test_a_photo_that_is_gone_is_told_and_costs_no_other(moving, tmp_path):
    assert moving.file(answered(tmp_path / "gone.jpg")) is None
    assert moving.file(answered(write(tmp_path / "a.jpg"))) is not None
    assert (moving.failed, sum(moving.counts.values())) == (1, 1)
    assert files(tmp_path) == {"sorted/hot dog/a.jpg": JPEG}


def test_several_that_sort_at_once_overwrite_nothing(tmp_path):
    def work(number):
        sorter = ClassFolders(tmp_path / "sorted", ["hot dog"], move=True)
        for i in range(30):
            sorter.file(answered(write(tmp_path / f"{number}-{i}" / "a.jpg", b"photo %d %d" % (number, i))))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = files(tmp_path)
    assert set(found.values()) == {b"photo %d %d" % (number, i) for number in range(4) for i in range(30)}
    assert len(found) == 120


@pytest.mark.parametrize("name", ["x" * 251 + ".jpg", "\U0001f32d" * 62 + ".jpg", "x" * 100 + "." + "y" * 150])
def test_the_longest_names_find_a_place(moving, tmp_path, name):
    for folder in "abc":
        assert moving.file(answered(write(tmp_path / folder / name))) is not None
    assert len(files(tmp_path / "sorted")) == 3


def test_names_that_are_no_text_are_kept(moving, tmp_path):
    source = write(tmp_path / os.fsdecode(b"\xff\xfe.jpg"))
    assert moving.file(answered(source)).name == source.name


@pytest.mark.parametrize(
    ("address", "data", "name"),
    [
        ("https://a.org/photos/lunch.jpg?size=1", JPEG, "lunch.jpg"),
        ("https://a.org/photos/lunch.php", JPEG, "lunch.jpg"),
        ("https://a.org/photos/lunch.JPEG", JPEG, "lunch.JPEG"),
        ("https://a.org/lunch", b"\x89PNG\r\n\x1a\n", "lunch.png"),
        ("https://a.org/", JPEG, "photo.jpg"),
        ("https://a.org", JPEG, "photo.jpg"),
        ("https://a.org/..%2F..%2Fetc%2Fpasswd", JPEG, "passwd.jpg"),
        ("https://a.org/%2e%2e", JPEG, "photo.jpg"),
        ("https://a.org/.bashrc", JPEG, "bashrc.jpg"),
        ("https://a.org/a%00b.jpg", JPEG, "a_b.jpg"),
        ("-", JPEG, "stdin.jpg"),
    ],
)
def test_what_is_no_file_is_written_under_a_name_of_its_own(copying, tmp_path, address, data, name):
    assert copying.file(answered(address, data=data)) == tmp_path / "sorted" / "hot dog" / name
    assert files(tmp_path) == {f"sorted/hot dog/{name}": data}


@pytest.mark.parametrize("address", ["https://a.org/lunch.jpg", "-"])
def test_what_is_no_file_is_not_moved(moving, address, tmp_path):
    assert moving.file(answered(address, data=JPEG)) is None
    assert moving.failed == 1
    assert files(tmp_path) == {}


def test_labels_that_are_no_folders_become_some():
    labels = ["a/b", "..", ".", "", "a\\b", "-rf", ".hidden", "x" * 300, "CON:", "two\nlines", "hot dog", "a\0b", " "]
    names = folder_names(labels)
    assert list(names) == labels
    assert names["hot dog"] == "hot dog"
    assert names["a/b"] == "a_b"
    for name in names.values():
        assert name not in ("", ".", "..")
        assert not set(name) & set('/\\\0\n:*?"<>|')
        assert not name.startswith((".", "-", " "))
        assert len(name.encode()) <= 255
    assert len({name.casefold() for name in names.values()}) == len(labels)


def test_labels_that_differ_in_case_alone_get_folders_that_differ():
    assert folder_names(["Cat", "cat", "CAT"]) == {"Cat": "Cat", "cat": "cat-2", "CAT": "CAT-3"}
