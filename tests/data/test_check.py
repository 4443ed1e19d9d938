from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.copies import judge, plant
from hotdog_ft.data.check import FEW, IMBALANCE, KINDS, TINY, Report, check, warn_about
from hotdog_ft.data.folder import read_folder
from hotdog_ft.data.sources import local_folder
from hotdog_ft.data.survey import survey
from hotdog_ft.errors import DataError
from tests.conftest import SHARED_PHOTOS, draw, make_classes, save
from tests.data.test_duplicates import scene


def look_through(data: Path, seed: int = 0) -> Report:
    return check(survey(str(data), local_folder(str(data)), seed), workers=2)


def found(data: Path, *kinds: str) -> list[tuple]:
    """What was found of these kinds: (paths from the data set's folder on, detail)."""
    report = look_through(data)
    root = report.survey.root
    return [
        (
            *(str(path.relative_to(root) if path.is_relative_to(root) else path) for path in finding.paths),
            finding.detail,
        )
        for finding in report.findings
        if set(finding.kinds) & set(kinds)
    ]


@pytest.fixture
def good(tmp_path) -> Path:
    """A data set with nothing wrong: train/ and test/ of two classes, pictures of 120 x 160."""
    root = tmp_path / "good"
    for p, part in enumerate(("train", "test")):
        for label, name in enumerate(("cat", "dog")):
            for i in range(FEW):
                save(root / part / name / f"{i}.jpg", scene(1000 * p + 100 * label + i, (120, 160)))
    return root


def test_nothing_is_found_where_nothing_is_wrong(good):
    report = look_through(good)
    assert report.findings == ()
    assert report.found() == dict.fromkeys(KINDS, 0)
    assert report.leaks == {"test": 0}
    assert report.survey.counts == {"train": {"cat": FEW, "dog": FEW}, "test": {"cat": FEW, "dog": FEW}}


def test_nothing_is_changed(good):
    def state():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in good.rglob("*")}

    before = state()
    look_through(good)
    assert state() == before


def test_the_same_file_in_train_and_test_is_a_leak(good):
    shutil.copy(good / "train/cat/0.jpg", good / "test/cat/x.jpg")
    assert found(good, "leak") == [("train/cat/0.jpg", "test/cat/x.jpg", "identical files")]
    assert look_through(good).leaks == {"test": 1}


def test_the_same_pixels_in_another_file_are_a_copy(good):
    image = scene(77, (120, 160))
    save(good / "train/cat/a.png", image)
    save(good / "train/cat/b.bmp", image)
    assert found(good, "duplicate") == [("train/cat/a.png", "train/cat/b.bmp", "the same pixels")]


def test_changed_copies_are_told_with_what_was_done(good):
    image = scene(77, (240, 320))
    save(good / "train/cat/a.png", image)
    save(good / "test/cat/b.jpg", image)
    save(good / "test/cat/c.jpg", image[::2, ::2])
    save(good / "test/cat/d.jpg", image[:, ::-1])
    save(good / "test/cat/e.jpg", image[12:, 20:])
    leaks = {second: how for _, second, how in found(good, "leak")}
    assert leaks.pop("test/cat/b.jpg") == "encoded anew or edited"
    assert set(leaks) == {"test/cat/c.jpg", "test/cat/d.jpg", "test/cat/e.jpg"}
    assert look_through(good).leaks == {"test": 4}


def test_copies_in_two_classes_are_a_conflict(good):
    shutil.copy(good / "train/cat/0.jpg", good / "train/dog/x.jpg")
    assert found(good, "conflict") == [("train/cat/0.jpg", "train/dog/x.jpg", "identical files")]


def test_a_leak_may_be_a_conflict_too_and_comes_once(good):
    shutil.copy(good / "train/cat/0.jpg", good / "test/dog/x.jpg")
    assert [finding.kinds for finding in look_through(good).findings] == [("leak", "conflict")]


def test_many_copies_are_one_group_of_pairs_and_not_all_pairs(good):
    for i in range(6):
        shutil.copy(good / "train/cat/0.jpg", good / f"train/cat/x{i}.jpg")
    assert len(found(good, "duplicate")) == 6


def test_a_copy_of_a_copy_leaks_as_well(good):
    """c is b's file, and b is a's photo in another format: both are known from training."""
    image = scene(77, (240, 320))
    save(good / "train/cat/a.png", image)
    save(good / "test/cat/b.jpg", image[:, ::-1])
    shutil.copy(good / "test/cat/b.jpg", good / "test/cat/c.jpg")
    assert look_through(good).leaks == {"test": 2}
    assert [finding.kinds for finding in look_through(good).findings] == [("leak",), ("leak",)]


def test_validation_leaks_too(good):
    shutil.copytree(good / "test", good / "val")
    report = look_through(good)
    assert report.leaks == {"validation": 0, "test": 2 * FEW}
    shutil.copy(good / "train/cat/0.jpg", good / "val/cat/x.jpg")
    assert look_through(good).leaks == {"validation": 1, "test": 2 * FEW}


