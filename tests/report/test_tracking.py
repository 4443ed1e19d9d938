from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from hotdog_ft.report import tracking
from hotdog_ft.training import EpochResult

RESULTS = [
    EpochResult(1, 0.5, 0.75, 0.6, None, 100.0, 2.0, "[cpu(0)]", 0.01),
    EpochResult(2, 0.25, 0.875, 0.7, 0.8, 100.0, 2.0, "[cpu(0)]", 0.005),
]


def needs(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


@pytest.mark.parametrize(("name", "package"), tracking.PACKAGES.items())
def test_what_is_not_installed_is_told_with_the_command_that_does(run_cli, photos, monkeypatch, name, package):
    monkeypatch.setitem(tracking.PACKAGES, name, "nosuchpackage")
    status, out, err = run_cli("train", "--data", photos, "--track", name, "--weights", "none")
    assert (status, out) == (2, "")
    assert err == (
        f"Error: --track {name}: nosuchpackage is not installed.\nHint: Run: pip install 'hotdog-ft[{name}]'.\n"
    )


def test_without_tracking_nothing_is_needed_and_nothing_written(tmp_path):
    tracking.check_tracker("none")
    with tracking.tracking("none", tmp_path, {}) as track:
        track(RESULTS[0])
    assert list(tmp_path.iterdir()) == []


def test_neither_is_imported_until_it_is_used():
    code = "import sys, hotdog_ft.recipes.fine_tune; print({'tensorboardX', 'mlflow'} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "set()"


@needs("tensorboardX")
def test_tensorboard_gets_every_value_in_the_runs_folder(tmp_path):
    from tensorboardX.proto.event_pb2 import Event

    with tracking.tracking("tensorboard", tmp_path, {"lr": 0.01}) as track:
        for result in RESULTS:
            track(result)
    (path,) = (tmp_path / "tensorboard").iterdir()
    found, data = {}, path.read_bytes()
    while data:  # a record is its length (8 bytes), a checksum (4), itself, a checksum (4)
        length = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + length])
        found.update({(v.tag, event.step): v.simple_value for v in event.summary.value if v.HasField("simple_value")})
        data = data[12 + length + 4 :]
    assert found["loss/train", 2] == 0.25
    assert found["accuracy/val", 1] == pytest.approx(0.6)
    assert ("accuracy/test", 1) not in found
    assert found["accuracy/test", 2] == pytest.approx(0.8)


@needs("mlflow")
@pytest.mark.filterwarnings("ignore")
def test_mlflow_gets_every_value_in_the_runs_folder(tmp_path, monkeypatch):
    import mlflow

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with tracking.tracking("mlflow", tmp_path, {"lr": 0.01}) as track:
        for result in RESULTS:
            track(result)
    (run,) = mlflow.search_runs(output_format="list")
    assert run.data.params["lr"] == "0.01"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "accuracy/val")
    assert [(point.step, point.value) for point in history] == [(1, 0.6), (2, 0.7)]
    assert run.info.status == "FINISHED"
    assert (tmp_path / "mlflow").is_dir()
