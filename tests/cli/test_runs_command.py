"""`hotdog-ft runs`: the list, comparisons, and what goes when room is made."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hotdog_ft.config import TrainConfig
from hotdog_ft.files import held
from tests.conftest import REPOSITORY


@pytest.fixture
def make(tmp_path):
    """A function that makes a run's folder below runs/, as a training leaves it; each one is a day newer."""
    days = iter(range(1, 100))

    def call(name, test_accs=(0.5,), val_accs=None, model=True, place="runs", **settings) -> Path:
        folder = tmp_path / place / name
        (folder / "checkpoint").mkdir(parents=True)
        (folder / "checkpoint" / "state.npz").write_bytes(bytes(3000))
        config = TrainConfig(**{"data": "photos", "model": "mobilenet0.25", "epochs": len(test_accs), **settings})
        (folder / "config.yaml").write_text(config.to_yaml(leave_out=("out",)))
        lines = [
            {"epoch": i + 1, "loss": 1 / (i + 1), "train_acc": 0.5, "val_acc": val, "test_acc": acc, "seconds": 2.0}
            for i, (acc, val) in enumerate(zip(test_accs, val_accs or [None] * len(test_accs)))
        ]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        if model:
            (folder / "model").mkdir()
            (folder / "model" / "model.json").write_text("{}")
        os.utime(folder / "config.yaml", times=(next(days) * 86400,) * 2)
        return folder

    return call


@pytest.fixture
def listed(run_cli):
    """A function that lists the runs: name -> what is told of it, in order."""

    def call(*options) -> dict:
        status, out, err = run_cli("runs", "list", "--json", *options)
        assert (status, err) == (0, "")
        return {Path(line["run"]).name: line for line in map(json.loads, out.splitlines())}

    return call


def latest(folder: Path) -> None:
    (folder.parent / "latest").symlink_to(folder.name)


def test_a_training_is_listed_with_what_came_out(run_cli, trained, listed):
    folder = trained("--lr", 0.001)
    (name, told), *others = listed().items()
    assert not others  # runs/latest is the same one
    result = json.loads((folder / "metrics.jsonl").read_text())
    assert (name, told["state"], told["config"]["lr"]) == (folder.name, "finished", 0.001)
    assert {key: told[key] for key in ("loss", "train_acc", "test_acc")} == {
        key: result[key] for key in ("loss", "train_acc", "test_acc")
    }
    assert told["bytes"] == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    status, out, _ = run_cli("runs")
    assert status == 0
    header, row = out.splitlines()
    assert header.split()[:4] == ["run", "state", "network", "method"]
    assert row.split()[:5] == [f"runs/{folder.name}", "finished", "mobilenet0.25", "finetune", "1/1"]


def test_the_newest_comes_first_or_the_best(make, listed):
    make("a", [0.7])
    make("b", [0.9])
    make("c", [None], [0.8])
    assert list(listed()) == ["c", "b", "a"]
    assert list(listed("--sort", "test-acc")) == ["b", "a", "c"]
    assert next(iter(listed("--sort", "val-acc"))) == "c"


def test_the_kept_epoch_is_told(make, listed):
    make("last", [0.7, 0.6])
    make("best", [None, 0.8, None], [0.5, 0.9, 0.9], keep="best", val_split=0.2)
    assert listed()["last"]["test_acc"] == 0.6
    assert (listed()["best"]["epoch"], listed()["best"]["test_acc"]) == (2, 0.8)


def test_what_became_of_a_run_is_told(make, listed):
    make("finished", [0.5, 0.5])
    make("killed", [0.5], epochs=3)
    make("at-once", [], model=False, epochs=3)
    make("probe", [0.5], method="probe", epochs=5, weights="imagenet")
    make("damaged")
    (Path("runs/damaged") / "config.yaml").write_text("lr: fast")
    with held(make("at-work", [0.5], epochs=3), hint=""):
        states = {name: told["state"] for name, told in listed().items()}
    assert states == {
        "finished": "finished",
        "killed": "broken off",
        "at-once": "broken off",
        "probe": "finished",
        "damaged": "unreadable",
        "at-work": "running",
    }


def test_the_runs_of_a_comparison_are_listed_and_it_is_none_itself(make, listed):
    comparison = make("one", place="runs/comparison").parent
    (comparison / "config.yaml").write_text("lr: 0.01")
    (comparison / "experiment.json").write_text("{}")
    make("alone")
    assert list(listed()) == ["alone", "one"]


def test_csv_is_read_back(make, run_cli):
    make('a,b\n"c"', [0.75])
    status, out, _ = run_cli("runs", "list", "--csv")
    assert status == 0
    (row,) = csv.DictReader(io.StringIO(out))
    assert row["run"] == 'runs/a,b\\n"c"'
    assert (row["test_acc"], row["val_acc"], row["epochs"], row["bytes"]) == ("0.75", "", "1", str(int(row["bytes"])))


def test_no_runs_is_said(run_cli, tmp_path):
    status, _, err = run_cli("runs")
    assert status == 1
    assert err.startswith("Error: runs: there are no runs.\nHint: ")
    (tmp_path / "runs").mkdir()
    assert run_cli("runs") == (0, "", "runs: there are no runs.\n")


