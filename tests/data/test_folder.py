from __future__ import annotations

import shutil

import numpy as np
import pytest

from hotdog_ft.data.folder import find_photos, read_folder
from hotdog_ft.errors import DataError
from tests.conftest import draw, make_classes, save


def names(split):
    return [f"{path.parent.name}/{path.name}" for path in split.paths]


def test_classes_are_in_order_and_labels_match(photos):
    folder = read_folder(photos)
    assert folder.classes == ("green", "red")
    assert folder.train.labels.tolist() == [0] * 8 + [1] * 8
    assert folder.train.labels.dtype == np.int32
    assert names(folder.test) == [f"{c}/{i}.jpg" for c in ("green", "red") for i in range(3)]


def test_one_folder_around_everything_is_gone_into(tmp_path, photos):
    outer = tmp_path / "archive"
    outer.mkdir()
    shutil.move(photos, outer / "hotdog")
    assert len(read_folder(outer).train) == 16


def test_only_class_folders_are_split_by_the_seed(tmp_path):
    root = make_classes(tmp_path / "all", 10, ("blue", "green", "red"))
    folder = read_folder(root, seed=1)
    assert np.bincount(folder.test.labels).tolist() == [2, 2, 2]  # a fifth of each
    assert np.bincount(folder.train.labels).tolist() == [8, 8, 8]
    assert not set(folder.train.paths) & set(folder.test.paths)
    assert names(read_folder(root, seed=1).test) == names(folder.test)
    assert names(read_folder(root, seed=2).test) != names(folder.test)


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_other_names_for_test_are_understood_and_told(photos, name, caplog):
    (photos / "test").rename(photos / name)
    assert len(read_folder(photos).test) == 6
    assert f"{name}/ is used as the test set" in caplog.text


def test_train_val_and_test_keep_their_parts(photos):
    make_classes(photos / "val", 2)
    folder = read_folder(photos)
    assert (len(folder.train), len(folder.validation), len(folder.test)) == (16, 4, 6)
    with pytest.raises(DataError, match="has a validation part already"):
        folder.hold_out(0.2, seed=0)


def test_holding_out_takes_the_same_part_of_each_class(photos):
    folder = read_folder(photos).hold_out(0.25, seed=3)
    assert np.bincount(folder.validation.labels).tolist() == [2, 2]
    assert len(folder.train) == 12
    assert not set(folder.train.paths) & set(folder.validation.paths)
    assert names(read_folder(photos).hold_out(0.25, seed=3).validation) == names(folder.validation)


def test_holding_out_nothing_changes_nothing(photos):
    folder = read_folder(photos)
    assert folder.hold_out(0, seed=0) is folder


def test_holding_out_everything_is_an_error(tmp_path):
    make_classes(tmp_path / "train", 1)
    make_classes(tmp_path / "test", 1)
    with pytest.raises(DataError, match="no photo of 'green'"):
        read_folder(tmp_path).hold_out(0.5, seed=0)


def test_suffixes_are_known_in_any_case_and_hidden_files_are_not_photos(tmp_path):
    for name in ("a.JPG", "b.jpeg", "c.PnG", "d.webp", "e.tif", ".hidden.jpg", "._a.jpg", "notes.txt", "deep/f.bmp"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "g.jpg").write_bytes(b"x")
    assert [path.name for path in find_photos(tmp_path)] == ["a.JPG", "b.jpeg", "c.PnG", "d.webp", "e.tif", "f.bmp"]


def test_files_that_are_not_photos_are_counted(tmp_path, caplog):
    save(tmp_path / "a.jpg", draw((0, 0, 0), 0))
    for name in ("b.heic", "c.heic", "notes.txt"):
        (tmp_path / name).write_text("")
    find_photos(tmp_path)
    assert "2 .heic, 1 .txt" in caplog.text


def test_the_fingerprint_changes_with_the_photos(photos):
    before = read_folder(photos).fingerprint()
    assert read_folder(photos).fingerprint() == before
    save(photos / "train" / "red" / "0.jpg", draw((255, 0, 0), 0, (50, 50)))
    assert read_folder(photos).fingerprint() != before


def test_the_fingerprint_is_the_same_in_another_place(photos, tmp_path):
    before = read_folder(photos).fingerprint()
    shutil.copytree(photos, tmp_path / "elsewhere")
    assert read_folder(tmp_path / "elsewhere").fingerprint() == before


def break_empty_class(root):
    for path in (root / "train" / "red").iterdir():
        path.unlink()


def break_single_class(root):
    shutil.rmtree(root / "train" / "red")
    shutil.rmtree(root / "test" / "red")


def break_no_train(root):
    shutil.rmtree(root / "train")


def break_no_test(root):
    shutil.rmtree(root / "test")


def break_extra_test_class(root):
    make_classes(root / "test", 1, ("blue",))


def break_missing_test_class(root):
    shutil.rmtree(root / "test" / "red")


def break_empty_folder(root):
    shutil.rmtree(root)
    root.mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_empty_class, "no images in 'red'"),
        (break_single_class, "only one class, 'green'"),
        (break_no_train, "no train/"),
        (break_no_test, "no test/"),
        (break_extra_test_class, "'blue' has no counterpart in train/"),
        (break_missing_test_class, "no images in 'red'"),
        (break_empty_folder, "no class folders"),
    ],
)
def test_a_folder_that_lacks_something_is_named_with_the_fix(photos, damage, message):
    damage(photos)
    with pytest.raises(DataError) as caught:
        read_folder(photos)
    assert message in caught.value.message
    assert str(photos) in caught.value.message
    assert caught.value.hint


def test_a_class_of_one_photo_without_train_and_test_is_an_error(tmp_path):
    make_classes(tmp_path, 5, ("green",))
    make_classes(tmp_path, 1, ("red",))
    with pytest.raises(DataError, match="'red' has one photo"):
        read_folder(tmp_path)
