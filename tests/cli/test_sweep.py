from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from hotdog_ft.files import held
from hotdog_ft.recipes.experiment import Point
from hotdog_ft.recipes.sweep import Sweep, Value
from hotdog_ft.training import EpochResult


@pytest.fixture
def options(quick) -> list:
    return ["sweep", *quick, "--out", "s"]


def points() -> dict[str, dict]:
    lines = Path("s/points.jsonl").read_text().splitlines()
    return {point["name"]: point for point in map(json.loads, lines)}


def rows() -> list[dict]:
    return list(csv.DictReader(Path("s/sweep.csv").read_text().splitlines()))


def test_each_value_and_seed_is_a_row(run_cli, options):
    status, out, err = run_cli(*options, "--lr", "0.001,0.1", "--seeds", 2)
    assert status == 0, err
    assert [line.split()[0] for line in out.splitlines()[1:3]] == ["0.001", "0.1"]
    assert [(row["lr"], row["seed"]) for row in rows()] == [("0.001", "0"), ("0.001", "1"), ("0.1", "0"), ("0.1", "1")]
    assert all(0 <= float(row[name]) <= 1 for row in rows() for name in ("train_acc", "val_acc", "test_acc"))
    assert cv2.imread("s/sweep.png").shape[1] > 600
    assert not list(Path("s").rglob("net.params"))


def test_with_keep_best_the_kept_epoch_counts(run_cli, options):
    run_cli(*options, "--lr", "0.001,0.01", "--epochs", 4, "--keep", "best", "--val-split", 0.4)
    for row, point in zip(rows(), points().values()):
        accuracies = [result["val_acc"] for result in point["results"]]
        assert float(row["val_acc"]) == max(accuracies)
        assert point["kept"] == accuracies.index(max(accuracies))
        assert point["results"][point["kept"]]["test_acc"] == float(row["test_acc"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "values"),
    [("--batch-size", "2,4"), ("--wd", "0,0.01"), ("--momentum", "0, 0.9"), ("--output-lr-mult", "1,10"),
     ("--epochs", "0,1"), ("--image-size", "32,64"), ("--label-smoothing", "0,0.1"), ("--mixup", "0,0.2"),
     ("--ema", "0,0.9"), ("--accumulate", "1,2")],
)  # fmt: skip
def test_any_numeric_option_can_be_swept(run_cli, options, option, values):
    status, _, err = run_cli(*options, option, values)
    assert status == 0, err
    name = option[2:].replace("-", "_")
    assert [float(row[name]) for row in rows()] == [float(value) for value in values.split(",")]


def test_divergence_is_a_result(run_cli, options):
    status, out, err = run_cli(*options, "--lr", "0.01,1e5")
    assert status == 0, err
    assert out.splitlines()[2].split(maxsplit=1) == ["100000.0", "diverged at epoch 1"]
    assert "lr 100000.0, seed 0: diverged at epoch 1" in err
    assert [row["diverged_at"] for row in rows()] == ["", "1"]


def test_when_everything_diverges_nothing_is_best(run_cli, options):
    status, out, _ = run_cli(*options, "--lr", "1e5,1e6")
    assert status == 0
    assert "At every value a seed diverged." in out


def result(val_acc: float, test_acc: float) -> EpochResult:
    return EpochResult(1, 0.5, 0.75, val_acc, test_acc, 100.0, 2.0, "[cpu(0)]", 0.01)


def test_the_best_is_chosen_by_validation_and_never_by_test():
    values = [
        Value(0.01, (Point("a", (result(0.8, 0.99),)), Point("b", (result(0.8, 0.99),))), 100),
        Value(0.1, (Point("c", (result(0.9, 0.70),)), Point("d", (result(0.8, 0.70),))), 100),
        Value(1.0, (Point("e", (result(0.99, 0.99),)), Point("f", (), diverged_at=1)), 100),
    ]
    assert Sweep(Path("s"), "lr", (0, 1), tuple(values)).best == values[1]


def test_one_seeds_interval_is_wilsons_and_severals_is_students():
    one = Value(0.01, (Point("a", (result(0.94, 0.9),)),), 800)
    assert one.interval() == pytest.approx((0.921, 0.954), abs=0.0006)  # facts.md
    several = Value(0.01, tuple(Point(str(acc), (result(acc, 0.9),)) for acc in (0.936, 0.939, 0.941)), 800)
    # Student's t of 2 degrees of freedom is 4.3027 (any table); the standard deviation is 0.0025166.
    half = 4.3027 * 0.0025166 / 3**0.5
    assert several.interval() == pytest.approx((0.938667 - half, 0.938667 + half), abs=1e-6)


