"""`--batch-size auto`: a batch that fits into memory, found by small trials, and then a number like any other."""

from __future__ import annotations

import logging
import sys

import pytest
import yaml

from hotdog_ft import training
from hotdog_ft.backend import mx
from hotdog_ft.config import TrainConfig
from hotdog_ft.errors import ConfigError, OutOfMemoryError
from hotdog_ft.recipes import batch_size
from hotdog_ft.recipes.batch_size import RESERVE, Peak, find_batch_size, largest_that_fits, peak_of, predicted_peak
from tests.conftest import hotdog_ft

MIB = 2**20
PEAKS = {8: Peak(300 * MIB, 280 * MIB), 16: Peak(300 * MIB, 360 * MIB)}
"""200 MiB, and 10 for each photo."""


@pytest.fixture
def config(photos) -> TrainConfig:
    return TrainConfig(data=str(photos), model="mobilenet0.25", weights="none", image_size=32)


@pytest.fixture
def measured(monkeypatch):
    """A function that says what trials take, and what memory there is. Returns the batch sizes that were tried."""

    def say(peaks, memory: int = 0) -> list[int]:
        tried = []

        def peak(config: TrainConfig, size: int):
            tried.append(size)
            return peaks(size)

        monkeypatch.setattr(batch_size, "peak_of", peak)
        monkeypatch.setattr(batch_size, "available_memory", lambda: round(memory / (1 - RESERVE)) + 1)
        return tried

    return say


@pytest.fixture
def python(tmp_path, monkeypatch):
    """A function that has trials begin with a line of shell."""

    def begin(line: str) -> None:
        script = tmp_path / "python"
        script.write_text(f'#!/bin/sh\n{line}\nexec {sys.executable} "$@"\n')
        script.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(script))

    return begin


def test_the_prediction_is_the_line_through_two_sizes_and_never_below_what_came_before():
    assert [predicted_peak(PEAKS, size) >> 20 for size in (1, 8, 12, 16, 128)] == [300, 300, 320, 360, 1480]


@pytest.mark.parametrize(
    ("memory", "most", "found"),
    [(1480, 128, 128), (1479, 128, 64), (840, 128, 64), (300, 128, 8), (299, 128, 0), (9999, 16, 16)],
)
def test_the_largest_power_of_two_that_fits(memory, most, found):
    assert largest_that_fits(PEAKS, memory * MIB, most) == found


def test_memory_decides(config, measured, photos, caplog):
    for i in range(50):
        (photos / "train" / "red" / f"more{i}.jpg").write_bytes((photos / "train" / "red" / "0.jpg").read_bytes())
    measured(PEAKS.get, 600 * MIB)
    with caplog.at_level(logging.INFO):
        assert find_batch_size(config) == 32
    assert "--batch-size auto: 32, which takes about 0.5 GiB of memory; 0.6 GiB are there to use." in caplog.text


def test_no_batch_is_larger_than_the_training_photos(config, measured):
    measured(PEAKS.get, 2**40)
    assert find_batch_size(config) == 16
    assert find_batch_size(TrainConfig(**{**vars(config), "val_split": 0.3})) == 8


def test_a_cache_in_memory_has_its_part(config, measured):
    measured(PEAKS.get, 719 * MIB)
    assert find_batch_size(config) == 16
    assert find_batch_size(TrainConfig(**{**vars(config), "cache": "ram"})) == 8


def test_too_little_for_one_photo_is_told(config, measured):
    measured(PEAKS.get, 100 * MIB)
    with pytest.raises(OutOfMemoryError, match=r"--batch-size auto: 0\.3 GiB for one photo") as caught:
        find_batch_size(config)
    assert "--image-size" in caught.value.hint


def test_where_a_trial_runs_out_of_memory_halves_are_tried(config, measured):
    tried = measured(lambda size: Peak(0, 0) if size <= 2 else None)
    assert find_batch_size(config) == 2
    assert tried == [8, 4, 2]


def test_on_gpus_halves_are_tried_from_the_most(config, measured, monkeypatch):
    monkeypatch.setattr(training, "find_devices", lambda text: [mx.gpu(0)])
    tried = measured(lambda size: Peak(0, 0) if size <= 4 else None)
    assert find_batch_size(config) == 4
    assert tried == [16, 8, 4]
    measured(lambda size: None)
    with pytest.raises(OutOfMemoryError, match="not enough memory for one photo"):
        find_batch_size(config)


def test_several_processes_are_refused(config, monkeypatch):
    monkeypatch.setenv("DMLC_ROLE", "worker")
    with pytest.raises(ConfigError, match="each of several processes"):
        find_batch_size(config)


@pytest.mark.slow
def test_a_trial_is_of_no_group(config, monkeypatch):
    monkeypatch.setenv("DMLC_ROLE", "server")  # with it, importing MXNet wouldn't return
    monkeypatch.setenv("HOROVOD_RANK", "1")
    peak = peak_of(config, 4)
    assert peak is not None
    assert 100 * MIB < min(peak) < max(peak) < 1000 * MIB


