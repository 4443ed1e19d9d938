from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from hotdog_ft.backend import mx
from hotdog_ft.config import TrainConfig
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import ConfigError
from hotdog_ft.inference.outcome import answer
from hotdog_ft.models import features
from hotdog_ft.recipes.fine_tune import fine_tune
from hotdog_ft.runs import load_model
from tests.cli.conftest import source  # noqa: F401, a fixture

METHODS = ["probe", "lp-ft"]


@pytest.fixture
def probing(photos, source, tmp_path):  # noqa: F811
    """A function that makes a configuration."""
    count = iter(range(100))

    def config(**options) -> TrainConfig:
        settings = {"method": "probe", "model": "mobilenet0.25", "image_size": 32, "batch_size": 4, **options}
        return TrainConfig(data=str(photos), weights=str(source), out=str(tmp_path / f"run{next(count)}"), **settings)

    return config


def test_a_probe_is_one_epoch_and_its_model_answers_as_it_did(probing):
    config = probing()
    run = fine_tune(config)
    (result,) = run.results
    outcome = answer(load_model(run.folder, [mx.cpu()]), open_source(config.data).test, mx.cpu())
    assert outcome.accuracy == pytest.approx(result.test_acc)
    assert (run.folder / "report.html").is_file()


def test_a_probe_leaves_the_features_as_they_are(probing):
    first, second = (load_model(fine_tune(probing(seed=seed)).folder, [mx.cpu()]).net for seed in (0, 1))
    for key, parameter in first._collect_params_with_prefix().items():
        if not key.startswith("output"):
            other = second._collect_params_with_prefix()[key]
            assert (parameter.data().asnumpy() == other.data().asnumpy()).all(), key


def test_features_are_computed_once(probing, monkeypatch):
    first = fine_tune(probing())
    monkeypatch.setattr(features, "feature_net", None)  # would fail
    second = fine_tune(probing())
    assert (first.folder / "model" / "net.params").read_bytes() == (second.folder / "model" / "net.params").read_bytes()


def test_lp_ft_starts_from_the_probe(probing):
    probe = fine_tune(probing())
    start = fine_tune(probing(method="lp-ft", epochs=0))
    assert start.results[-1].test_acc == probe.results[-1].test_acc
    went_on = fine_tune(probing(method="lp-ft", epochs=1, lr=1e-6))
    assert [result.epoch for result in went_on.results] == [0, 1]
    assert went_on.results[-1].test_acc == probe.results[-1].test_acc


def test_probabilities_of_a_probe_are_calibrated_by_photos_held_out(probing):
    run = fine_tune(probing())
    assert json.loads((run.folder / "model" / "model.json").read_text())["temperature"] > 0


@pytest.mark.parametrize("method", METHODS)
def test_broken_photos_are_told_once_and_counted(probing, photos, caplog, method):
    for part in ("train", "test"):
        (photos / part / "red" / "0.jpg").write_bytes(b"broken")
    for _ in range(2):  # with features in the cache the second time
        caplog.clear()
        run = fine_tune(probing(method=method, epochs=1))
        assert run.skipped == 2
        assert run.tested[1] == 5
        assert caplog.text.count("train/red/0.jpg") == 1


@pytest.mark.parametrize("method", METHODS)
def test_the_best_epoch_is_chosen_without_the_test_photos(probing, method):
    run = fine_tune(probing(method=method, keep="best", val_split=0.25, epochs=2, lr=0.01))
    assert run.result.val_acc is not None
    assert run.result.test_acc is not None


def test_balanced_weights_reach_the_probe(probing, photos):
    for path in sorted((photos / "train" / "red").iterdir())[2:]:
        path.unlink()
    plain, balanced = (fine_tune(probing(class_weights=value)).folder for value in ("none", "balanced"))
    biases = [
        load_model(folder, [mx.cpu()]).net._collect_params_with_prefix()["output.bias"].data().asnumpy()
        for folder in (plain, balanced)
    ]
    assert np.diff(biases[1]) > np.diff(biases[0])  # red, the rare class, gains


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("options", [{"weights": "none"}, {"output_init": "imagenet"}])
def test_what_leaves_nothing_to_probe_is_refused(photos, tmp_path, method, options):
    with pytest.raises(ConfigError, match="--method"):
        fine_tune(TrainConfig(data=str(photos), out=str(tmp_path / "run"), method=method, **options))
    assert not (tmp_path / "run").exists()


def test_everything_at_once_trains(probing):
    run = fine_tune(
        probing(method="lp-ft", epochs=2, label_smoothing=0.1, mixup=0.2, ema=0.9, accumulate=3, devices="cpu:2")
    )
    outcome = answer(load_model(run.folder, [mx.cpu()]), open_source(run_data(run)).test, mx.cpu())
    assert outcome.accuracy == pytest.approx(run.results[-1].test_acc)  # the average is what was judged and saved
    shutil.rmtree(run.folder)


def run_data(run) -> str:
    return TrainConfig.from_sources({}, run.folder / "config.yaml", environment={}).data
