"""`export --format onnx` and `--format symbol`, and `--check`: what they write, and what they refuse."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from hotdog_ft.backend import nd
from tests.cli.processes import leftovers, limited, two_lines

FILES = {"onnx": "model.onnx", "symbol": "symbol"}


@pytest.fixture
def run(trained, tmp_path) -> Path:
    return trained("--out", tmp_path / "run")


@pytest.fixture(params=FILES)
def form(request) -> str:
    if request.param == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(package)
    return request.param


@pytest.fixture
def exported(run, form, run_cli) -> Path:
    """The file or the folder that was written."""
    status, _, err = run_cli("export", "--run", run, "--format", form)
    assert status == 0, err
    assert err.splitlines()[-1] == f"The model is in {run / FILES[form]}."
    return run / FILES[form]


def retrained(trained, tmp_path) -> Path:
    """Another model of the same network and classes."""
    return trained("--out", tmp_path / "other", "--seed", 1)


def alter(exported: Path) -> None:
    """Make one of the network's values a much larger one."""
    if exported.is_dir():
        path = exported / "net-0000.params"
        values = nd.load(str(path))
        key = next(name for name in values if name.endswith("dense0_bias"))
        values[key] = values[key] + nd.array([9, 0])
        nd.save(str(path), values)
    else:
        import onnx

        model = onnx.load(exported)
        (bias,) = (tensor for tensor in model.graph.initializer if tensor.name.endswith("dense0_bias"))
        altered = onnx.numpy_helper.to_array(bias) + np.array([9, 0], np.float32)
        bias.CopyFrom(onnx.numpy_helper.from_array(altered, bias.name))
        onnx.save(model, exported)


def test_the_largest_difference_is_told_after_writing(run, form, run_cli):
    status, out, _ = run_cli("export", "--run", run, "--format", form)
    assert status == 0
    start, difference, end = out.partition("differ by at most ")[0], *out.partition("differ by at most ")[1:]
    assert start == "6 test photos: probabilities "
    assert float(end.split(";")[0]) < 1e-5, difference
    assert end.endswith("; the same class for 6\n")


def test_checking_says_the_same_again(exported, run, run_cli):
    status, out, err = run_cli("export", "--run", run, "--check", exported)
    assert status == 0, err
    assert out.startswith("6 test photos: probabilities differ by at most ")


def test_other_photos_can_be_named(exported, run, run_cli, photos):
    shutil.move(photos, photos.parent / "elsewhere")
    assert run_cli("export", "--run", run, "--check", exported)[0] == 1
    moved = photos.parent / "elsewhere"
    assert run_cli("export", "--run", run, "--check", exported, "--data", moved)[0] == 0


def test_an_altered_network_is_told(exported, run, run_cli):
    alter(exported)
    status, out, err = run_cli("export", "--run", run, "--check", exported)
    error, hint = two_lines(err)
    assert (status, out) == (1, "")
    assert error.startswith(f"{exported}: its probabilities differ from the model's by up to 0.")
    assert "export it again" in hint


def test_another_runs_model_is_told(exported, run_cli, trained, tmp_path):
    other = retrained(trained, tmp_path)
    status, _, err = run_cli("export", "--run", other, "--check", exported)
    assert status == 1
    assert two_lines(err)[0] == f"{exported}: is of another model than {other}; they differ in parameters_sha256."


def test_nothing_is_overwritten(exported, run, form, run_cli):
    status, _, err = run_cli("export", "--run", run, "--format", form)
    assert status == 1
    assert two_lines(err)[0].startswith(f"--out: {exported} is there already")
    assert run_cli("export", "--run", run, "--check", exported)[0] == 0


def test_a_full_disk_is_told_and_nothing_stays(run, form):
    done = limited(100_000, ["export", "--run", run, "--format", form])
    error, hint = two_lines(done.stderr)
    assert done.returncode == 1
    assert "can't be written" in error or "File too large" in error
    assert "disk" in hint
    assert not (run / FILES[form]).exists()
    assert not leftovers(run)


def test_a_network_in_integers_is_refused(run, form, run_cli):
    assert run_cli("export", "--run", run, "--format", "int8")[0] == 0
    status, _, err = run_cli("export", "--run", run / "int8", "--format", form)
    assert status == 1
    assert "8-bit integers" in two_lines(err)[0]


