"""What the command line's tests share: a folder to work in, and options that make a run quick."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.processes import start, wait_for
from tests.conftest import make_classes

CLASSES = ("green", "red")
"""Of the model in `run`."""

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


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """A run's folder with a model of random values in it."""
    from hotdog_ft import runs
    from hotdog_ft.backend import mx
    from hotdog_ft.data.folder import read_folder
    from hotdog_ft.models.finetune import target_net

    root = tmp_path_factory.mktemp("predict")
    data = read_folder(make_classes(root / "photos", 2))
    mx.random.seed(1)
    classifier = target_net("mobilenet0.25", None, CLASSES, [mx.cpu()], image_size=28)
    # As networks begin, one so narrow would give every photo the same; and with no bias, `red`.
    he = mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2)
    classifier.net.initialize(he, force_reinit=True)
    weight = classifier.net.output.weight
    weight.set_data(weight.data() * 200)
    classifier.net.output.bias.set_data(mx.nd.array([1.7, 0]))
    runs.save_model(root / "run" / "model", classifier, None, data.fingerprint())
    return root / "run"


@pytest.fixture
def predict(run_cli, run):
    """Run `predict` with the model: `status, out, err = predict("photo.jpg", "--json")`."""
    return lambda *arguments: run_cli("predict", *arguments, "--run", run)


@pytest.fixture
def photo(photos) -> Path:
    return photos / "test" / "red" / "0.jpg"


@pytest.fixture
def broken(tmp_path) -> Path:
    path = tmp_path / "broken.jpg"
    path.write_text("not a photo")
    return path
