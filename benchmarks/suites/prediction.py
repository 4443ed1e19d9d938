"""Prediction: a folder of photos and the network alone, by the tool and by PyTorch."""

from __future__ import annotations

from benchmarks.photos import link_photos
from benchmarks.suites import Setting
from benchmarks.suites.training import NETWORKS
from benchmarks.turns import SPEED, Comparison, Contender, Figure, hotdog_ft, module

BATCH_SIZE = 32  # predict's own
BEST = Figure("best_batch_size", "best batch")


def comparisons(setting: Setting) -> list[Comparison]:
    few = link_photos(setting.data, setting.scratch / "few", train=4, test=4)
    return [_comparison(setting, model, few) for model in NETWORKS]


def _comparison(setting: Setting, model: str, few) -> Comparison:
    options = ("--data", setting.folder, "--model", model, *setting.timing(BATCH_SIZE))
    run = ("--run", "../run")
    python = setting.torch_python
    return Comparison(
        f"Prediction with {model} at 224 pixels",
        SPEED,
        (
            Contender("hotdog-ft, a folder", module("predict_folder", *run, *options)),
            Contender("hotdog-ft, a resident batch", module("predict_folder", *run, "--resident", *options)),
            Contender("PyTorch, a folder", module("torch_prediction", *options, python=python)),
            Contender("PyTorch, a resident batch", module("torch_prediction", "--resident", *options, python=python)),
        ),
        subject="hotdog-ft, a folder",
        minutes=3.5,
        also=(BEST,),
        # A model of random values: it costs what any other does.
        preparation=(
            hotdog_ft("train", "--data", few, "--model", model, "--weights", "none", "--epochs", 0, "--out", "run"),
        ),
    )
