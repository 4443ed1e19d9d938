"""`train --resume`: whatever breaks a run off, it goes on to what it would have become, to the last bit."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from pathlib import Path

import pytest

from hotdog_ft.files import held
from tests.cli.processes import leftovers, metrics, params, start, wait_for
from tests.conftest import hotdog_ft
from tests.soak import soak

RICH = (
    "--momentum 0.9 --ema 0.9 --mixup 0.2 --label-smoothing 0.1 --schedule cosine --devices cpu:2 --workers 2".split()
)


@pytest.fixture
def alike(run_cli, quick):
    """A function that trains 4 epochs at once, and 2 and then 2 more; both must come to the same."""

    def check(*options) -> None:
        for epochs, out in ((4, "whole"), (2, "run")):
            status, _, err = run_cli("train", *quick, *options, "--epochs", epochs, "--out", out)
            assert status == 0, err
        status, out, err = run_cli("train", "--resume", "run", "--epochs", 4)
        assert status == 0, err
        assert [line.split(":")[0] for line in out.splitlines()[:2]] == ["epoch 3", "epoch 4"]
        assert params("run") == params("whole")
        assert metrics("run")[2:] == metrics("whole")[2:]
        assert len(metrics("run")) == 4

    return check


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--momentum", "0.9"],
        ["--ema", "0.9", "--devices", "cpu:2"],
        ["--mixup", "0.4", "--accumulate", "3", "--class-weights", "balanced"],
        ["--model", "squeezenet1.1", "--image-size", "48", "--momentum", "0.9"],  # with Dropout
        ["--val-split", "0.3", "--keep", "best"],
    ],
    ids=" ".join,
)
def test_more_epochs_later_come_to_the_same_as_all_at_once(alike, options):
    alike(*options)


def test_lp_ft_goes_on_without_fitting_the_probe_again(run_cli, quick, source, tmp_path):
    options = [*quick, "--weights", source, "--method", "lp-ft"]
    for epochs, out in ((4, "whole"), (2, "run")):
        assert run_cli("train", *options, "--epochs", epochs, "--out", out)[0] == 0
    status, out, err = run_cli("train", "--resume", "run", "--epochs", 4)
    assert status == 0, err
    assert out.startswith("epoch 3: ")
    assert [line["epoch"] for line in metrics("run")] == [0, 1, 2, 3, 4]
    assert params("run") == params("whole")


def test_a_finished_run_is_only_judged_again(run_cli, quick):
    status, first, _ = run_cli("train", *quick, "--epochs", 2, "--out", "run")
    before = params("run")
    status, out, err = run_cli("train", "--resume", "run")
    assert status == 0, err
    assert out.splitlines()[0] == first.splitlines()[2]  # no line of an epoch comes before the result
    assert params("run") == before


def test_a_probe_is_fitted_again(run_cli, quick, source):
    options = [*quick, "--weights", source, "--method", "probe"]
    assert run_cli("train", *options, "--out", "run")[0] == 0
    before = params("run")
    status, _, err = run_cli("train", "--resume", "run")
    assert status == 0, err
    assert params("run") == before


@pytest.mark.slow
def test_killed_at_any_moment_it_comes_to_the_same(photos, tmp_path):
    options = ["--data", str(photos), *"--model squeezenet1.1 --weights none --image-size 64 --batch-size 4".split()]
    options += [*RICH, "--epochs", "8", "--checkpoint-every", "2"]
    assert soak(tmp_path, options, kills=6) == 6  # docs/recipes.md: 200 of a training with real photos
    assert metrics("run") == metrics("whole")


@pytest.mark.slow
@pytest.mark.parametrize("ending", [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")])
def test_a_signal_saves_what_was_trained_and_says_how_to_go_on(quick, ending):
    number, status, word = ending
    options = [*quick, *RICH, "--epochs", 10]
    with start("train", *options, "--out", "run") as process:
        wait_for(lambda: Path("run/metrics.jsonl").exists(), process)
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
    assert process.returncode == status
    notice, error, hint = err.splitlines()
    assert notice.startswith("Stopping after this batch")
    assert error.startswith(f"Error: {word} ")
    assert error.endswith(". What was trained is kept in run.")
    assert hint == "Hint: Go on with: hotdog-ft train --resume run"
    assert not leftovers("run")

    assert hotdog_ft("train", "--resume", "run").returncode == 0
    assert hotdog_ft("train", *options, "--out", "whole").returncode == 0
    assert params("run") == params("whole")
    assert metrics("run") == metrics("whole")


def test_asked_twice_it_ends_at_once(quick):
    with start("train", *quick, "--epochs", 100_000, "--out", "run") as process:
        wait_for(lambda: Path("run/metrics.jsonl").exists(), process)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 130


@pytest.fixture
def run(run_cli, quick) -> str:
    """A run of two epochs."""
    status, _, err = run_cli("train", *quick, "--epochs", 2, "--out", "run")
    assert status == 0, err
    return "run"


def test_other_settings_are_refused_and_all_named(run_cli, run):
    before = params(run)
    status, out, err = run_cli("train", "--resume", run, "--lr", 0.5, "--batch-size", 8, "--epochs", 1)
    assert (status, out) == (2, "")
    error, hint = err.splitlines()
    assert "--lr: run was begun with 0.01, not 0.5" in error
    assert "--batch-size: run was begun with 4, not 8" in error
    assert "--epochs: run was begun with 2, which can grow, not shrink to 1" in error
    assert hint.startswith("Hint: Give the settings that it was begun with")
    assert params(run) == before


def test_an_environment_variable_is_a_setting_too(run_cli, run, monkeypatch):
    monkeypatch.setenv("HOTDOG_FT_WD", "0.5")
    status, _, err = run_cli("train", "--resume", run)
    assert status == 2
    assert "--wd: run was begun with 0.001, not 0.5" in err


def test_what_costs_time_only_may_differ(run_cli, run):
    before = params(run)
    options = ["--workers", 3, "--cache", "ram", "--checkpoint-every", 1, "--strict"]
    status, _, err = run_cli("train", "--resume", run, *options)
    assert status == 0, err
    assert params(run) == before


def test_an_edited_configuration_is_refused(run_cli, run):
    path = Path(run, "config.yaml")
    path.write_text(path.read_text().replace("lr: 0.01", "lr: 0.02"))
    status, _, err = run_cli("train", "--resume", run)
    assert status == 2
    assert "--lr: run was begun with 0.01, not 0.02" in err


def test_other_photos_are_refused(run_cli, run, photos):
    (photos / "train" / "red" / "0.jpg").unlink()
    status, _, err = run_cli("train", "--resume", run, "--epochs", 3)
    assert status == 2
    assert err.startswith("Error: --data: other photos than run was begun with.")


def test_photos_that_have_moved_are_the_same(run_cli, run, photos):
    photos.rename("elsewhere")
    status, _, err = run_cli("train", "--resume", run, "--data", "elsewhere", "--epochs", 3)
    assert status == 0, err


def test_other_weights_are_refused(run_cli, quick, source):
    assert run_cli("train", *quick, "--weights", source, "--out", "run")[0] == 0
    from hotdog_ft.backend import nd

    values = nd.load(str(source))
    nd.save(str(source), {name: value * 2 for name, value in values.items()})
    status, _, err = run_cli("train", "--resume", "run", "--epochs", 3)
    assert status == 2
    assert err.startswith("Error: --weights: other ones than run was begun with.")


def test_another_machine_is_told(run_cli, run, monkeypatch):
    monkeypatch.setattr("hotdog_ft.recipes.resume._processor", lambda: "Abacus 1")
    status, _, err = run_cli("train", "--resume", run, "--epochs", 3)
    assert status == 0, err
    assert "and is Abacus 1: the last digits will differ." in err


def test_a_damaged_checkpoint_costs_what_came_after_the_one_before(run_cli, quick, run):
    assert run_cli("train", *quick, "--epochs", 4, "--out", "whole")[0] == 0
    newest = Path(run, "checkpoint", "00003-00000000.npz")
    newest.write_bytes(newest.read_bytes()[:1000])
    status, out, err = run_cli("train", "--resume", run, "--epochs", 4)
    assert status == 0, err
    assert f"{newest}: not a checkpoint that can be used" in err
    assert out.startswith("epoch 2: ")
    assert params(run) == params("whole")


@pytest.mark.parametrize("how", ["removed", "damaged"])
def test_without_any_checkpoint_it_starts_over(run_cli, run, how):
    before = params(run)
    for path in Path(run, "checkpoint").iterdir():
        path.unlink() if how == "removed" else path.write_bytes(b"PK")
    status, out, err = run_cli("train", "--resume", run)
    assert status == 0, err
    assert "run: has no checkpoint to go on from; it is trained from its start." in err
    assert out.startswith("epoch 1: ")
    assert params(run) == before


def test_metrics_of_another_run_are_refused(run_cli, run):
    Path(run, "metrics.jsonl").write_text("")
    status, _, err = run_cli("train", "--resume", run, "--epochs", 3)
    assert status == 1
    assert err.startswith("Error: run/metrics.jsonl: tells of other epochs than the checkpoint, which is in epoch 3.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "nowhere"], "--resume nowhere: there is no such run."),
        (["--resume", "."], "--resume .: has no config.yaml to go on with."),
        (["--resume", "run", "--out", "other"], "--out: a run that is resumed stays where it is."),
        (["--resume", "run", "--budget", "5m"], "--budget: a run that is resumed has its plan."),
    ],
)
def test_what_cannot_be_resumed(run_cli, request, arguments, message):
    if "run" in arguments:
        request.getfixturevalue("run")
    status, out, err = run_cli("train", *arguments)
    assert (status in (1, 2), out) == (True, "")
    assert err.startswith(f"Error: {message}")


def test_two_processes_do_not_train_one_run(run_cli, run):
    before = params(run)
    with held(Path(run), hint=""):
        status, _, err = run_cli("train", "--resume", run, "--epochs", 3)
    assert status == 1
    assert err.startswith("Error: run: another process is at work in it.")
    assert params(run) == before


def test_two_processes_do_not_begin_one_run(run_cli, quick):
    Path("run").mkdir()
    with held(Path("run"), hint=""):
        status, _, err = run_cli("train", *quick, "--out", "run")
    assert status == 1
    assert err.startswith("Error: run: another process is at work in it.")
    assert not list(Path("run").iterdir())


def test_what_a_killed_process_began_to_write_is_removed(run_cli, run):
    for place in (".", "model", "checkpoint"):
        Path(run, place, ".00002-00000000-0123abcd.npz").write_bytes(b"half")
    Path(run, ".notes").write_text("the user's own")
    assert run_cli("train", "--resume", run)[0] == 0
    assert leftovers(run) == [Path(run, ".notes")]


def test_a_folder_with_no_more_than_that_counts_as_empty(run_cli, quick):
    Path("run").mkdir()
    Path("run/.config-0123abcd.yaml").write_text("da")
    status, _, err = run_cli("train", *quick, "--out", "run")
    assert status == 0, err
    assert not leftovers("run")


def test_a_full_disk_ends_a_run_that_goes_on_later(run_cli, quick, run):
    assert run_cli("train", *quick, "--epochs", 4, "--out", "whole")[0] == 0
    small = Path(run, "checkpoint", "00003-00000000.npz").stat().st_size - 1000

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (small, small))

    with start("train", "--resume", run, "--epochs", 4, preexec_fn=limit) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.splitlines()[-2:] == [
        "Error: run/checkpoint/00004-00000000.npz: File too large. What was trained until then is kept.",
        "Hint: When that is mended, go on with: hotdog-ft train --resume run",
    ]
    assert not leftovers(run)
    assert run_cli("train", "--resume", run, "--epochs", 4)[0] == 0
    assert params(run) == params("whole")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_folder_that_became_read_only(run_cli, run):
    Path(run).chmod(0o500)
    try:
        status, _, err = run_cli("train", "--resume", run, "--epochs", 3)
    finally:
        Path(run).chmod(0o700)
    assert status == 1
    assert "Permission denied" in err


def test_a_run_that_has_moved_goes_on(run_cli, run):
    shutil.move(run, "moved")
    status, _, err = run_cli("train", "--resume", "moved", "--epochs", 3)
    assert status == 0, err
    assert len(metrics("moved")) == 3


def test_the_latest_run_goes_on_and_stays_the_latest(run_cli, trained):
    run = trained()
    status, _, err = run_cli("train", "--resume", "runs/latest", "--epochs", 2)
    assert status == 0, err
    assert os.readlink("runs/latest") == run.name
    assert len(metrics(run)) == 2
