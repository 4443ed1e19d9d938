from __future__ import annotations

import cv2
import numpy as np
import pytest

from hotdog_ft.data.check import Finding
from hotdog_ft.report.contact_sheet import draw_findings
from tests.conftest import save


@pytest.fixture
def sheet(tmp_path):
    """A function that draws findings and reads the picture: uint8 BGR."""

    def draw(*findings):
        draw_findings("photos", findings, tmp_path, tmp_path / "sheet.png")
        return cv2.imread(str(tmp_path / "sheet.png"))

    return draw


@pytest.fixture
def colours(tmp_path):
    """Two photos, of one colour each (BGR)."""
    paths = []
    for name, colour in (("red", (0, 0, 200)), ("blue", (200, 0, 0))):
        paths.append(save(tmp_path / "train" / f"{name}.png", np.full((90, 120, 3), colour[::-1], np.uint8)))
    return tuple(paths)


def columns_of(image, colour):
    """The columns that have a pixel of this colour."""
    return np.flatnonzero((image == colour).all(axis=2).any(axis=0))


def test_a_pair_is_drawn_side_by_side(sheet, colours):
    image = sheet(Finding(("leak",), "cropped", colours, 0.9))
    left, right = columns_of(image, (0, 0, 200)), columns_of(image, (200, 0, 0))
    assert len(left) == len(right) > 100
    assert left.max() < right.min()


def test_cards_do_not_overlap(sheet, colours):
    image = sheet(*[Finding(("tiny",), "", colours[:1])] * 7)
    cells, *_ = cv2.connectedComponents((image == (0, 0, 200)).all(axis=2).astype(np.uint8))
    assert cells - 1 == 7


@pytest.mark.parametrize("paths", [0, 1, 2])
def test_what_has_no_photo_to_show_is_drawn_too(sheet, tmp_path, paths):
    (tmp_path / "text.jpg").write_text("no photo")
    image = sheet(Finding(("broken",), "not an image", (tmp_path / "text.jpg",) * paths))
    assert len(np.unique(image)) > 10  # letters


@pytest.mark.parametrize("name", ["x" * 200, "\udcff", "a\nb", "热狗", "d/" * 60 + "e", "$x_1$"])
def test_any_name_stays_within_its_card(sheet, tmp_path, name):
    image = sheet(Finding(("passed-over", "tiny"), name, (tmp_path / name, tmp_path / name)))
    assert (image[:, -900:] == 255).all() or image.shape[1] < 1000  # the second and third card are empty


def test_nothing_found_is_a_sheet_with_a_title(sheet):
    assert len(np.unique(sheet())) > 10
