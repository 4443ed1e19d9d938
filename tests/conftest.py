"""Photos, folders and small networks that tests share. Everything is made here; nothing is downloaded."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from hotdog_ft.machine import cores

# Side by side, test processes would share each core among threads that wait for each other: half as fast.
if processes := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // processes)))

# Machines here are shared: how long an example takes says nothing.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_PHOTOS = REPOSITORY.parent / "shared" / "data" / "hotdog-photos.zip"


@pytest.fixture(autouse=True)
def _own_place(tmp_path_factory, monkeypatch):
    """Each test has its own cache and none of the user's settings; logging as it is when the program starts."""
    for name in [name for name in os.environ if name.startswith("HOTDOG_FT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOTDOG_FT_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("MXNET_MKLDNN_ENABLED", raising=False)  # building a NASNet in this process sets it
    monkeypatch.setenv("MXNET_HOME", str(tmp_path_factory.mktemp("mxnet")))
    yield
    log = logging.getLogger("hotdog_ft")
    log.handlers.clear()
    log.setLevel(logging.NOTSET)
    log.propagate = True


@pytest.fixture
def run_cli(capfd):
    """Run the command line in this process: `status, out, err = run_cli("train", "--data", folder)`."""
    from hotdog_ft.cli import run

    def call(*arguments) -> tuple[int, str, str]:
        capfd.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return status, out, err

    return call


def hotdog_ft(*arguments, **options) -> subprocess.CompletedProcess:
    """Run the command line as a process of its own."""
    command = [sys.executable, "-m", "hotdog_ft", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, **options)


def by_hand(role: str, port: int, workers: int = 2) -> dict[str, str]:
    """The environment of a process that MXNet's parameter server needs, on this machine."""
    variables = {
        "DMLC_ROLE": role,
        "DMLC_PS_ROOT_URI": "127.0.0.1",
        "DMLC_PS_ROOT_PORT": str(port),
        "DMLC_NODE_HOST": "127.0.0.1",
        "DMLC_NUM_WORKER": str(workers),
        "DMLC_NUM_SERVER": "1",
        "OMP_NUM_THREADS": "1",
    }
    return {**os.environ, **variables}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def draw(colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    """A small RGB picture, mostly of one colour, with noise: uint8, shape (*size, 3)."""
    noise = np.random.default_rng(seed).integers(-40, 40, (*size, 3))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    """Write an RGB picture in the format of the path's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


COLOURS = {"green": (60, 180, 60), "red": (190, 60, 60), "blue": (60, 60, 190)}


def make_classes(folder: Path, count: int, classes=("green", "red"), first_seed: int = 0) -> Path:
    """A class folder for each colour, with `count` pictures in each."""
    for label, name in enumerate(classes):
        for i in range(count):
            save(folder / name / f"{i}.jpg", draw(COLOURS[name], first_seed + 1000 * label + i))
    return folder


@pytest.fixture
def photos(tmp_path) -> Path:
    """A data set of two colours: train/ with 8 a class, test/ with 3."""
    root = tmp_path / "photos"
    make_classes(root / "train", 8)
    make_classes(root / "test", 3, first_seed=500)
    return root


@pytest.fixture
def toy_net():
    """A function that makes a small network, as tests.toy has it."""
    from tests.toy import make_toy

    return make_toy


@pytest.fixture
def lively():
    """A function that has BatchNorm layers scale and shift, so that ReLU6 cuts at both ends. Returns the network."""
    from hotdog_ft.backend import nd

    def enliven(net):
        for key, parameter in net.collect_params().items():
            if key.endswith("gamma"):
                parameter.set_data(nd.random.uniform(1, 3, parameter.shape))
            if key.endswith("beta"):
                parameter.set_data(nd.random.normal(2, 2, parameter.shape))
        net.hybridize(static_alloc=True, static_shape=True)
        return net

    return enliven


@pytest.fixture
def bottleneck_net(lively):
    """A function that makes a small network for 32 x 32 pixels, always alike, with all that training_graph changes.

    That is ReLU6 with narrow layers between, one added to the next, wide kernels with stride and without, and a ReLU.
    """
    from hotdog_ft.backend import gluon, mx
    from hotdog_ft.data.preprocess import Preprocess
    from hotdog_ft.models.classifier import Classifier
    from hotdog_ft.models.efficientnet_lite import InvertedBottleneck

    def make(devices):
        mx.random.seed(1)  # no value lies so near to 0 or 6 that rounding decides whether it is cut
        net = gluon.nn.HybridSequential()
        with net.name_scope():
            net.add(gluon.nn.Conv2D(16, 3, 2, 1, in_channels=3, use_bias=False))
            net.add(InvertedBottleneck(16, 24, 3, 16, 2, 6))
            net.add(InvertedBottleneck(24, 24, 5, 8, 1, 6))
            net.add(InvertedBottleneck(24, 40, 5, 8, 2, 6))
            net.add(gluon.nn.Conv2D(64, 1, in_channels=40, use_bias=False), gluon.nn.BatchNorm(in_channels=64))
            net.add(gluon.nn.Activation("relu"), gluon.nn.Conv2D(32, 1, in_channels=64))
            net.add(gluon.nn.GlobalAvgPool2D(), gluon.nn.Flatten(), gluon.nn.Dense(2, in_units=32))
        net.initialize(mx.init.Xavier(), ctx=devices)
        classifier = Classifier("toy", net, Preprocess(image_size=32, resize=36), ("green", "red"))
        classifier.normalize.initialize(ctx=devices)
        return lively(classifier)

    return make


def parameters(net) -> dict[str, np.ndarray]:
    """A network's values by structured name, from its first device."""
    return {name: p.list_data()[0].asnumpy() for name, p in net._collect_params_with_prefix().items()}
