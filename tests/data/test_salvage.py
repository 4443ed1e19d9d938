from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotdog_ft.data.salvage import salvage, whole_photos
from hotdog_ft.errors import DataError
from tests.conftest import SHARED_PHOTOS


class Unseekable(io.BytesIO):
    """A pipe: what is written can't be mended later, so that lengths come after each member."""

    def seekable(self):
        return False

    def tell(self):
        raise OSError

    def seek(self, *where):
        raise OSError


def zipped(photos, method=zipfile.ZIP_DEFLATED, file=None) -> bytes:
    """All photos of a folder in one archive."""
    file = file or io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for path in sorted(photos.rglob("*.jpg")):
            archive.write(path, path.relative_to(photos))
    return file.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_of_an_archive_that_breaks_off_the_whole_photos_are_saved(photos, tmp_path, method):
    archive = tmp_path / "photos.zip"
    archive.write_bytes(zipped(photos, method)[:6000])
    count = salvage(archive, tmp_path / "saved")
    saved = sorted(path for path in (tmp_path / "saved").rglob("*") if path.is_file())
    assert 0 < len(saved) == count < 22
    for path in saved:
        assert path.read_bytes() == (photos / path.relative_to(tmp_path / "saved")).read_bytes()


def test_lengths_that_come_after_a_photo_are_read(photos, tmp_path):
    archive = tmp_path / "photos.zip"
    archive.write_bytes(zipped(photos, file=Unseekable()))
    assert len(list(whole_photos(archive))) == 22


def test_a_damaged_photo_is_passed_over(photos, tmp_path):
    data = bytearray(zipped(photos, zipfile.ZIP_STORED))
    data[300] ^= 1
    archive = tmp_path / "photos.zip"
    archive.write_bytes(data)
    assert len(list(whole_photos(archive))) == 21


@pytest.mark.parametrize("name", ["../evil.jpg", "/evil.jpg", "C:\\evil.jpg", "a/../../evil.jpg", "notes.txt"])
def test_what_would_go_elsewhere_or_is_no_photo_is_passed_over(tmp_path, name):
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, b"photo")
    with pytest.raises(DataError, match="no photo that is whole"):
        salvage(archive, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_what_is_there_is_not_written_over(photos, tmp_path):
    archive = tmp_path / "photos.zip"
    archive.write_bytes(zipped(photos))
    place = tmp_path / "saved" / "test" / "green" / "0.jpg"
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    with pytest.raises(DataError, match="is there already"):
        salvage(archive, tmp_path / "saved")
    assert place.read_text() == "mine"


@given(data=st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_leaves_whole_photos_only(photos, tmp_path, data):
    spoilt = bytearray(zipped(photos))
    whole = {path.read_bytes() for path in photos.rglob("*.jpg")}
    for _ in range(data.draw(st.integers(1, 8))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    del spoilt[data.draw(st.integers(0, len(spoilt))) :]
    archive = tmp_path / "spoilt.zip"
    archive.write_bytes(spoilt)
    assert {member.content for member in whole_photos(archive)} <= whole


@pytest.mark.skipif(not SHARED_PHOTOS.exists(), reason="the real archive's beginning isn't here")
def test_the_real_archives_beginning_has_fifteen_whole_photos(run_cli, tmp_path):
    beginning = SHARED_PHOTOS.with_name("hotdog-truncated.zip")
    status, _, err = run_cli("train", "--data", beginning)
    assert status == 1
    assert f"save the 15 that are whole: hotdog-ft data salvage {beginning} DIR" in err
    status, out, err = run_cli("data", "salvage", beginning, tmp_path / "saved")
    assert (status, err) == (0, "")
    assert out == f"15 photos saved to {tmp_path / 'saved'}.\n"
    assert len(list((tmp_path / "saved").rglob("*.png"))) == 15
