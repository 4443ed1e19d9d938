from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hotdog_ft.recipes.show import show_photos
from tests.conftest import save


def grey(value: int) -> np.ndarray:
    return np.full((30, 30, 3), value, dtype=np.uint8)


@pytest.fixture
def greys(tmp_path) -> Path:
    """Ten photos a class, from dark to light: photo i has the grey 20 * i."""
    for split in ("train", "test"):
        for name in ("first", "second"):
            for i in range(10):
                save(tmp_path / "greys" / split / name / f"{i}.png", grey(20 * i))
    return tmp_path / "greys"


def cells(path: Path) -> np.ndarray:
    """The grey in the middle of each photo of a picture of 2 x 8, as which photo that is: shape (2, 8)."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(float)
    height, width = image.shape
    columns = ((np.arange(8) + 0.5) * width / 8).astype(int)
    rows = [int(0.3 * height), int(0.8 * height)]
    return np.round(image[np.ix_(rows, columns)] / 20).astype(int)


def test_the_first_eight_of_one_class_and_the_last_eight_of_the_other_are_shown(greys, tmp_path):
    # The book's own: hotdogs = [train_imgs[i] for i in range(8)], not_hotdogs = [train_imgs[-i - 1] for i in range(8)]
    path = show_photos(str(greys), tmp_path / "show.png")
    assert cells(path).tolist() == [[0, 1, 2, 3, 4, 5, 6, 7], [9, 8, 7, 6, 5, 4, 3, 2]]


def test_a_photo_that_cannot_be_read_makes_room_for_the_next(greys, tmp_path):
    (greys / "train" / "first" / "2.png").write_text("not a photo")
    path = show_photos(str(greys), tmp_path / "show.png")
    assert cells(path)[0].tolist() == [0, 1, 3, 4, 5, 6, 7, 8]


def test_classes_of_few_photos_are_shown(greys, tmp_path):
    for name in "3456789":
        (greys / "train" / "first" / f"{name}.png").unlink()
    path = show_photos(str(greys), tmp_path / "show.png")
    assert cells(path)[0, :3].tolist() == [0, 1, 2]


def test_augmented_photos_have_the_networks_size(greys, tmp_path):
    path = show_photos(str(greys), tmp_path / "show.png", augmented=True, model="efficientnet_lite1")
    assert cells(path)[1].tolist() == [9, 8, 7, 6, 5, 4, 3, 2]


def test_the_pictures_path_is_returned(greys, tmp_path):
    assert show_photos(str(greys), tmp_path / "new" / "show.png") == tmp_path / "new" / "show.png"
