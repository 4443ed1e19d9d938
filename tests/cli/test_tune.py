from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from hotdog_ft.config import TrainConfig
from tests.postgres import find_postgres, running_server

optuna = pytest.importorskip("optuna", reason="the extra `tune` is not here")


@pytest.fixture
def options(quick, source) -> list:
    return ["tune", *quick, "--weights", source, "--val-split", 0.25, "--out", "t"]


def rows(folder: str = "t") -> list[dict]:
    return list(csv.DictReader(Path(folder, "tune.csv").read_text().splitlines()))


def trials(url: str = "sqlite:///t/tune.db", way: str = "finetune") -> list:
    url = url.replace("postgresql:", "postgresql+psycopg2:")
    study = optuna.load_study(storage=url, study_name=f"hotdog-ft-{way}")
    found = [t for t in study.trials if t.state.name in ("COMPLETE", "PRUNED", "RUNNING")]
    study._storage.remove_session()
    study._storage._backend.engine.dispose()
    return found


def finished(url: str = "sqlite:///t/tune.db") -> dict:
    """The finished trials of fine-tuning by number, with what they tried and when."""
    return {t.number: (t.params, t.value, t.datetime_complete) for t in trials(url) if t.state.is_finished()}


def test_both_ways_are_searched_in_as_many_trials(run_cli, options):
    status, out, err = run_cli(*options, "--trials", 2)
    assert status == 0, err
    assert [(row["training"], row["trial"]) for row in rows()] == [
        ("finetune", "0"), ("finetune", "1"), ("scratch", "0"), ("scratch", "1")
    ]  # fmt: skip
    assert [line.split()[-6] for line in out.splitlines()[1:3]] == ["0", "0"]
    assert "McNemar's exact p" in out
    assert cv2.imread("t/tune.png").shape[1] > 600
    assert not Path("t/trial").exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # SQLAlchemy's connection to what is no database any more
def test_a_database_that_is_lost_on_the_way_is_told(options, photos, source):
    from hotdog_ft.errors import RunError
    from hotdog_ft.recipes.tune import tune

    config = TrainConfig(
        data=str(photos), weights=str(source), model="mobilenet0.25", image_size=32, epochs=1, batch_size=4,
        val_split=0.25, out="t",
    )  # fmt: skip

    def lose(way, trial):
        Path("t/tune.db").write_bytes(b"no database" * 1000)

    with pytest.raises(RunError, match="The database of the trials was lost") as caught:
        tune(config, trials=2, on_trial=lose)
    assert "again" in caught.value.hint


def test_the_first_trial_is_the_setting_as_given(run_cli, options):
    run_cli(*options, "--trials", 1, "--lr", 0.02, "--wd", 0)
    tuned, scratch = rows()
    assert (float(tuned["lr"]), float(tuned["output_lr_mult"]), tuned["batch_size"]) == (0.02, 10, "4")
    assert (float(scratch["lr"]), float(scratch["output_lr_mult"]), scratch["freeze_features"]) == (0.1, 1, "")


@pytest.mark.slow
def test_the_best_settings_are_configurations(run_cli, options, quick):
    run_cli(*options, "--trials", 2)
    for way, command in (("finetune", "train"), ("scratch", "scratch")):
        config = TrainConfig.from_sources({}, f"t/{way}.yaml", {})
        best = max((row for row in rows() if row["training"] == way), key=lambda row: float(row["val_acc"] or 0))
        assert (str(config.lr), config.val_split) == (best["lr"], 0)
        assert run_cli(command, "--config", f"t/{way}.yaml")[0] == 0


def test_divergence_is_a_trial_that_is_stopped(run_cli, options):
    status, out, err = run_cli(*options, "--trials", 1, "--lr", 1e5)
    assert status == 0, err
    assert "finetune, trial 0: diverged at epoch 1" in err
    assert "no trial was finished" in out
    assert [row["state"] for row in rows()] == ["diverged", "complete"]
    assert Path("t/scratch.yaml").exists()
    assert not Path("t/finetune.yaml").exists()


@pytest.mark.slow
def test_a_seed_tries_the_same_settings(run_cli, options):
    tried = []
    for seed in (1, 1, 2):
        out = f"t{len(tried)}"
        run_cli(*options, "--trials", 2, "--seed", seed, "--out", out)
        tried.append([{k: row[k] for k in ("lr", "momentum", "val_acc")} for row in rows(out)])
    assert tried[0] == tried[1]
    assert tried[0] != tried[2]


