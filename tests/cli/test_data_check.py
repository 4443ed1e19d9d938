from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import pytest

from hotdog_ft.data.check import KINDS
from tests.cli.conftest import QUICK
from tests.conftest import make_classes


@pytest.fixture
def leaking(photos) -> Path:
    """8 photos a class in train, 3 in test, of which one is also in train."""
    shutil.copy(photos / "train/red/0.jpg", photos / "test/red/x.jpg")
    return photos


def test_counts_come_first_and_then_the_findings_the_worst_first(run_cli, leaking):
    status, out, err = run_cli("data", "check", leaking)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{leaking}: 23 photos"
    assert [line.split() for line in lines[1:4]] == [["class", "train", "test"], ["green", "8", "3"], ["red", "8", "4"]]
    found = lines[lines.index("found") + 1 :]
    assert [line.split()[:2] for line in found[:3]] == [["1", "leak"], ["4", "few"], ["23", "tiny"]]
    assert "leak  train/red/0.jpg  test/red/x.jpg  identical files" in found
    assert lines[-1] == "Leak: 1 of the 7 photos of test (14.3%) are also in train."


def test_findings_are_limited_and_all_of_them_shown_when_asked(run_cli, leaking):
    few, every = run_cli("data", "check", leaking)[1], run_cli("data", "check", leaking, "--all")[1]
    assert "and 8 more: --all shows them" in few
    assert "--all" not in every
    assert len(every.splitlines()) == len(few.splitlines()) + 8 - 1


def test_strict_fails_when_test_leaks_into_train_and_says_so(run_cli, leaking):
    status, out, err = run_cli("data", "check", leaking, "--strict")
    assert (status, err) == (1, "")
    assert out.splitlines()[-1] == "With --strict, that makes the exit status 1."
    assert run_cli("data", "check", leaking, "--strict", "--json")[0] == 1


def test_strict_fails_for_nothing_else(run_cli, photos):
    (photos / "train/red/x.jpg").write_text("no photo")
    shutil.copy(photos / "train/red/0.jpg", photos / "train/green/x.jpg")
    assert run_cli("data", "check", photos, "--strict")[0] == 0


def test_json_is_one_document_with_everything(run_cli, leaking):
    status, out, err = run_cli("data", "check", leaking, "--json")
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert list(document) == ["data", "root", "split", "photos", "counts", "found", "leaks", "findings"]
    assert document["counts"] == {"train": {"green": 8, "red": 8}, "test": {"green": 3, "red": 4}}
    assert document["found"] == {**dict.fromkeys(KINDS, 0), "leak": 1, "few": 4, "tiny": 23}
    assert document["leaks"] == {"test": 1}
    assert len(document["findings"]) == 28
    assert document["findings"][0] == {
        "kinds": ["leak"],
        "paths": ["train/red/0.jpg", "test/red/x.jpg"],
        "parts": ["train", "test"],
        "detail": "identical files",
        "similarity": None,
    }


def test_names_that_are_no_utf8_are_printed_and_are_json(run_cli, photos):
    shutil.copy(photos / "train/red/0.jpg", os.fsdecode(os.fsencode(photos) + b"/test/red/\xff.jpg"))
    assert r"test/red/\xff.jpg" in run_cli("data", "check", photos)[1]
    assert json.loads(run_cli("data", "check", photos, "--json")[1])["findings"][0]["paths"][1] == "test/red/\udcff.jpg"


def test_a_sheet_of_the_findings_is_drawn(run_cli, leaking):
    assert run_cli("data", "check", leaking, "--sheet", "new/sheet.png")[0] == 0
    assert cv2.imread("new/sheet.png") is not None
    assert [path.name for path in Path("new").iterdir()] == ["sheet.png"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere"], 2, "nowhere is not there"),
        (["."], 1, ".: no photos in class folders"),
        (["photos", "--sheet", "sheet.txt"], 2, "--sheet: sheet.txt is no PNG's name"),
    ],
)
def test_an_error_is_two_lines(run_cli, photos, arguments, status, message):
    Path("empty").mkdir()
    os.chdir("empty") if arguments == ["."] else None
    code, out, err = run_cli("data", "check", *arguments)
    assert (code, out) == (status, "")
    assert [line.split(":")[0] for line in err.splitlines()] == ["Error", "Hint"]
    assert message in err


def test_the_demo_has_no_copies(run_cli):
    document = json.loads(run_cli("data", "check", "demo", "--json")[1])
    assert {kind: count for kind, count in document["found"].items() if count} == {}


def test_plain_class_folders_are_shown_with_the_part_that_training_makes_of_them(run_cli, tmp_path):
    root = make_classes(tmp_path / "all", 10)
    shutil.copy(root / "red/0.jpg", root / "red/x.jpg")
    out = run_cli("data", "check", root, "--seed", 3)[1]
    assert "(split as training would split it)" in out
    assert "red/0.jpg (train)" in out


def test_training_warns_of_the_same_file_in_train_and_test(run_cli, leaking):
    status, _, err = run_cli("train", "--data", leaking, *QUICK)
    assert status == 0
    assert f"Warning: {leaking}: 1 of the photos to test or validate by is also among those before" in err


def test_training_is_quiet_about_it_when_asked(run_cli, leaking):
    assert "Warning" not in run_cli("train", "--data", leaking, *QUICK, "--quiet")[2]