@pytest.mark.slow
def test_photos_that_cannot_be_read_are_not_tried(config, photos):
    for path in sorted((photos / "train" / "red").iterdir())[:7]:
        path.write_text("hot dog")
    assert peak_of(config, 4) is not None


def test_a_trial_that_is_killed_has_not_enough_memory(config, python):
    python("kill -9 $$")
    assert peak_of(config, 4) is None


@pytest.mark.slow
def test_a_trial_that_gets_no_memory_says_so(config, python):
    python(f"ulimit -v {3 << 19}")  # 1.5 GiB of addresses
    assert peak_of(TrainConfig(**{**vars(config), "image_size": 256}), 64) is None


def test_a_trial_that_fails_otherwise_is_told(config):
    with pytest.raises(ConfigError, match=r"training with a batch of 4 failed: --data: nowhere is not there"):
        peak_of(TrainConfig(**{**vars(config), "data": "nowhere"}), 4)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "size"), [("mobilenet0.25", 128), ("squeezenet1.1", 96)])
def test_the_prediction_is_near_what_is_measured(config, model, size):
    config = TrainConfig(**{**vars(config), "model": model, "image_size": size})
    peaks = {size: peak_of(config, size) for size in batch_size.MEASURED}
    measured = max(peak_of(config, 64))
    assert predicted_peak(peaks, 64) == pytest.approx(measured, rel=RESERVE)


@pytest.mark.parametrize("command", ["train", "scratch"])
def test_the_number_stands_in_the_run(run_cli, photos, tmp_path, measured, command):
    measured(PEAKS.get, 300 * MIB)
    options = ["--data", photos, *"--model mobilenet0.25 --weights none --image-size 32 --epochs 1".split()]
    status, _, err = run_cli(command, *options, "--batch-size", "auto", "--out", tmp_path / "run")
    assert status == 0, err
    assert "Info: --batch-size auto: 8, which takes about 0.3 GiB" in err
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["batch_size"] == 8


def test_a_run_that_is_resumed_keeps_its_number(run_cli, photos, tmp_path, measured):
    measured(PEAKS.get, 300 * MIB)
    (tmp_path / "c.yaml").write_text(
        "batch_size: auto\nmodel: mobilenet0.25\nweights: none\nimage_size: 32\nepochs: 1\n"
    )
    run = tmp_path / "run"
    assert run_cli("train", "--config", tmp_path / "c.yaml", "--data", photos, "--out", run)[0] == 0
    tried = measured(PEAKS.get, 2**40)
    status, out, err = run_cli("train", "--resume", run, "--epochs", 2, "--batch-size", "auto")
    assert status == 0, err
    assert out.startswith("epoch 2")
    assert not tried


def test_settings_that_contradict_one_another_are_told_before_any_trial(run_cli, photos, measured):
    tried = measured(PEAKS.get)
    options = ["--data", photos, "--model", "mobilenet0.25", "--batch-size", "auto"]
    status, _, err = run_cli("train", *options, "--weights", "none", "--output-init", "imagenet")
    assert (status, tried) == (2, [])
    assert err.startswith("Error: --output-init")


@pytest.mark.parametrize(
    "command",
    [
        ["compare"],
        ["tune"],
        ["sweep", "--lr", "0.1,0.2"],
        ["launch", "-n", "2", "train"],
        ["launch", "-n", "2", "scratch"],
    ],
    ids=" ".join,
)
def test_what_trains_several_times_or_in_several_processes_refuses_it(run_cli, photos, command, monkeypatch):
    status, out, err = run_cli(*command, "--data", photos, "--batch-size", "auto")
    assert (status, out) == (2, "")
    assert err.startswith("Error: --batch-size: auto is for `train` and `scratch`")
    monkeypatch.setenv("HOTDOG_FT_BATCH_SIZE", "auto")
    status, _, err = run_cli(*command, "--data", photos)
    assert status == 2
    assert err.startswith("Error: HOTDOG_FT_BATCH_SIZE: auto is for")


@pytest.mark.parametrize("text", ["Auto", "auto ", "max", "0", "8.5", ""])
def test_nothing_else_is_a_batch_size(run_cli, photos, text):
    status, _, err = run_cli("train", "--data", photos, "--batch-size", text)
    assert status == 2
    assert err.startswith("Error: --batch-size: should be ")


@pytest.mark.slow
def test_from_start_to_end(photos, tmp_path):
    options = "--model mobilenet0.25 --weights none --image-size 32 --epochs 1 --batch-size auto".split()
    process = hotdog_ft("train", "--data", photos, *options, "--out", tmp_path / "run")
    assert process.returncode == 0, process.stderr
    assert "Info: --batch-size auto: 16, which takes about " in process.stderr