def test_a_bad_trial_is_stopped_early():
    """MedianPruner's promise, through the recipe's own `judge`: five good trials, then one that is worse than they."""
    from hotdog_ft.recipes import tune

    study = optuna.create_study(direction="maximize", pruner=tune.pruner())
    for _ in range(5):
        trial = study.ask()
        trial.report(0.9, 1)
        study.tell(trial, 0.9)
    bad = study.ask()
    bad.report(0.5, 1)
    assert bad.should_prune()
    good = study.ask()
    good.report(0.95, 1)
    assert not good.should_prune()


@pytest.mark.slow
def test_what_is_finished_is_not_repeated_and_more_can_be_asked_for(run_cli, options):
    run_cli(*options, "--trials", 1)
    before = finished()
    status, _, err = run_cli(*options, "--trials", 3)
    assert status == 0, err
    assert {number: trial for number, trial in finished().items() if number in before} == before
    assert len(finished()) == 3
    lrs = [row["lr"] for row in rows() if row["training"] == "finetune"]
    assert len(set(lrs)) == 3  # the sampler doesn't draw its first numbers again


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["in the first trial", "in a later trial", "in the last training"])
def test_killed_it_goes_on_without_repeating(run_cli, options, kill_when, moment):
    at = {
        "in the first trial": lambda: Path("t/trial/metrics.jsonl").exists(),
        "in a later trial": lambda: Path("t/trial").exists() and len(finished()) == 2,
        "in the last training": lambda: any(Path("t").glob("scratch-trial-*")),
    }[moment]
    kill_when(at, *options, "--trials", 3)
    before = finished()
    status, _, err = run_cli(*options, "--trials", 3)
    assert status == 0, err
    assert {number: trial for number, trial in finished().items() if number in before} == before
    assert len(finished()) == len([row for row in rows() if row["training"] == "finetune"]) == 3
    assert 0.01 in [trial.params["lr"] for trial in trials()]  # the first, which was to be the setting as given


def test_other_settings_are_refused_by_name(run_cli, options):
    run_cli(*options, "--trials", 1)
    status, out, err = run_cli(*options, "--trials", 1, "--epochs", 3)
    assert (status, out) == (2, "")
    assert err.startswith("Error: --epochs: 3, but t was begun with 1.")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--weights", "none"], "--weights: none"),
        (["--val-split", 0], "--val-split: 0"),
        (["--method", "probe"], "--method: a probe has no setting"),
        (["--storage", "nonsense"], "--storage: the database can't be used"),
        (["--storage", "postgresql://me:sesame@127.0.0.1:1/none"], "--storage: the database can't be used"),
    ],
)
def test_what_cannot_be_searched_is_refused(run_cli, options, more, named):
    status, out, err = run_cli(*options, *more)
    assert (status, out) == (2, "")
    assert named in err
    assert "sesame" not in err


def test_without_optuna_the_extra_is_named(options):
    code = "import sys; sys.modules['optuna'] = None; from hotdog_ft.cli import main; main(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, *map(str, options)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "Hint: Install the extra tune: pip install 'optuna>=5,<6' psycopg2-binary."


@pytest.fixture
def postgres(tmp_path):
    """The URL of a database on a server of our own."""
    if find_postgres() is None:
        pytest.skip("PostgreSQL's server is not here")
    pytest.importorskip("psycopg2")
    with running_server(tmp_path / "postgres") as url:
        yield url


@pytest.mark.slow
def test_two_machines_share_one_study_on_postgresql(run_cli, options, postgres):
    command = [sys.executable, "-m", "hotdog_ft", *map(str, options), "--trials", "4", "--storage", postgres]
    both = [
        subprocess.Popen([*command, "--out", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for out in ("t1", "t2")
    ]
    ended = [process.communicate(timeout=250) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert len(finished(postgres)) == len(trials(postgres, "scratch")) == 4
    assert rows("t1") == rows("t2")
    told = [line.split(":")[0] for _, err in ended for line in err.splitlines() if ", trial " in line]
    assert len(told) == len(set(told)) == 8  # each was one machine's


@pytest.mark.slow
def test_a_trial_of_a_machine_that_died_is_taken_over(run_cli, options, postgres, kill_when, monkeypatch):
    from hotdog_ft.recipes import tune

    shared = [*options, "--trials", 2, "--storage", postgres]
    kill_when(Path("t/trial").exists, *shared)
    (dead,) = trials(postgres)
    assert dead.state.name == "RUNNING"
    monkeypatch.setattr(tune, "HEARTBEAT", 1)
    status, _, err = run_cli(*shared, "--out", "t2")
    assert status == 0, err
    assert len(trials(postgres)) == len(finished(postgres)) == 2
    assert dead.params in [trial.params for trial in trials(postgres)]
