"""What the command line's tests share: a folder to work in, and options that make a run quick."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.processes import start, wait_for

QUICK = "--model mobilenet0.25 --weights none --image-size 32 --epochs 1 --batch-size 4".split()


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def quick(photos) -> list[str]:
    """Options of `train` and `scratch` for a run of a moment."""
    return ["--data", str(photos), *QUICK]


@pytest.fixture
def trained(run_cli, quick):
    """A function that trains with more options. Returns the run's folder."""

    def train(*options, command: str = "train") -> Path:
        status, _, err = run_cli(command, *quick, *options)
        assert status == 0, err
        return Path(err.splitlines()[-1].removeprefix("The run is in ").removesuffix("."))

    return train


@pytest.fixture
def source(tmp_path) -> Path:
    """The file of a source model with random values: weights to fine-tune from."""
    from hotdog_ft.backend import gluon, mx, nd

    mx.random.seed(3)
    net = gluon.model_zoo.vision.get_model("mobilenet0.25")
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, 3, 32, 32)))
    path = tmp_path / "source.params"
    net.save_parameters(str(path))
    return path


@pytest.fixture
def kill_when():
    """A function that runs the command line as a process and kills it (-9) once the condition holds."""

    def run(condition, *arguments) -> None:
        with start(*arguments, stdout=subprocess.DEVNULL) as process:
            wait_for(condition, process)
            process.kill()

    return run
