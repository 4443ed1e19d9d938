from __future__ import annotations

import dataclasses
import json
import os
import shutil

import numpy as np
import pytest

from hotdog_ft import runs
from hotdog_ft.backend import mx, nd
from hotdog_ft.config import TrainConfig
from hotdog_ft.data.folder import read_folder
from hotdog_ft.errors import RunError
from hotdog_ft.models.finetune import target_net
from hotdog_ft.runs import Run, find_model, load_model, save_model, written_by_mxnet
from hotdog_ft.training import EpochResult
from tests.conftest import parameters

CPU = [mx.cpu()]
RESULT = EpochResult(1, 0.5, 0.75, None, 0.8, 100.0, 2.0, "[cpu(0)]", 0.01)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def classifier():
    mx.random.seed(1)
    return target_net("mobilenet0.25", None, ("green", "red"), CPU, image_size=32)


@pytest.fixture
def saved(classifier, photos, tmp_path):
    folder = tmp_path / "model"
    save_model(folder, classifier, None, read_folder(photos).fingerprint())
    return folder


def change(folder, **values):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_saved_model_gives_the_same_outputs_wherever_it_is_taken(saved, classifier, tmp_path):
    moved = tmp_path / "another machine" / "model"
    shutil.copytree(saved, moved)
    loaded = load_model(moved, CPU)
    X = nd.array(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)), dtype="uint8")
    assert (loaded(X).asnumpy() == classifier(X).asnumpy()).all()
    assert loaded.classes == classifier.classes
    assert loaded.preprocess == classifier.preprocess
    assert loaded.architecture == "mobilenet0.25"


def test_model_json_tells_what_is_needed_and_where_it_came_from(saved, photos):
    described = json.loads((saved / "model.json").read_text())
    assert described["format_version"] == 1
    assert described["classes"] == ["green", "red"]
    assert described["preprocess"]["image_size"] == 32
    assert described["source_weights"] is None
    assert described["data_fingerprint"] == read_folder(photos).fingerprint()
    assert {"hotdog-ft", "numpy"} <= set(described["versions"])


def test_saving_over_a_model_replaces_it(saved, classifier, photos):
    classifier.net.output.bias.set_data(nd.array([3, 4]))
    save_model(saved, classifier, None, "")
    assert (parameters(load_model(saved, CPU).net)["output.bias"] == [3, 4]).all()
    assert sorted(path.name for path in saved.iterdir()) == ["model.json", "net.params"]


