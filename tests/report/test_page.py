from __future__ import annotations

import html.parser
import re
from pathlib import Path

import pytest

from hotdog_ft.config import TrainConfig
from hotdog_ft.errors import RunError
from hotdog_ft.recipes.fine_tune import fine_tune
from hotdog_ft.stats import wilson_interval
from tests.conftest import make_classes

VOID = {"meta", "link", "img", "br", "source"}


class Page(html.parser.HTMLParser):
    """A page's elements, checked to be closed in order, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += f" {data}"


def train(tmp_path: Path, photos: Path, **options):
    """A quick run."""
    small = {"model": "mobilenet0.25", "weights": "none", "image_size": 32, "epochs": 1, "batch_size": 8}
    return fine_tune(TrainConfig(data=str(photos), out=str(tmp_path / "run"), **{**small, **options}))


def read(run) -> tuple[str, Page]:
    text = (run.folder / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


@pytest.fixture
def run(tmp_path, photos):
    return train(tmp_path, photos, val_split=0.25)


def test_a_report_is_one_file_that_needs_no_network_and_no_script(run):
    text, page = read(run)
    assert "script" not in {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "srcset", "href"):
            assert attributes.get(name, "data:").startswith("data:"), tag
    assert "url(" not in text
    assert "@import" not in text


def test_a_report_tells_all_of_a_run(run):
    _, page = read(run)
    low, high = (f"{value:.3f}" for value in wilson_interval(*run.tested))
    facts = [
        "train mobilenet0.25",
        f"{low} to {high}",
        f"{run.tested[0]} of 6 photos",
        "momentum",
        "val_split",
        "MXNet",
    ]
    for fact in [*facts, "CPU", "threads", "fingerprint", "random values", "Worst mistakes", "log loss", "precision"]:
        assert fact in page.text
    assert re.search(r"\b[0-9a-f]{64}\b", page.text)


def test_every_picture_has_a_text_in_its_place(run):
    images = [attributes for tag, attributes in read(run)[1].elements if tag == "img"]
    assert len(images) > 3
    assert all(image["alt"].strip() for image in images)


def test_mistakes_show_where_the_network_looked(tmp_path, photos):
    run = train(tmp_path, photos, seed=1, lr=1e-9)  # it stays as it begins, which is half wrong
    images = [attributes["alt"] for tag, attributes in read(run)[1].elements if tag == "img"]
    right, total = run.tested
    assert right < total
    assert images.count("The same, coloured where the network looked") == total - right


def test_a_network_that_cannot_be_explained_has_a_report_without_that(tmp_path, photos, monkeypatch):
    def refuse(net, device):
        raise RunError("toy can't be explained.", hint="Use another.")

    monkeypatch.setattr("hotdog_ft.recipes.fine_tune.Explainer", refuse)
    text, page = read(train(tmp_path, photos, seed=1, lr=1e-9))
    assert "Worst mistakes" in page.text
    assert "Grad-CAM" not in text


def test_numbers_of_photos_are_told_for_each_class_and_part(run):
    text, _ = read(run)
    rows = re.findall(r'<th scope="row">(\w+)</th><td>(\d+)</td><td>(\d+)</td><td>(\d+)</td></tr>', text)
    assert rows[-3:] == [("green", "6", "2", "3"), ("red", "6", "2", "3"), ("all", "12", "4", "6")]


NAMES = ["<script>alert(1)<", "a&b \"c\" 'd'", "$x^{$", "ホットドッグ", "{{ 7 * 7 }}", "x" * 200, "\udcff"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_of_a_class_is_text(tmp_path, name):
    photos = make_classes(tmp_path / "photos" / "train", 2).parent
    make_classes(photos / "test", 2, first_seed=50)
    for part in ("train", "test"):
        (photos / part / "red").rename(photos / part / name)
    _, page = read(train(tmp_path, photos))
    assert name.replace("\udcff", "\\xff") in page.text
    assert "script" not in {tag for tag, _ in page.elements}


def test_many_classes_are_a_picture_of_a_matrix(tmp_path):
    photos = tmp_path / "photos"
    for part in ("train", "test"):
        for i in range(14):
            make_classes(photos / part, 1, classes=("red",), first_seed=i)
            (photos / part / "red").rename(photos / part / f"class {i:02}")
    _, page = read(train(tmp_path, photos))
    assert "The confusion matrix." in [attributes.get("alt") for _, attributes in page.elements]


def test_a_network_as_it_starts_has_a_report(tmp_path, photos):
    assert "test accuracy" in read(train(tmp_path, photos, epochs=0))[1].text