def test_listing_needs_no_mxnet(make):
    make("a")
    code = "import sys; from hotdog_ft.cli import run; run(['runs']); sys.exit('mxnet' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_comparing_shows_what_differs_and_nothing_else(make, run_cli):
    first, second = make("a", [0.7], lr=0.01, amp=False), make("b", [0.9, 0.8], lr=0.02, amp=True)
    status, out, _ = run_cli("runs", "compare", first, second)
    assert status == 0
    rows = [line.rsplit(maxsplit=2) for line in out.splitlines()]
    assert [row for row in rows if row[0].startswith("--")] == [
        ["--lr", "0.01", "0.02"],
        ["--epochs", "1", "2"],
        ["--amp", "false", "true"],
    ]
    assert ["test acc", "0.700", "0.800"] in rows
    assert out.splitlines()[0].split() == ["a", "b"]


def test_models_answer_the_same_photos(trained, run_cli, photos, tmp_path):
    first, second = (trained("--seed", seed, "--out", tmp_path / f"run-{seed}") for seed in (0, 1))
    status, out, err = run_cli("runs", "compare", first, second, "--evaluate")
    assert status == 0, err
    lines = out.splitlines()
    right = [json.loads(run_cli("evaluate", "--run", run, "--json")[1])["right"] for run in (first, second)]
    assert [line.rsplit(", ", 1)[1] for line in lines if ": accuracy " in line] == [f"{n} of 6" for n in right]
    assert f"  less {first}: {(right[1] - right[0]) / 6:+.3f} (" in lines[-1]
    assert run_cli("runs", "compare", first, second, "--evaluate", "--data", photos)[1] == out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "runs/a"], "RUN: there is one"),
        (["compare", "runs/a", "runs/b", "--data", "demo"], "--data: belongs to --evaluate"),
        (["list", "--json", "--csv"], "--json and --csv exclude each other"),
        (["clean"], "There is nothing to remove unless you say what"),
        (["clean", "runs/a"], "Nobody is there to be asked"),
    ],
)
def test_contradictions_are_usage_errors(make, run_cli, arguments, message):
    folders = [make("a"), make("b")]
    status, _, err = run_cli("runs", *arguments)
    assert status == 2
    assert err.startswith(f"Error: {message}")
    assert all(folder.is_dir() for folder in folders)


@pytest.mark.parametrize("command", ["compare", "clean"])
def test_what_is_no_run_is_refused(make, run_cli, command, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("photos", "nowhere"):
        status, _, err = run_cli("runs", command, make(f"a-{name}"), tmp_path / name)
        assert status == 1
        assert err.startswith(f"Error: {tmp_path / name}: ")
    assert (tmp_path / "photos").is_dir()


def test_broken_off_runs_go_and_nothing_else(make, run_cli, listed):
    make("finished")
    latest(make("newest", [0.5], epochs=3))
    make("killed", [0.5], epochs=3)
    with held(make("at-work", [0.5], epochs=3), hint=""):
        status, out, err = run_cli("runs", "clean", "--broken-off", "--yes")
    assert status == 0
    assert [line.split()[-1] for line in out.splitlines()] == ["runs/killed"]
    assert err.startswith("Removed: 1 folder, ")
    assert set(listed()) == {"finished", "newest", "at-work"}
    assert not list(Path("runs").glob(".*"))


def test_all_but_the_newest_finished_ones_go(make, run_cli, listed):
    for name in ("a", "b", "c"):
        make(name)
    latest(make("d"))
    make("killed", [0.5], epochs=3)
    assert run_cli("runs", "clean", "--keep", 2, "--yes")[0] == 0
    assert list(listed()) == ["killed", "d", "c"]


def test_checkpoints_of_finished_runs_go(make, run_cli):
    finished, killed = make("finished"), make("killed", [0.5], epochs=3)
    status, out, _ = run_cli("runs", "clean", "--checkpoints", "--yes")
    assert (status, out.split()) == (0, ["3", "KiB", "runs/finished/checkpoint"])
    assert not (finished / "checkpoint").exists()
    assert (finished / "model" / "model.json").is_file()
    assert (killed / "checkpoint" / "state.npz").is_file()


def test_a_dry_run_removes_nothing(make, run_cli):
    folder = make("a")
    status, out, err = run_cli("runs", "clean", folder, "--dry-run")
    assert (status, str(folder) in out) == (0, True)
    assert err.startswith("Would be removed: 1 folder, ")
    assert folder.is_dir()


def test_the_latest_goes_when_it_is_named(make, run_cli):
    folder = make("a")
    latest(folder)
    assert run_cli("runs", "clean", "runs/latest", "--yes")[0] == 0
    assert not folder.exists()
    assert not os.path.lexists("runs/latest")


def test_a_run_at_work_is_not_removed(make, run_cli):
    folder = make("a", [0.5], epochs=3)
    with held(folder, hint=""):
        status, _, err = run_cli("runs", "clean", folder, "--yes")
    assert status == 1
    assert err.startswith(f"Error: {folder}: another process is at work in it.")
    assert (folder / "checkpoint").is_dir()


def test_nothing_of_that_kind_is_said(make, run_cli):
    make("a")
    assert run_cli("runs", "clean", "--broken-off", "--yes") == (0, "", "There is nothing of that kind.\n")