def test_empty_photos_are_not_called_copies(good):
    for name in ("a.jpg", "b.jpg"):
        (good / "train/cat" / name).touch()
    assert found(good, "duplicate") == []
    assert found(good, "broken") == [(f"train/cat/{name}", "the file is empty") for name in ("a.jpg", "b.jpg")]


def test_photos_of_one_colour_are_copies_only_when_their_pixels_are(good):
    for i, value in enumerate((200, 201, 200)):
        save(good / f"train/cat/plain{i}.png", np.full((120 + (i == 1), 160, 3), value, np.uint8))
    assert found(good, "duplicate") == [("train/cat/plain0.png", "train/cat/plain2.png", "identical files")]


def break_text(path):
    path.write_text("no photo")
    return "not an image that can be read"


def break_empty(path):
    path.write_bytes(b"")
    return "the file is empty"


def break_jpeg(path):
    save(path, scene(7, (120, 160)))
    path.write_bytes(path.read_bytes()[:-2000])
    return "the JPEG breaks off before its end"


@pytest.mark.parametrize("damage", [break_text, break_empty, break_jpeg])
def test_a_file_that_cannot_be_read_is_broken(good, damage):
    detail = damage(good / "train/dog/x.jpg")
    assert found(good, "broken") == [("train/dog/x.jpg", detail)]


def test_a_photo_that_may_not_be_read_is_broken(good, monkeypatch):
    (good / "train/dog/x.jpg").symlink_to(good / "nowhere.jpg")
    assert found(good, "broken") == [("train/dog/x.jpg", "No such file or directory")]


def test_a_wrong_suffix_is_told_with_what_the_file_holds(good):
    save(good / "train/dog/x.png", scene(7, (120, 160))).rename(good / "train/dog/x.JPG")
    assert found(good, "wrong-suffix") == [("train/dog/x.JPG", "holds a PNG")]


def test_a_format_that_no_suffix_means_is_told(good):
    save(good / "train/dog/x.ppm", scene(7, (120, 160))).rename(good / "train/dog/x.jpg")
    assert found(good, "wrong-suffix") == [("train/dog/x.jpg", "holds none of JPEG, PNG, WebP, GIF, BMP, TIFF")]


@pytest.mark.parametrize(("side", "is_tiny"), [(TINY - 1, True), (TINY, False)])
def test_a_tiny_photo_is_one_whose_shorter_side_is_enlarged_more_than_twice(good, side, is_tiny):
    save(good / "train/dog/x.png", scene(7, (side, 300)))
    assert found(good, "tiny") == ([("train/dog/x.png", f"300 x {side} pixels")] if is_tiny else [])


def test_files_that_training_passes_over_are_told(good):
    save(good / "train/lost.jpg", scene(7))
    (good / "train/dog/notes.txt").write_text("")
    (good / "train/dog/x.heic").write_text("")
    (good / "train/dog/.DS_Store").write_text("")
    (good / "README").write_text("")
    assert sorted(path for path, _ in found(good, "passed-over")) == [
        "train/dog/notes.txt",
        "train/dog/x.heic",
        "train/lost.jpg",
    ]


def test_an_empty_class_is_told_and_the_rest_looked_through(good):
    shutil.rmtree(good / "test/dog")
    (good / "train/bird").mkdir()
    assert found(good, "refused") == [("train has no photo of 'bird'",), *missing("test", "bird", "dog")]


def missing(part, *names):
    return [(f"{part} has no photo of {name!r}",) for name in names]


@pytest.mark.parametrize(("count", "is_few"), [(FEW - 1, True), (FEW, False)])
def test_a_class_of_few_photos_is_told(good, count, is_few):
    for path in sorted((good / "test/dog").iterdir())[count:]:
        path.unlink()
    assert bool(found(good, "few")) == is_few


@pytest.mark.parametrize(("count", "is_imbalance"), [(2, True), (3, False)])
def test_a_class_ten_times_smaller_than_the_largest_is_told(good, count, is_imbalance):
    for i in range(FEW, IMBALANCE * 2):
        save(good / f"train/cat/{i}.jpg", scene(5000 + i, (120, 160)))
    for path in sorted((good / "train/dog").iterdir())[count:]:
        path.unlink()
    assert found(good, "imbalance") == ([("train has 2 of 'dog' and 20 of 'cat'",)] if is_imbalance else [])


@pytest.mark.parametrize(("part", "message"), [("train", "there is no train/"), ("test", "there is no test/")])
def test_a_missing_part_is_told(good, part, message):
    shutil.rmtree(good / part)
    assert found(good, "refused") == [(message,)]


def test_one_class_is_told(good):
    for part in ("train", "test"):
        shutil.rmtree(good / part / "dog")
    assert found(good, "refused") == [("there is only one class, 'cat'",)]


def test_plain_class_folders_are_split_as_training_splits_them(tmp_path):
    make_classes(tmp_path, 20)
    for seed in (0, 1):
        parts = look_through(tmp_path, seed).parts
        folder = read_folder(tmp_path, seed)
        assert {path for path, part in parts.items() if part == "test"} == set(folder.test.paths)
        assert len(parts) == 40