def test_an_onnx_file_of_another_program_is_told(run, run_cli):
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "other", [value], [result])
    opset = [onnx.helper.make_opsetid("", 15)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), "other.onnx")
    status, _, err = run_cli("export", "--run", run, "--check", "other.onnx")
    assert status == 1
    assert two_lines(err)[0] == "other.onnx: takes x and gives y, so export hasn't written it."


def test_an_opset_that_onnx_runtime_lacks_is_told(run, run_cli):
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    assert run_cli("export", "--run", run, "--format", "onnx")[0] == 0
    model = onnx.load(run / "model.onnx")
    model.opset_import[0].version = 999
    onnx.save(model, "future.onnx")
    status, _, err = run_cli("export", "--run", run, "--check", "future.onnx")
    assert status == 1
    assert "future.onnx: ONNX Runtime can't compute it (" in two_lines(err)[0]


def test_a_model_without_its_metadata_is_told(exported, run, run_cli):
    if exported.is_dir():
        about = exported / "about.json"
        kept = json.loads(about.read_text())
        about.write_text(json.dumps({"preprocess": kept["preprocess"]}))
    else:
        import onnx

        model = onnx.load(exported)
        del model.metadata_props[:]
        onnx.save(model, exported)
    status, _, err = run_cli("export", "--run", run, "--check", exported)
    assert status == 1
    assert two_lines(err)[0].startswith(f"{exported}: doesn't say which model it is")


@pytest.mark.parametrize("cut", [0, 1000])
def test_a_file_that_breaks_off_is_told(run, run_cli, cut):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    assert run_cli("export", "--run", run, "--format", "onnx")[0] == 0
    Path("cut.onnx").write_bytes((run / "model.onnx").read_bytes()[:cut])
    status, _, err = run_cli("export", "--run", run, "--check", "cut.onnx")
    assert status == 1
    assert two_lines(err)[0].startswith("cut.onnx: ")


@pytest.mark.parametrize("name", ["net-symbol.json", "net-0000.params", "about.json"])
def test_a_folder_that_isnt_whole_is_told(run, run_cli, name):
    assert run_cli("export", "--run", run, "--format", "symbol")[0] == 0
    path = run / "symbol" / name
    path.write_bytes(path.read_bytes()[:100])
    status, _, err = run_cli("export", "--run", run, "--check", run / "symbol")
    assert status == 1
    assert two_lines(err)[0].startswith(f"{run / 'symbol'}: isn't a whole folder")


@pytest.mark.parametrize(
    ("what", "status", "message"),
    [
        ("nosuch.onnx", 2, "--check: nosuch.onnx is not there."),
        ("run/model", 1, "--check: run/model is a model folder"),
    ],
)
def test_what_cant_be_checked_is_told(run, run_cli, what, status, message):
    found, _, err = run_cli("export", "--run", "run", "--check", what)
    assert found == status
    assert two_lines(err)[0].startswith(message)


def test_writing_and_checking_exclude_each_other(run_cli):
    status, _, err = run_cli("export", "--check", "model.onnx", "--out", "other.onnx")
    assert status == 2
    assert two_lines(err)[0].startswith("--out: ")


def test_a_missing_extra_is_told_before_anything_is_done(run, run_cli, monkeypatch):
    from hotdog_ft.inference import to_onnx

    monkeypatch.setattr(to_onnx, "find_spec", lambda name: None if name == "onnxscript" else sys)
    status, _, err = run_cli("export", "--run", run, "--format", "onnx")
    assert status == 2
    assert two_lines(err) == (
        "ONNX needs onnxscript, not installed here.",
        "Run: pip install 'hotdog-ft[onnx]'.",
    )
    assert not (run / "model.onnx").exists()


@pytest.mark.parametrize("option", [["--crop-mode", "squash"], ["--model", "mobilenet0.25+mobilenetv2_0.25"]])
def test_other_preprocessing_and_networks_together_agree(trained, form, run_cli, tmp_path, option):
    run = trained("--out", tmp_path / "another", *option)
    status, _, err = run_cli("export", "--run", run, "--format", form)
    assert status == 0, err
