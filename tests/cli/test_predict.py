from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CLASSES


def records(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def lines(text: str) -> io.TextIOWrapper:
    """Standard input with these lines on it."""
    return io.TextIOWrapper(io.BytesIO(text.encode()))


def paths_in(out: str) -> list[str]:
    return [record["path"] for record in records(out)]


def process(run, *arguments, **options) -> subprocess.CompletedProcess:
    """`predict` in a process of its own, as bytes, where what is no UTF-8 can't be written, as in most locales."""
    command = [sys.executable, "-m", "hotdog_ft", "predict", *arguments, "--run", run]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    return subprocess.run(command, capture_output=True, timeout=240, check=False, env=environment, **options)


def test_a_photo_gets_a_line_with_probability_label_and_path(predict, photo):
    status, out, err = predict(photo)
    probability, label, path = out.split()
    assert (status, err) == (0, "")
    assert probability.endswith("%")
    assert 50 <= float(probability[:-1]) <= 100
    assert label in CLASSES
    assert path == str(photo)


def test_photos_are_answered_in_the_order_given(predict, photos):
    given = [str(photos / "test" / name) for name in ("red/2.jpg", "green/0.jpg", "red/0.jpg", "red/2.jpg")]
    assert paths_in(predict(*given, "--json")[1]) == given


def test_a_folder_stands_for_its_photos_in_order(predict, photos):
    expected = sorted(map(str, photos.rglob("*.jpg")))
    assert len(expected) == 22
    assert paths_in(predict(photos, "--json")[1]) == expected


def test_a_pattern_stands_for_what_it_matches(predict, photos):
    out = predict(photos / "test" / "*" / "[01].jpg", "--json")[1]
    assert paths_in(out) == [
        str(photos / "test" / name) for name in "green/0.jpg green/1.jpg red/0.jpg red/1.jpg".split()
    ]


def test_a_folder_that_a_pattern_matches_stands_for_its_photos(predict, photos):
    assert paths_in(predict(photos / "te*", "--json")[1]) == sorted(map(str, (photos / "test").rglob("*.jpg")))


def test_a_pattern_of_any_depth_gives_each_photo_once(predict, photos):
    assert paths_in(predict(photos / "**", "--json")[1]) == sorted(map(str, photos.rglob("*.jpg")))


def test_a_photo_whose_name_looks_like_a_pattern_is_that_photo(predict, photo):
    path = shutil.copy(photo, "[0].jpg")
    assert paths_in(predict(path, "--json")[1]) == [path]


def test_a_dash_stands_for_the_lines_of_standard_input(predict, photos, monkeypatch):
    given = [str(photos / "test" / "red" / name) for name in ("1.jpg", "0.jpg")]
    monkeypatch.setattr(sys, "stdin", lines(f"{given[0]}\n\n{given[1]}\r\n"))
    status, out, _ = predict("-", "--json")
    assert status == 0
    assert paths_in(out) == given


def test_nothing_on_standard_input_is_no_error(predict, monkeypatch):
    monkeypatch.setattr(sys, "stdin", lines(""))
    assert predict("-") == (0, "", "")


def test_json_has_the_promised_keys(predict, photo, broken):
    good, bad = records(predict(photo, broken, "--json")[1])
    assert list(good) == ["path", "label", "probability", "probabilities"]
    assert list(bad) == ["path", "error"]


def test_json_probabilities_are_of_every_class_and_sum_to_one(predict, photos):
    for record in records(predict(photos / "test", "--json")[1]):
        assert tuple(record["probabilities"]) == CLASSES
        assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-6)
        assert record["probability"] == max(record["probabilities"].values())
        assert record["probability"] == record["probabilities"][record["label"]]


def test_csv_is_read_back(predict, photo, broken):
    good, bad = csv.DictReader(io.StringIO(predict(photo, broken, "--csv")[1], newline=""))
    assert list(good) == ["path", "label", "probability", *CLASSES, "error"]
    assert good["path"] == str(photo)
    assert good["probability"] == good[good["label"]]
    assert float(good["green"]) + float(good["red"]) == pytest.approx(1, abs=1e-6)
    assert good["error"] == ""
    assert bad["path"] == str(broken)
    assert str(broken) in bad["error"]
    assert bad["label"] == bad["probability"] == bad["green"] == ""


def test_csv_and_json_give_the_same_numbers(predict, photos):
    rows = csv.DictReader(io.StringIO(predict(photos / "test", "--csv")[1], newline=""))
    for row, record in zip(rows, records(predict(photos / "test", "--json")[1])):
        assert float(row["red"]) == pytest.approx(record["probabilities"]["red"], abs=1e-6)


def test_a_broken_photo_costs_the_exit_status_and_not_the_others(predict, photo, broken):
    alone = predict(photo, "--json")[1]
    status, out, err = predict(broken, photo, "nosuch.jpg", photo, "--json")
    assert (status, err) == (1, "")
    assert paths_in(out) == [str(broken), str(photo), "nosuch.jpg", str(photo)]
    assert records(out)[1]["label"] == records(out)[3]["label"] == records(alone)[0]["label"]


