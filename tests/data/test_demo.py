import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hotdog_ft.data import demo
from hotdog_ft.data.demo.foods import hotdog
from hotdog_ft.data.demo.pen import Pen
from hotdog_ft.data.photo import read_photo


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    demo.write_demo(folder)
    return folder


@pytest.fixture(scope="module")
def train_photos():
    """(photo, class) of the whole train split, as drawn."""
    count = demo.PHOTOS_PER_CLASS["train"]
    return [(demo.demo_photo("train", name, index), name) for name in demo.CLASSES for index in range(count)]


def test_same_seed_draws_identical_pixels():
    for name in demo.CLASSES:
        first, second = (demo.draw_food(name, np.random.default_rng((3, 1))) for _ in range(2))
        assert first.image.tobytes() == second.image.tobytes()
        assert (first.box, first.food) == (second.box, second.food)


def test_same_seed_writes_identical_files(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "PHOTOS_PER_CLASS", {"train": 3, "test": 2})
    demo.write_demo(tmp_path)
    photos = sorted(tmp_path.rglob("*.jpg"))
    assert len(photos) == 10
    for photo in photos:
        assert photo.read_bytes() == (folder / photo.relative_to(tmp_path)).read_bytes()


@pytest.mark.parametrize("other", [("train", "hotdog", 0, 1), ("test", "hotdog", 0, 0), ("train", "hotdog", 1, 0)])
def test_another_seed_split_or_index_is_another_photo(other):
    assert demo.demo_photo("train", "hotdog", 0, 0).image.tobytes() != demo.demo_photo(*other).image.tobytes()


def test_every_class_folder_has_its_photos(folder):
    counts = {path.relative_to(folder).as_posix(): len(list(path.glob("*.jpg"))) for path in folder.glob("*/*")}
    assert counts == {"train/hotdog": 160, "train/not-hotdog": 160, "test/hotdog": 60, "test/not-hotdog": 60}


def test_whole_set_takes_a_few_megabytes(folder):
    assert sum(path.stat().st_size for path in folder.rglob("*.*")) < 8e6


def test_boxes_file_names_every_photo_and_lies_inside_it(folder):
    boxes = json.loads((folder / "boxes.json").read_text(encoding="utf-8"))
    assert sorted(boxes) == sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    for name in list(boxes)[::20]:
        height, width, _ = read_photo(folder / name).shape
        left, top, right, bottom = boxes[name]
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_food_fills_part_of_the_photo_and_is_not_always_in_the_middle(train_photos):
    parts, offsets = [], []
    for photo, _ in train_photos:
        size = np.array(photo.image.shape[1::-1])
        first, last = np.reshape(photo.box, (2, 2)) / size
        parts.append(np.prod(last - first))
        offsets.append(np.abs((first + last) / 2 - 0.5).max())
    assert min(parts) > 0.04
    assert max(parts) < 0.75
    assert np.median(parts) < 0.4
    assert np.median(offsets) > 0.1


def test_box_holds_what_was_painted():
    image = np.zeros((3, 200, 240), np.float32)
    pen = Pen(image, (130, 90), 60, 0.4, np.array([0, 0, 1.0]), np.random.default_rng(0))
    hotdog(pen, np.random.default_rng(1))
    rows, columns = np.nonzero(image.max(axis=0) > 40)  # on black no shadow shows
    assert pen.box() == pytest.approx((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), abs=3)


def test_every_food_is_in_the_train_split(train_photos):
    assert {photo.food for photo, name in train_photos if name == "hotdog"} == {"hotdog"}
    assert {photo.food for photo, name in train_photos if name == "not-hotdog"} == set(demo.OTHER_FOODS)


def test_photos_are_rgb_bytes_of_varied_sizes(train_photos):
    shapes = {photo.image.shape for photo, _ in train_photos}
    assert {photo.image.dtype for photo, _ in train_photos} == {np.dtype(np.uint8)}
    assert {shape[2] for shape in shapes} == {3}
    assert {min(shape[:2]) for shape in shapes} <= set(range(140, 201))
    assert len(shapes) > 100
    assert any(height > width for height, width, _ in shapes)
    assert any(height < width for height, width, _ in shapes)


def test_mean_colour_does_not_tell_the_classes_apart(train_photos):
    colours = [photo.image.mean(axis=(0, 1)) for photo, _ in train_photos]
    names = [name for _, name in train_photos]
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    assert classifier.fit(colours[::2], names[::2]).score(colours[1::2], names[1::2]) < 0.8