def test_a_copy_in_plain_class_folders_leaks_when_the_split_parts_it(tmp_path):
    make_classes(tmp_path, 20)
    shutil.copy(tmp_path / "green/0.jpg", tmp_path / "green/x.jpg")
    leaks = set()
    for seed in range(8):
        report = look_through(tmp_path, seed)
        parts = {report.parts[tmp_path / name] for name in ("green/0.jpg", "green/x.jpg")}
        assert report.leaks == {"test": int(len(parts) == 2)}
        leaks |= set(report.leaks.values())
    assert leaks == {0, 1}


@pytest.mark.parametrize("folders", [[], ["train/cat", "test/cat"], ["cat", "dog"]])
def test_a_folder_without_a_photo_is_an_error(tmp_path, folders):
    for name in folders:
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(DataError, match="no photos in class folders") as caught:
        look_through(tmp_path)
    assert str(tmp_path) in caught.value.message


def test_a_zip_is_looked_through_with_what_was_not_unpacked(good, tmp_path):
    (good / "train/dog/x.heic").write_text("")
    (good / "README.md").write_text("")
    shutil.copy(good / "train/cat/0.jpg", good / "test/cat/x.jpg")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted(good.rglob("*.*")):
            archive.write(path, Path("photos", path.relative_to(good)))
    assert found(tmp_path / "photos.zip", "leak") == [("train/cat/0.jpg", "test/cat/x.jpg", "identical files")]
    assert found(tmp_path / "photos.zip", "passed-over") == [("photos/train/dog/x.heic", ".heic")]


def test_names_that_are_no_utf8_are_no_obstacle(good):
    folder = os.fsencode(good) + b"/train/cat/"
    shutil.copy(good / "train/cat/0.jpg", os.fsdecode(folder + b"\xff.jpg"))
    assert found(good, "duplicate") == [("train/cat/0.jpg", "train/cat/\udcff.jpg", "identical files")]


def test_the_worst_come_first(good):
    save(good / "train/dog/tiny.png", scene(7, (20, 300)))
    (good / "train/dog/x.jpg").write_text("no photo")
    shutil.copy(good / "train/cat/0.jpg", good / "train/cat/x.jpg")
    shutil.copy(good / "train/cat/1.jpg", good / "test/cat/x.jpg")
    kinds = [finding.kinds[0] for finding in look_through(good).findings]
    assert kinds == ["leak", "broken", "duplicate", "tiny"]


def test_training_is_warned_of_the_same_file_in_train_and_test(good, caplog):
    warn_about(read_folder(good), "photos")
    assert caplog.text == ""
    shutil.copy(good / "train/cat/0.jpg", good / "test/cat/x.jpg")
    warn_about(read_folder(good), "photos")
    assert "photos: 1 of the photos to test or validate by is also among those before" in caplog.text
    assert "test/cat/x.jpg" in caplog.text


def test_training_is_warned_of_a_class_out_of_balance(tmp_path, caplog):
    root = tmp_path / "photos"
    make_classes(root / "train", 20, ("green",))
    make_classes(root / "train", 2, ("red",), first_seed=99)
    make_classes(root / "test", 2, first_seed=500)
    warn_about(read_folder(root), "photos")
    assert caplog.messages == ["photos: the classes are out of balance: train has 2 of 'red' and 20 of 'green'."]


def test_the_warning_decodes_nothing_and_reads_only_files_of_equal_size(good, caplog, monkeypatch):
    read = []
    monkeypatch.setattr("hotdog_ft.data.check.sha256", lambda path: read.append(path) or str(path))
    (good / "test/cat/x.jpg").write_bytes((good / "train/cat/0.jpg").read_bytes() + b"\0")
    for path in [*good.rglob("*.jpg")]:
        path.write_bytes(path.read_bytes() + b"\0" * (20_000 * (path.parts[-3] == "test")))
    warn_about(read_folder(good), "photos")
    assert read == []


def test_files_that_are_alike_only_in_size_are_no_leak(tmp_path, caplog):
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            for i in range(3):
                path = tmp_path / part / name / f"{i}.bmp"
                save(path, draw((90, 90, 90), hash((part, name, i)) % 10_000))
    warn_about(read_folder(tmp_path), "photos")
    assert caplog.text == ""


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_PHOTOS.exists(), reason=f"{SHARED_PHOTOS} is not there")
def test_every_copy_planted_among_real_photos_is_found_and_hardly_anything_else(tmp_path):
    """Issue 5, point 3: at most 1 % false alarms among 2,800 photos. The true copies among them count as false here."""
    root = tmp_path / "photos"
    shutil.copytree(survey("photos", local_folder(str(SHARED_PHOTOS))).root, root)
    planted = plant(root, each=40, seed=0)
    missed, others = judge(look_through(root), planted)
    assert missed == {}
    assert len({path for pair in others for path in pair}) <= 28
