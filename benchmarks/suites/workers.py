"""One process against two workers and MXNet's parameter server, each with a core of its own."""

from __future__ import annotations

from pathlib import Path

from benchmarks.photos import link_photos
from benchmarks.suites import Setting
from benchmarks.turns import Comparison, Contender, Figure, hotdog_ft

STEP = Figure("examples_per_sec", "training", "images/s")
BATCH_SIZE = 64
NETWORKS = {"resnet18_v2": 128, "alexnet": 224}
"""Each with the side of its photos, in pixels: one with few gradients for what it computes, and one with many."""


def comparisons(setting: Setting) -> list[Comparison]:
    batch_size = setting.batch_size(BATCH_SIZE)
    folder = link_photos(setting.data, setting.scratch / "workers", 4 * batch_size, 16)
    return [_comparison(folder, model, size, batch_size) for model, size in NETWORKS.items()]


def _comparison(folder: Path, model: str, image_size: int, batch_size: int) -> Comparison:
    train = ("train", "--data", folder, "--model", model, "--image-size", image_size, "--weights", "none")

    def contender(name: str, size: int, cores: int, *launch: object) -> Contender:
        run = name.replace(" ", "-")
        options = (*train, "--epochs", 2, "--lr", 1e-5, "--batch-size", size, "--out", run)
        return Contender(name, hotdog_ft(*launch, *options), run=run, cores=cores)

    return Comparison(
        f"Training {model} at {image_size} pixels in batches of {batch_size}, a core for each worker",
        STEP,
        (
            contender("one process", batch_size, 1),
            contender("one process, batches half as large", batch_size // 2, 1),
            contender("one worker", batch_size, 1, "launch", "-n", 1),
            contender("two workers", batch_size, 2, "launch", "-n", 2),
        ),
        subject="two workers",
        minutes=3,
        also=(),
    )
