from __future__ import annotations

import hashlib
import shutil
import struct
import zipfile
from pathlib import Path

import pytest

from hotdog_ft.data import sources
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import ConfigError, DataError, DownloadError
from hotdog_ft.files import cache_home
from tests.conftest import SHARED_PHOTOS
from tests.data.servers import refusing_url, serve


@pytest.fixture
def archive(photos, tmp_path):
    """The photos as a ZIP with one top folder."""
    return shutil.make_archive(tmp_path / "archive", "zip", photos.parent, photos.name)


def test_a_folder_is_opened(photos):
    assert open_source(str(photos)).root == photos


def test_a_zip_with_a_top_folder_equals_the_folder(photos, archive):
    folder = open_source(archive)
    assert folder.fingerprint() == open_source(str(photos)).fingerprint()
    assert cache_home() in folder.root.parents


def test_a_zip_without_a_top_folder_equals_the_folder(photos, tmp_path):
    archive = shutil.make_archive(tmp_path / "flat", "zip", photos)
    assert open_source(archive).fingerprint() == open_source(str(photos)).fingerprint()


def test_a_zip_of_class_folders_is_split(photos, tmp_path):
    archive = shutil.make_archive(tmp_path / "classes", "zip", photos / "train")
    folder = open_source(archive, seed=1)
    assert (len(folder.train), len(folder.test)) == (12, 4)  # a fifth of 8, rounded, of each class


def test_a_zip_is_unpacked_once(archive):
    first = open_source(archive).root
    marker = first / "train" / "marker"
    marker.touch()
    assert open_source(archive).root == first
    assert marker.exists()


def test_a_changed_zip_is_unpacked_anew(photos, tmp_path):
    first = open_source(shutil.make_archive(tmp_path / "a", "zip", photos)).root
    (photos / "train" / "red" / "0.jpg").unlink()
    second = open_source(shutil.make_archive(tmp_path / "a", "zip", photos)).root
    assert first != second


def test_validation_is_held_out(photos):
    folder = open_source(str(photos), val_split=0.25)
    assert (len(folder.train), len(folder.validation), len(folder.test)) == (12, 4, 6)


def test_what_is_not_there_is_a_wrong_option(tmp_path):
    with pytest.raises(ConfigError, match=r"--data: .*nosuch is not there"):
        open_source(str(tmp_path / "nosuch"))


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "not a whole ZIP"), (b"PK\x03\x04" + b"x" * 100, "not a whole ZIP")]
)
def test_a_file_that_is_no_zip_is_named(tmp_path, content, message):
    path = tmp_path / "photos.zip"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        open_source(str(path))
    assert caught.value.message.startswith(str(path))


def test_a_cut_off_zip_is_named_and_leaves_nothing(archive, tmp_path):
    cut = tmp_path / "cut.zip"
    cut.write_bytes(Path(archive).read_bytes()[:-200])
    with pytest.raises(DataError, match="not a whole ZIP"):
        open_source(str(cut))
    assert not list(cache_home().rglob("*.jpg"))


def test_a_damaged_member_is_named_and_leaves_nothing(tmp_path):
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as writer:
        writer.writestr("train/red/0.jpg", b"0123456789" * 20)
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"9876543210", 1))
    with pytest.raises(DataError, match="not a whole ZIP"):
        open_source(str(path))
    assert not list((cache_home() / "data").iterdir())


@pytest.mark.parametrize(
    "name", ["../evil.jpg", "/etc/evil.jpg", "train/../../evil.jpg", "C:\\evil.jpg", "..\\evil.jpg"]
)
def test_a_member_that_would_go_elsewhere_is_refused(tmp_path, name):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("train/red/0.jpg", b"x")
        writer.writestr(name, b"x")
    with pytest.raises(DataError, match="outside"):
        open_source(str(path))
    assert not list((cache_home() / "data").iterdir())


def test_a_link_in_a_zip_is_refused(tmp_path):
    path = tmp_path / "link.zip"
    member = zipfile.ZipInfo("train/red/0.jpg")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        open_source(str(path))


def test_an_encrypted_zip_is_named(tmp_path, archive):
    data = bytearray(Path(archive).read_bytes())
    start = 0
    while (start := data.find(b"PK\x01\x02", start)) >= 0:  # mark every member of the directory as encrypted
        struct.pack_into("<H", data, start + 8, 1)
        start += 4
    path = tmp_path / "locked.zip"
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="can't be unpacked"):
        open_source(str(path))


def test_a_zip_without_images_is_named(tmp_path):
    path = tmp_path / "texts.zip"
    with zipfile.ZipFile(path, "w") as writer:
        writer.writestr("train/red/notes.txt", "x")
    with pytest.raises(DataError, match="no images"):
        open_source(str(path))


def test_a_class_of_which_nothing_can_be_read_is_named(photos):
    for path in (photos / "train" / "red").iterdir():
        path.write_text("not a photo")
    with pytest.raises(DataError, match="none of the 8 train photos of 'red' can be read"):
        open_source(str(photos))


def test_the_demo_is_drawn_once():
    folder = open_source("demo")
    assert folder.classes == ("hotdog", "not-hotdog")
    assert len(folder.train) >= 200
    assert len(folder.test) >= 80
    assert open_source("demo").root == folder.root


def test_the_hotdog_archive_is_fetched_checked_and_opened(archive, monkeypatch):
    content = Path(archive).read_bytes()
    monkeypatch.setattr(sources, "HOTDOG_CHECKSUM", f"sha1:{hashlib.sha1(content).hexdigest()}")
    with serve(content, "not_found") as first, serve(content) as second:
        monkeypatch.setattr(sources, "HOTDOG_URLS", (first.url, second.url))
        assert len(open_source("hotdog").train) == 16
    monkeypatch.setattr(sources, "HOTDOG_URLS", (refusing_url(),))
    assert len(open_source("hotdog").train) == 16  # from the cache


def test_offline_the_hint_names_what_works_without_a_network(monkeypatch):
    monkeypatch.setattr(sources, "HOTDOG_URLS", (refusing_url(), refusing_url()))
    with pytest.raises(DownloadError) as caught:
        open_source("hotdog")
    assert "--data demo" in caught.value.hint
    assert "--data FILE.zip" in caught.value.hint


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_PHOTOS.exists(), reason="shared/data/hotdog-photos.zip is not here")
def test_the_real_photos_have_the_archives_layout():
    folder = open_source(str(SHARED_PHOTOS))
    assert folder.classes == ("hotdog", "not-hotdog")
    assert (len(folder.train), len(folder.test)) == (2000, 800)  # facts.md, "The hot dog data"
