from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import cv2
import pytest

from hotdog_ft.config import TrainConfig
from hotdog_ft.recipes.compare import Comparison, difference
from hotdog_ft.recipes.experiment import Point
from hotdog_ft.stats import paired_difference, wilson_interval


@pytest.fixture
def options(quick, source) -> list:
    return ["compare", *quick, "--weights", source, "--out", "c"]


def points() -> dict[str, dict]:
    lines = Path("c/points.jsonl").read_text().splitlines()
    return {point["name"]: point for point in map(json.loads, lines)}


ROW = re.compile(r"(.{16})  +(\d|mean)  .*  ([01]\.\d{3})  (?:([01]\.\d{3}) to ([01]\.\d{3})| +)  +[\d.]+  +[\d.]+")


def test_each_way_and_seed_has_a_row_with_its_interval(run_cli, options):
    status, out, err = run_cli(*options, "--seeds", 2, "--also", "freeze,probe")
    assert status == 0, err
    rows = [match.groups() for match in map(ROW.fullmatch, out.splitlines()) if match]
    ways = ("fine-tuned", "from scratch", "frozen features", "probe")
    assert [(row[0].strip(), row[1]) for row in rows] == [(way, seed) for way in ways for seed in ("0", "1", "mean")]
    for _, _, accuracy, low, high in (row for row in rows if row[1] != "mean"):
        right = round(float(accuracy) * 6)
        assert (float(low), float(high)) == pytest.approx(wilson_interval(right, 6), abs=0.0006)


def test_the_difference_is_of_the_same_photos(run_cli, options):
    _, out, _ = run_cli(*options, "--seeds", 1)
    first, second = (
        [letter == "1" for letter in points()[f"{way}-seed-0"]["right"]] for way in ("finetune", "scratch")
    )
    expected = paired_difference(first, second)
    line = next(line for line in out.splitlines() if line.startswith("  seed 0: "))
    assert f"{expected.difference:+.3f} ({expected.low:+.3f} to {expected.high:+.3f})" in line
    assert line.endswith(f"p = {expected.p_value:.2g}")
    (difference,) = json.loads(Path("c/compare.json").read_text())["differences"]
    assert difference["by_seed"][0]["p_value"] == expected.p_value


def test_what_is_right_agrees_with_the_accuracy_of_training(run_cli, options):
    run_cli(*options, "--seeds", 1)
    for point in points().values():
        assert point["right"].count("1") / 6 == pytest.approx(point["results"][-1]["test_acc"])


def test_each_way_has_its_own_learning_rate(run_cli, options):
    run_cli(*options, "--seeds", 1, "--lr", 0.02, "--scratch-lr", 0.2)
    tuned, scratch = (
        TrainConfig.from_sources({}, f"c/{way}-seed-0/config.yaml", {}) for way in ("finetune", "scratch")
    )
    assert (tuned.lr, tuned.output_lr_mult, tuned.weights) == (0.02, 10, str(Path("source.params").absolute()))
    assert (scratch.lr, scratch.output_lr_mult, scratch.weights) == (0.2, 1, "none")


def test_the_files_say_the_same_as_the_table(run_cli, options):
    _, out, _ = run_cli(*options, "--seeds", 2)
    rows = list(csv.DictReader(Path("c/compare.csv").read_text().splitlines()))
    assert [(row["training"], row["seed"]) for row in rows] == [
        ("finetune", "0"), ("finetune", "1"), ("scratch", "0"), ("scratch", "1")
    ]  # fmt: skip
    assert f"{float(rows[0]['loss']):.3f}" == out.splitlines()[1].split()[2]
    assert json.loads(Path("c/compare.json").read_text())["trainings"][3]["loss"] == float(rows[3]["loss"])
    assert cv2.imread("c/compare.png").shape[1] > 600


def test_one_that_diverges_is_a_row(run_cli, options):
    status, out, _ = run_cli(*options, "--seeds", 1, "--scratch-lr", 1e5)
    assert status == 0
    assert "diverged at epoch 1" in out
    assert "seed 0: one of the two diverged" in out


def test_what_is_finished_is_not_repeated(run_cli, options):
    first = run_cli(*options, "--seeds", 1)[1]
    before = points()
    assert run_cli(*options, "--seeds", 1)[1] == first
    run_cli(*options, "--seeds", 2)
    assert {name: point for name, point in points().items() if name in before} == before
    assert len(points()) == 4


@pytest.mark.slow
def test_killed_it_goes_on_where_it_was(run_cli, options, kill_when):
    more = [*options, "--seeds", 2]
    kill_when(lambda: Path("c/points.jsonl").exists(), *more)
    before = points()
    status, _, err = run_cli(*more)
    assert status == 0, err
    assert {name: point for name, point in points().items() if name in before} == before
    assert len(points()) == 4


def test_other_settings_are_refused_by_name(run_cli, options):
    run_cli(*options, "--seeds", 1)
    status, out, err = run_cli(*options, "--seeds", 1, "--wd", 0.5)
    assert (status, out) == (2, "")
    assert err.startswith("Error: --wd: 0.5, but c was begun with 0.001.")


def test_other_photos_are_refused(run_cli, options, photos):
    run_cli(*options, "--seeds", 1)
    (photos / "train" / "red" / "0.jpg").unlink()
    status, _, err = run_cli(*options, "--seeds", 1)
    assert status == 2
    assert err.startswith("Error: --data: other photos")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--also", "nothing"], "--also: 'nothing'"),
        (["--also", "freeze", "--freeze-features"], "--also: the fine-tuning is freeze already"),
        (["--also", "probe", "--method", "probe"], "--also: the fine-tuning is probe already"),
        (["--weights", "none"], "--weights: none"),
        (["--scratch-lr", "nan"], "--scratch-lr"),
    ],
)
def test_what_makes_no_comparison_is_refused(run_cli, options, more, named):
    status, _, err = run_cli(*options, *more)
    assert status == 2
    assert named in err
    assert not Path("c").exists()


def test_the_mean_over_seeds_has_students_interval():
    def point(name, right):
        return Point(name, (), right=right)

    finetune = [point("a", "1" * 9 + "0"), point("b", "1" * 8 + "00"), point("c", "1" * 9 + "0")]
    scratch = [point("d", "1" * 7 + "000"), point("e", "1" * 7 + "000"), point("f", "1" * 6 + "0000")]
    result = Comparison(Path("c"), (0, 1, 2), {"finetune": finetune, "scratch": scratch})
    # Differences 0.2, 0.1, 0.3: their standard deviation is 0.1, Student's t of 2 degrees of freedom 4.3027.
    half = 4.3027 * 0.1 / 3**0.5
    assert result.mean_difference("finetune", "scratch") == pytest.approx((0.2, 0.2 - half, 0.2 + half), abs=1e-5)


def test_photos_that_cannot_be_read_are_left_out_of_the_difference():
    first, second = Point("a", (), right="110-"), Point("b", (), right="1001")
    assert difference(first, second).total == 3
    assert difference(first, second).only_first == 1


def test_what_is_wrong_with_the_data_is_told_once(run_cli, options, photos):
    shutil.copy(photos / "train" / "red" / "0.jpg", photos / "test" / "red" / "0.jpg")
    _, _, err = run_cli(*options, "--seeds", 2)
    assert err.count("Warning: ") == 1
