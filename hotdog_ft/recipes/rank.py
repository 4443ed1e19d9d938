"""What a network costs on this machine: photos a second in training and in prediction, measured on the spot and kept.

Each network is measured in a process of its own, so that it finds a fresh machine: MXNet keeps what it has allocated.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

import numpy as np

from hotdog_ft.backend import autograd, cores, gluon, mx, nd
from hotdog_ft.data.download import Progress
from hotdog_ft.files import cache_home, write_text
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.fused import FusedNetwork
from hotdog_ft.models.table import Network, find_network
from hotdog_ft.models.training_graph import training_network

BATCH_SIZE = 8
"""Small, so that the largest networks fit into a laptop's memory."""
SECONDS = 2.0
"""For how long each of the two is repeated after a step to warm up; at least once."""
TIMEOUT = 600


@dataclass(frozen=True)
class Speed:
    """Photos a second at the network's own size; None, with the reason, where it couldn't be measured."""

    training: Optional[float]
    prediction: Optional[float]
    failure: Optional[str] = None


def rank(
    networks: Sequence[Network], progress: Progress | None = None, again: bool = False
) -> Iterator[tuple[Network, Speed]]:
    """The speed of each network, in the order given: from the cache (unless `again`), else measured and put there."""
    known = _read_cache()
    if again:
        known = {name: speed for name, speed in known.items() if name not in {network.name for network in networks}}
    unknown = [network for network in networks if network.name not in known]
    bar = progress(total=len(unknown), desc="measuring", unit=" networks") if progress and unknown else None
    with bar if bar is not None else contextlib.nullcontext():
        for network in networks:
            if network.name not in known:
                if bar is not None:
                    bar.set_postfix_str(network.name)
                known[network.name] = _measure_apart(network.name)
                _write_cache(known)  # after each, so that Ctrl-C loses one at most
                if bar is not None:
                    bar.update(1)
            yield network, known[network.name]


def measure(name: str) -> Speed:
    """Train and predict batches of random pixels with a two-way network of random values."""
    size = find_network(name).preprocess.image_size
    net = target_net(name, None, ("a", "b"), [mx.cpu()])
    net.hybridize(static_alloc=True, static_shape=True)
    X = nd.array(np.random.default_rng(0).integers(0, 256, (BATCH_SIZE, size, size, 3)), dtype="uint8")
    y = nd.array(np.arange(BATCH_SIZE) % 2)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1e-4})

    in_training, in_prediction = training_network(net, [mx.cpu()]), FusedNetwork(net, mx.cpu(), fuse_from=0)

    def train() -> None:
        with autograd.record():
            losses = loss(in_training(X), y)
        losses.backward()
        trainer.step(BATCH_SIZE)
        nd.waitall()

    def predict() -> None:
        in_prediction(X).wait_to_read()

    return Speed(training=_photos_per_second(train), prediction=_photos_per_second(predict))


def _photos_per_second(step) -> float:
    """By the median of as many steps as fit into SECONDS, after one to warm up."""
    step()
    times: list[float] = []
    while not times or sum(times) < SECONDS:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return BATCH_SIZE / statistics.median(times)


def _measure_apart(name: str) -> Speed:
    """`measure` in a process of its own, which the kernel may end when memory runs out."""
    command = [sys.executable, "-m", "hotdog_ft.recipes.rank", name]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return Speed(None, None, f"took longer than {TIMEOUT} s")
    if process.returncode < 0:
        return Speed(None, None, f"ended by signal {-process.returncode} (out of memory?)")
    if process.returncode:
        return Speed(None, None, (process.stderr.strip().splitlines() or ["failed"])[-1])
    return Speed(**json.loads(process.stdout.splitlines()[-1]))


def _cache_file() -> Path:
    """One for each processor, number of threads and release: what the speed depends on."""
    processor = _processor() or "cpu"
    threads = os.environ["OMP_NUM_THREADS"]
    name = "".join(c if c.isalnum() else "-" for c in f"{processor} {cores()} {threads} mxnet {mx.__version__}")
    return cache_home() / "speed" / f"{name}.json"


def _processor() -> str | None:
    """The processor's name, as Linux has it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return None


def _read_cache() -> dict[str, Speed]:
    try:
        return {name: Speed(**values) for name, values in json.loads(_cache_file().read_text("utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError):  # none yet, or of another version: measure again
        return {}


def _write_cache(speeds: dict[str, Speed]) -> None:
    measured = {name: asdict(speed) for name, speed in speeds.items() if speed.failure is None}
    write_text(_cache_file(), json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    print(json.dumps(asdict(measure(sys.argv[1]))))
