from __future__ import annotations

import shutil
import unicodedata

import pytest

from hotdog_ft.data.labelled import match_classes, open_labelled, read_labelled
from hotdog_ft.errors import ConfigError, DataError
from tests.conftest import make_classes

CLASSES = ("green", "red")


def names_of(split):
    return [(path.parent.name, int(label)) for path, label in zip(split.paths, split.labels)]


@pytest.mark.parametrize(("part", "count"), [(None, 3), ("test", 3), ("train", 8)])
def test_a_part_can_be_chosen_and_is_test_unless_told(photos, part, count):
    split, name = read_labelled(photos, CLASSES, part)
    assert name == (part or "test")
    assert names_of(split) == [("green", 0)] * count + [("red", 1)] * count


def test_a_plain_folder_is_taken_whole(photos):
    split, name = read_labelled(photos / "train", CLASSES)
    assert (len(split), name) == (16, "all")


def test_a_part_of_a_plain_folder_is_refused(photos):
    with pytest.raises(ConfigError, match=r"--split train: .* has no train/, val/ or test/"):
        read_labelled(photos / "train", CLASSES, "train")


def test_a_part_that_is_missing_is_named_with_one_that_is_there(photos):
    with pytest.raises(DataError, match=r"has test/, but no val/|has train/, but no val/"):
        read_labelled(photos, CLASSES, "val")


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_val_has_several_names_and_stands_for_a_missing_test(photos, name, caplog):
    (photos / "test").rename(photos / name)
    assert len(read_labelled(photos, CLASSES, "val")[0]) == 6
    assert caplog.text == ""
    assert len(read_labelled(photos, CLASSES)[0]) == 6
    assert f"has no test/; {name}/ is used" in caplog.text


@pytest.mark.parametrize("written", ["Red", "RED", "r_e-d", " r.e d"])
def test_case_and_separators_make_no_difference(photos, written):
    (photos / "test" / "red").rename(photos / "test" / written)
    assert (written, 1) in names_of(read_labelled(photos, CLASSES)[0])


def test_an_accent_written_in_two_ways_is_one_name():
    assert match_classes([unicodedata.normalize("NFD", "café")], ("bar", "café"), "here") == [1]


def test_the_same_name_wins_over_a_name_alike():
    assert match_classes(["hot_dog", "hotdog"], ("hotdog", "hot_dog"), "here") == [1, 0]


def test_a_name_that_could_mean_two_classes_is_refused():
    with pytest.raises(DataError, match=r"'Hot Dog' could be 'hotdog' or 'hot_dog'"):
        match_classes(["Hot Dog"], ("hotdog", "hot_dog"), "here")


def test_two_folders_of_one_class_are_refused():
    with pytest.raises(DataError, match=r"here: 'Hot_Dog' and 'hot-dog' both mean the model's class 'hotdog'"):
        match_classes(["Hot_Dog", "hot-dog"], ("hotdog", "pizza"), "here")


def test_a_class_unknown_to_the_model_is_named_with_those_it_knows(photos):
    (photos / "test" / "pizza").mkdir()
    with pytest.raises(DataError, match="'pizza' is unknown to the model") as caught:
        read_labelled(photos, CLASSES)
    assert "green, red" in caught.value.hint


def test_names_without_a_letter_are_not_alike():
    with pytest.raises(DataError, match="unknown"):
        match_classes(["--"], ("__", "red"), "here")


def test_a_class_may_be_missing_or_empty(photos, caplog):
    shutil.rmtree(photos / "test" / "green")
    assert names_of(read_labelled(photos, CLASSES)[0]) == [("red", 1)] * 3
    (photos / "test" / "green").mkdir()
    assert names_of(read_labelled(photos, CLASSES)[0]) == [("red", 1)] * 3
    assert "green: no photos in it" in caplog.text


def test_one_class_with_subfolders_is_not_mistaken_for_a_folder_around_everything(tmp_path):
    make_classes(tmp_path / "photos" / "red", 2, classes=("green", "blue"))
    assert {label for _, label in names_of(read_labelled(tmp_path / "photos", CLASSES)[0])} == {1}


def test_a_folder_around_everything_is_gone_into(photos, tmp_path):
    (tmp_path / "outer").mkdir()
    photos.rename(tmp_path / "outer" / "photos")
    assert len(read_labelled(tmp_path / "outer", CLASSES)[0]) == 6


def test_an_archive_is_named_as_the_user_named_it(photos, tmp_path):
    shutil.rmtree(photos / "train")
    make_classes(photos / "test", 1, classes=("blue",))
    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", photos)
    assert len(open_labelled(archive, ("blue", "green", "red"))[0]) == 7
    with pytest.raises(DataError) as caught:
        open_labelled(archive, CLASSES)
    assert caught.value.message.startswith(f"{archive}/test: class folder 'blue'")


@pytest.mark.parametrize("names", [[], ["red", "green"]])
def test_a_folder_without_photos_is_refused(tmp_path, names):
    for name in names:
        (tmp_path / "none" / name).mkdir(parents=True)
    (tmp_path / "none").mkdir(exist_ok=True)
    with pytest.raises(DataError, match=r"no images|no class folders"):
        read_labelled(tmp_path / "none", CLASSES)


@pytest.mark.parametrize("part", [None, "train"])
def test_the_folder_around_everything_may_have_a_classs_name(photos, tmp_path, part):
    # As the book's archive has it: hotdog/train/hotdog, hotdog/test/hotdog.
    around = tmp_path / "around"
    (around / "green").mkdir(parents=True)
    shutil.move(photos / "train", around / "green" / "train")
    shutil.move(photos / "test", around / "green" / "test")
    split, name = read_labelled(around, ("green", "red"), part)
    assert (name, len(split)) == (part or "test", 16 if part else 6)
    assert sorted(set(split.labels.tolist())) == [0, 1]