def test_a_save_that_fails_leaves_the_model_as_it_was(saved, classifier, photos, monkeypatch):
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    monkeypatch.setattr(runs, "sha256", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_model(saved, classifier, None, "")
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "net.params").write_bytes(b"x"), "not the file that was saved"),
        (lambda f: (f / "net.params").unlink(), "is missing"),
        (lambda f: (f / "model.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "model.json").write_text("[" * 100_000), "not valid JSON"),
        (lambda f: (f / "model.json").write_text("[]"), "doesn't describe a model"),
        (lambda f: change(f, format_version=99), "format version 99"),
        (lambda f: change(f, architecture="resnet18_v2"), "don't fit together"),
        (lambda f: change(f, architecture="nosuch"), "don't fit together"),
        (lambda f: change(f, classes=["a", "b", "c"]), "don't fit together"),
        (lambda f: change(f, preprocess={}), "don't fit together"),
        (lambda f: change(f, temperature=0), "don't fit together"),
        (lambda f: change(f, temperature="warm"), "don't fit together"),
        (lambda f: change(f, temperature=float("nan")), "don't fit together"),
        (lambda f: (f / "model.json").unlink(), "has no model in it"),
    ],
)
def test_a_damaged_model_is_named(saved, damage, message):
    damage(saved)
    with pytest.raises(RunError, match=message) as caught:
        load_model(saved, CPU)
    assert str(saved) in caught.value.message


def test_a_run_or_its_model_folder_can_be_named(saved, tmp_path):
    run = tmp_path / "run"
    shutil.move(saved, run / "model")
    assert find_model(run) == run / "model"
    assert find_model(run / "model") == run / "model"
    with pytest.raises(RunError, match="there is no such run"):
        find_model(tmp_path / "nosuch")


def test_a_runs_configuration_runs_it_again():
    config = TrainConfig(lr=0.5, image_size=64)
    run = Run.create("train", config)
    assert TrainConfig.from_sources({}, run.folder / "config.yaml", {}) == config


def test_metrics_have_a_line_an_epoch():
    run = Run.create("train", TrainConfig())
    run.record(RESULT)
    run.record(RESULT)
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    fields = ["epoch", "loss", "train_acc", "val_acc", "test_acc", "examples_per_sec", "seconds", "devices", "lr"]
    assert [list(line) for line in lines] == [fields, fields]


def test_latest_points_at_the_last_run_with_a_model(classifier, photos):
    first, second = (Run.create("train", TrainConfig()) for _ in range(2))
    assert first.folder != second.folder
    first.save_model(classifier, None, "")
    assert os.readlink("runs/latest") == first.folder.name
    second.save_model(classifier, None, "")
    assert os.readlink("runs/latest") == second.folder.name
    Run.create("train", TrainConfig())
    assert find_model("runs/latest").resolve() == (second.folder / "model").resolve()


def test_a_named_folder_is_used_if_it_is_empty_or_new(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/deep"):
        assert Run.create("train", TrainConfig(out=name)).folder.samefile(tmp_path / name)


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(RunError, match="--out: full is there already"):
        Run.create("train", TrainConfig(out="full"))


def test_the_summary_closes_with_the_books_two_lines_and_tells_what_was_skipped():
    run = Run.create("train", TrainConfig())
    run.record(RESULT)
    assert run.summary() == "loss 0.500, train acc 0.750, test acc 0.800\n100.0 examples/sec on [cpu(0)]"
    run.skipped = 1
    assert run.summary().splitlines()[0] == "1 photo that can't be read: skipped."


def test_a_temperature_travels_with_the_model(saved, classifier):
    assert "temperature" not in json.loads((saved / "model.json").read_text())
    assert load_model(saved, CPU).temperature is None  # as every model that was saved before there were any
    classifier.temperature = 1.5
    save_model(saved, classifier, None, "")
    assert json.loads((saved / "model.json").read_text())["format_version"] == 1
    assert load_model(saved, CPU).temperature == 1.5


def with_val(epoch: int, val_acc: float) -> EpochResult:
    return dataclasses.replace(RESULT, epoch=epoch, val_acc=val_acc, test_acc=None)


@pytest.mark.parametrize(("keep", "kept"), [("best", 2), ("last", 4)])
def test_the_epoch_to_keep_is_the_first_of_the_best_or_the_last(keep, kept):
    run = Run.create("train", TrainConfig(keep=keep))
    to_save = [run.record(with_val(epoch, acc)) for epoch, acc in enumerate((0.5, 0.8, 0.7, 0.8), start=1)]
    assert run.result.epoch == kept
    assert to_save == ([True, True, False, False] if keep == "best" else [True] * 4)


def test_the_test_accuracy_of_the_kept_model_goes_to_its_epoch():
    run = Run.create("train", TrainConfig(keep="best"))
    run.record(with_val(1, 0.8))
    run.record(with_val(2, 0.7))
    run.record_test(3, 4)
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["test_acc"] for line in lines] == [0.75, None]
    assert run.summary().splitlines() == [
        "kept epoch 1, the best on the validation photos",
        "test acc's 95 % interval 0.301 to 0.954 (3 of 4)",  # Wilson's: test_stats.py
        "loss 0.500, train acc 0.750, val acc 0.800, test acc 0.750",
        "100.0 examples/sec on [cpu(0)]",
    ]


def test_parameters_of_which_the_end_is_missing_are_told(tmp_path):
    path, name = tmp_path / ".temporary.params", tmp_path / "net.params"
    nd.save(str(path), {"values": nd.zeros(1000)})
    with written_by_mxnet(path, name):
        whole = path.read_bytes()
    with pytest.raises(RunError) as caught, written_by_mxnet(path, name):
        path.write_bytes(whole[:-1])
    assert caught.value.message == f"{name}: can't be written."
    assert "disk" in caught.value.hint
