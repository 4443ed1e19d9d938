"""`predict --explain`, by the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import cv2
import pytest

from hotdog_ft.inference.explain import SHOWN
from tests.cli.processes import limited
from tests.conftest import draw, save


def records(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def test_each_photo_has_a_picture_and_the_answer_names_it(predict, photos, broken):
    plain = records(predict(photos / "test", broken, "--json")[1])
    status, out, err = predict(photos / "test", broken, "--json", "--explain", "maps")
    assert status == 1  # for the broken one
    found = records(out)
    places = [record.pop("explanation") for record in found[:-1]]
    assert found == plain
    assert sorted(places) == sorted(str(path) for path in Path("maps").iterdir())
    assert {cv2.imread(place).shape for place in places} == {(SHOWN, SHOWN, 3)}
    assert places[3] == "maps/0-2.jpg"  # red/0.jpg, after green/0.jpg
    assert err.endswith("Info: 6 photos explained in maps.\n")


def test_nothing_is_written_over(predict, photo):
    Path("maps").mkdir()
    Path("maps/0.jpg").write_text("mine")
    assert predict(photo, "--explain", "maps")[0] == 0
    assert Path("maps/0.jpg").read_text() == "mine"
    assert cv2.imread("maps/0-2.jpg") is not None


def test_csv_has_a_column_for_it(predict, photo, broken):
    out = predict(photo, broken, "--csv", "--explain", "maps", "--top", "2")[1]
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert [row["explanation"] for row in rows] == ["maps/0.jpg", ""]
    assert "explanation" not in predict(photo, "--csv")[1]


def test_sorted_answers_and_sorted_photos(predict, photos):
    options = ["--sort", "doubt", "--json", "--move-to", "sorted", "--explain", "maps"]
    status, out, err = predict(photos / "test", *options)
    assert status == 0
    assert len({record["explanation"] for record in records(out)}) == 6
    assert "6 photos moved" in err
    assert len(list(Path("maps").iterdir())) == 6


@pytest.mark.parametrize("name", ["grüße\n.jpg", "-.jpg", "a.b.jpg", "x" * 240 + ".jpg", "🌭.jpg"], ids=ascii)
def test_any_name(predict, name):
    save(Path("plain.jpg"), draw((200, 0, 0), 0))
    Path("in").mkdir()
    Path("plain.jpg").rename(Path("in") / name)
    status, out, _ = predict("in", "--json", "--explain", "maps")
    assert status == 0
    (record,) = records(out)
    assert Path(record["explanation"]).name.startswith(name[:3].split(".jpg")[0])
    assert Path(record["explanation"]).is_file()


@pytest.mark.parametrize("folder", ["", "file"])
def test_what_is_no_folder(predict, photo, folder):
    Path("file").write_text("mine")
    status, _, err = predict(photo, "--explain", folder)
    assert status == 2
    assert err == f"Error: --explain: {folder!r} is no folder.\nHint: Name a folder; it is made if need be.\n"


def test_a_full_disk_is_told_and_leaves_no_half_picture(run, photo):
    done = limited(1000, ["predict", photo, "--run", run, "--json", "--explain", "maps"])
    assert done.returncode == 1
    assert "explanation" not in json.loads(done.stdout)
    assert f"{photo}: not explained in maps: " in done.stderr
    assert list(Path("maps").iterdir()) == []