def test_in_the_table_a_broken_photo_is_told_on_stderr(predict, photo, broken):
    status, out, err = predict(broken, photo)
    assert status == 1
    assert out.split()[2] == str(photo)
    assert err.startswith(f"Error: {broken}: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("other", ["empty", "nosuch*.jpg"])
def test_a_folder_or_pattern_without_photos_does_not_cost_the_others(predict, photo, other):
    Path("empty").mkdir()
    status, out, err = predict(photo, other, photo, "--json")
    assert status == 1
    assert [record["path"] for record in records(out) if "label" in record] == [str(photo)] * 2
    assert other in out + err


def test_the_batch_size_does_not_change_the_answers(predict, photos):
    one, seven = (records(predict(photos, "--json", "--batch-size", size)[1]) for size in (1, 7))
    assert [record["path"] for record in one] == [record["path"] for record in seven]
    for first, second in zip(one, seven):
        assert first["probabilities"] == pytest.approx(second["probabilities"], abs=1e-5)


NAMES = ["two words.jpg", "two\nlines.jpg", "\U0001f32d.jpg", os.fsdecode(b"\xff.jpg"), "a,b\"c'd.jpg", "\x1b[31m.jpg"]


@pytest.fixture
def odd(photo) -> list[str]:
    """Photos with odd names, and after each a broken one with such a name."""
    paths = []
    for name in NAMES:
        paths.append(shutil.copy(photo, name))
        Path("broken " + name).write_text("not a photo")
        paths.append("broken " + name)
    return paths


def test_odd_names_come_back_from_json(run, odd):
    done = process(run, *odd, "--json")
    assert done.stderr == b""
    assert done.returncode == 1
    assert paths_in(done.stdout.decode()) == odd
    assert ["error" in record for record in records(done.stdout.decode())] == [False, True] * len(NAMES)


def test_odd_names_give_whole_csv_rows(run, odd):
    done = process(run, *odd, "--csv")
    assert done.stderr == b""
    assert done.returncode == 1
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))
    assert [bool(row["error"]) for row in rows] == [False, True] * len(NAMES)
    assert all(value.isprintable() for row in rows for value in row.values())


def test_odd_names_give_a_line_each_in_the_table(run, odd):
    done = process(run, *odd)
    assert done.returncode == 1
    for output in (done.stdout.decode(), done.stderr.decode()):
        assert len(output.splitlines()) == len(NAMES)
        assert all(line.isprintable() for line in output.splitlines())


def test_odd_names_are_read_from_standard_input(run, odd):
    given = [path for path in odd if "\n" not in path and "broken" not in path]
    done = process(run, "-", "--json", input=os.fsencode("\n".join(given)))
    assert done.stderr == b""
    assert done.returncode == 0
    assert paths_in(done.stdout.decode()) == given


def test_a_reader_that_has_seen_enough_is_no_error(run, photo):
    command = [sys.executable, "-m", "hotdog_ft", "predict", "-", "--json", "--run", run]
    Path("paths").write_text(f"{photo}\n" * 2000)  # more answers than a pipe holds
    with (
        Path("paths").open() as paths,
        subprocess.Popen(command, stdin=paths, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
    ):
        assert process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(timeout=120) in (0, 141)
    assert err == b""


@pytest.mark.parametrize("part", ["", "model"])
def test_a_run_works_wherever_it_is_taken(run_cli, run, photo, tmp_path, part):
    moved = shutil.copytree(run / part, tmp_path / "another place" / "mine")
    expected = run_cli("predict", photo, "--run", run)
    assert run_cli("predict", photo, "--run", moved) == expected


def test_the_latest_run_is_the_default(run_cli, run, photo, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "latest").symlink_to(run)
    assert run_cli("predict", photo) == run_cli("predict", photo, "--run", run)


@pytest.mark.parametrize("form", ["--json", "--csv", None])
def test_what_is_not_sure_enough_is_unknown(predict, photo, form):
    out = predict(photo, "--unknown-below", 1, *([form] if form else []))[1]
    if form == "--json":
        (record,) = records(out)
        assert (record["label"], record["probability"]) == ("unknown", max(record["probabilities"].values()))
        assert tuple(record["probabilities"]) == CLASSES
    elif form == "--csv":
        (row,) = csv.DictReader(io.StringIO(out, newline=""))
        assert (row["label"], float(row["probability"])) == ("unknown", max(float(row[name]) for name in CLASSES))
    else:
        assert out.split()[1] == "unknown"


def test_what_is_just_sure_enough_is_answered(predict, photo):
    (record,) = records(predict(photo, "--json")[1])
    (again,) = records(predict(photo, "--json", "--unknown-below", record["probability"])[1])
    assert again == record


@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan"])
def test_a_probability_that_is_none_is_refused(predict, photo, value):
    status, out, err = predict(photo, "--unknown-below", value)
    assert (status, out) == (2, "")
    assert err.startswith("Error: --unknown-below: should be from 0 to 1")


def test_flip_makes_a_photo_and_its_mirror_image_the_same(predict, photo, tmp_path):
    import cv2

    image = cv2.imread(str(photo))[:32, :32]  # not to be resized, which isn't quite symmetric
    given, mirrored = tmp_path / "given.png", tmp_path / "mirrored.png"
    cv2.imwrite(str(given), image)
    cv2.imwrite(str(mirrored), image[:, ::-1])
    first, second = records(predict(given, mirrored, "--tta", "flip", "--json")[1])
    assert first["probability"] == pytest.approx(second["probability"], abs=1e-6)
