from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from hotdog_ft.backend import mx, nd
from hotdog_ft.files import sha256
from hotdog_ft.runs import load_model


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Where the first test that needs them puts a run, its model in integers and what was said, for all to copy."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def run(made, trained, tmp_path) -> Path:
    if not (made / "run").exists():
        trained("--method", "finetune", "--epochs", 2, "--lr", 0.01, "--out", made / "run")
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


@pytest.fixture
def exported(made, run, run_cli) -> tuple[Path, str]:
    """The exported model's folder, in the run's, and what was said."""
    if not (made / "said").exists():
        status, out, err = run_cli("export", "--run", run, "--format", "int8", "--out", made / "int8")
        assert status == 0, err
        (made / "said").write_text(out)
    return Path(shutil.copytree(made / "int8", run / "int8")), (made / "said").read_text()


def test_both_accuracies_their_difference_and_the_speed_are_told(exported):
    _, out = exported
    lines = out.splitlines()
    assert re.fullmatch(r"float32  accuracy \d\.\d{3}, 95 % interval .* \(\d of 6\)", lines[0])
    assert re.fullmatch(r"int8     accuracy \d\.\d{3}, 95 % interval .* \(\d of 6\)", lines[1])
    assert lines[2].startswith("int8 less float32: ")
    assert re.fullmatch(r"Calibrated on 16 training photos; \d+\.\d times as fast here, in batches of 32.", lines[3])


def test_the_network_is_in_integers_and_answers_nearly_the_same(exported, run):
    folder, _ = exported
    layers = json.loads((folder / "net-symbol.json").read_text())["nodes"]
    # MobileNet's convolutions, all but the output layer; their weights become integers only where they are computed
    assert sum(layer.get("attrs", {}).get("quantized") == "true" for layer in layers) == 27
    before, after = (load_model(place, [mx.cpu()]) for place in (run, folder))
    X = nd.array(np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)), dtype="uint8")
    expected, found = before(X).asnumpy(), after(X).asnumpy()
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()
    assert (found != expected).any()


def test_the_model_predicts_and_is_evaluated_like_any_other(exported, run_cli, photos):
    folder, out = exported
    status, predicted, _ = run_cli("predict", "--run", folder, photos / "test", "--json")
    assert status == 0
    assert len(predicted.splitlines()) == 6
    evaluated = json.loads(run_cli("evaluate", "--run", folder, "--data", photos, "--json")[1])
    assert f"({evaluated['right']} of 6)" in out.splitlines()[1]


def test_the_folder_can_be_taken_elsewhere(exported, run_cli, photos, tmp_path):
    shutil.move(exported[0], tmp_path / "elsewhere")
    assert run_cli("predict", "--run", tmp_path / "elsewhere", photos / "test")[0] == 0


@pytest.mark.parametrize("name", ["net.params", "net-symbol.json"])
def test_an_altered_file_is_refused(exported, run_cli, photos, name):
    path = exported[0] / name
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    status, _, err = run_cli("predict", "--run", exported[0], photos / "test")
    assert status == 1
    assert err.startswith(f"Error: {path}: is missing, or not the file")


def test_nothing_is_overwritten(exported, run, run_cli):
    before = (exported[0] / "model.json").read_bytes()
    status, _, err = run_cli("export", "--run", run)
    assert status == 1
    assert err.startswith(f"Error: --out: {exported[0]} is there already")
    assert (exported[0] / "model.json").read_bytes() == before


def test_integers_are_not_exported_again(exported, run_cli, tmp_path):
    status, _, err = run_cli("export", "--run", exported[0], "--out", tmp_path / "twice")
    assert status == 1
    assert "is in 8-bit integers already" in err


def test_a_model_without_its_run_needs_photos(run, run_cli, photos, tmp_path):
    shutil.copytree(run / "model", tmp_path / "alone")
    status, _, err = run_cli("export", "--run", tmp_path / "alone")
    assert status == 1
    assert "Name some with --data" in err
    assert not (tmp_path / "alone" / "int8").exists()
    assert run_cli("export", "--run", tmp_path / "alone", "--data", photos, "--out", tmp_path / "small")[0] == 0


def test_a_model_of_no_numbers_is_refused_before_anything_is_written(run, run_cli):
    model = load_model(run / "model", [mx.cpu()])
    model.net.output.bias.set_data(nd.full(2, np.nan))
    model.net.save_parameters(str(run / "model" / "net.params"))
    described = json.loads((run / "model" / "model.json").read_text())
    described["parameters_sha256"] = sha256(run / "model" / "net.params")
    (run / "model" / "model.json").write_text(json.dumps(described))
    status, _, err = run_cli("export", "--run", run)
    assert status == 1
    assert err.startswith("Error: The model's outputs are no numbers.")
    assert not (run / "int8").exists()


def test_without_onednn_there_are_no_integers(run, run_cli, monkeypatch):
    monkeypatch.setenv("MXNET_MKLDNN_ENABLED", "0")
    status, _, err = run_cli("export", "--run", run)
    assert status == 1
    assert err.startswith("Error: mobilenet0.25: integers are computed by oneDNN")
    assert not (run / "int8").exists()