def test_what_is_finished_is_not_repeated_and_more_can_be_asked_for(run_cli, options):
    run_cli(*options, "--lr", "0.01,0.1")
    before = points()
    status, out, err = run_cli(*options, "--lr", "0.001,0.01,0.1", "--seeds", 2)
    assert status == 0, err
    assert {name: point for name, point in points().items() if name in before} == before
    assert len(points()) == len(rows()) == 6
    assert run_cli(*options, "--lr", "0.001,0.01,0.1", "--seeds", 2)[1] == out


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [
        lambda: Path("s").is_dir(),
        lambda: Path("s/experiment.json").exists(),
        lambda: Path("s/lr-0.01-seed-0/metrics.jsonl").exists(),
        lambda: Path("s/points.jsonl").exists(),
        lambda: Path("s/lr-0.1-seed-0").exists(),
        lambda: Path("s/points.jsonl").exists() and len(points()) == 3,
    ],
    ids=["at once", "begun", "in a training", "a point finished", "in the second", "nearly done"],
)
def test_killed_at_any_point_it_goes_on_without_repeating(run_cli, options, kill_when, moment):
    more = [*options, "--lr", "0.01,0.1", "--seeds", 2]
    kill_when(moment, *more)
    before = points() if Path("s/points.jsonl").exists() else {}
    status, _, err = run_cli(*more)
    assert status == 0, err
    assert {name: point for name, point in points().items() if name in before} == before
    assert len(points()) == 4


def test_other_settings_are_refused_by_name(run_cli, options):
    run_cli(*options, "--lr", "0.01,0.1")
    before = Path("s/points.jsonl").read_bytes()
    for more, named in (
        (["--lr", "0.01,0.1", "--wd", 0.5], "Error: --wd: 0.5, but s was begun with 0.001."),
        (["--wd", "0.01,0.1"], "Error: --out: s was begun as a sweep of lr, this is a sweep of wd."),
    ):
        status, out, err = run_cli(*options, *more)
        assert (status, out) == (2, "")
        assert err.startswith(named)
    assert Path("s/points.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ([], "no option: one option with several values"),
        (["--lr", "0.1,0.2", "--wd", "0,0.1"], "--lr and --wd"),
        (["--lr", "0.1,fast"], "--lr: should be a valid number"),
        (["--lr", "0.1,0.10"], "--lr: names a value twice"),
        (["--lr", "0.1,0.2", "--val-split", 0], "--val-split: 0"),
        (["--lr", "0.1,0.2", "--method", "probe"], "--lr: a probe doesn't use it"),
    ],
)
def test_what_makes_no_sweep_is_refused(run_cli, options, more, named):
    status, out, err = run_cli(*options, *more)
    assert (status, out) == (2, "")
    assert named in err
    assert not Path("s").exists()


def test_a_data_sets_own_validation_part_is_used(run_cli, options, photos):
    (photos / "test").rename(photos / "val")
    (photos / "train").rename(photos / "all")
    shutil.copytree(photos / "all", photos / "train")
    (photos / "all").rename(photos / "test")
    status, out, err = run_cli(*options, "--lr", "0.01,0.1")
    assert status == 0, err
    assert "for 6 validation photos" in out


def test_two_processes_do_not_work_in_one_folder(run_cli, options):
    run_cli(*options, "--lr", "0.01,0.1")
    with held(Path("s"), hint=""):
        status, _, err = run_cli(*options, "--lr", "0.01,0.1")
    assert status == 1
    assert err.startswith("Error: s: another process is at work in it.")


def test_ctrl_c_says_how_to_go_on(options):
    command = [sys.executable, "-m", "hotdog_ft", *map(str, options), "--lr", "0.01,0.1", "--epochs", "2000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not Path("s/lr-0.01-seed-0/metrics.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines() == [
        "Error: Interrupted. What was finished is kept in s.",
        "Hint: Run the same command with --out s to go on from there.",
    ]


def test_what_would_end_every_training_leaves_no_folder(run_cli, options):
    status, _, err = run_cli(*options, "--lr", "0.01,0.1", "--weights", "no.params")
    assert status == 2
    assert "no.params" in err
    assert not Path("s").exists()
