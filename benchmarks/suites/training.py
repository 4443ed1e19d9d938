"""Training: the tool against the book's code, against torchvision's recipe, and against its own loop without photos."""

from __future__ import annotations

from benchmarks.suites import Setting
from benchmarks.turns import SPEED, Comparison, Contender, module

NETWORKS = {"resnet18_v2": 128, "squeezenet1.1": 128, "efficientnet_lite0": 32}
"""Each with a batch size that fits into 16 GiB."""
FOR_THE_BOOK = "resnet18_v2"
NOTES = {
    "resnet18_v2": "torchvision has no resnet18_v2: its resnet18, the same layers in another order, stands for it.",
    "squeezenet1.1": "The book's code can't train it: Gluon's SqueezeNet refuses the arrays that the book uses.",
    "efficientnet_lite0": "Neither MXNet's zoos nor torchvision have it: benchmarks/torch_networks.py is the same in "
    "PyTorch.",
}


def comparisons(setting: Setting) -> list[Comparison]:
    return [_comparison(setting, model, batch_size) for model, batch_size in NETWORKS.items()]


def _comparison(setting: Setting, model: str, batch_size: int) -> Comparison:
    options = ("--model", model, *setting.timing(batch_size))
    photos = ("--data", setting.folder)
    contenders = (
        Contender("the book's code", module("book", *photos, *options)),
        Contender("hotdog-ft", module("tool", *photos, *options)),
        Contender("torchvision", module("torch_training", *photos, *options, python=setting.torch_python)),
        Contender("hotdog-ft without photos", module("tool", "--synthetic", *options)),
    )
    return Comparison(
        f"Training {model} at 224 pixels, batches of {setting.batch_size(batch_size)}",
        SPEED,
        contenders if model == FOR_THE_BOOK else contenders[1:],
        subject="hotdog-ft",
        minutes=10 if model == FOR_THE_BOOK else 5,
        notes=(NOTES[model],),
    )
