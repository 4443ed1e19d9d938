"""The machine's peak, and how much of it training reaches."""

from __future__ import annotations

from benchmarks.suites import Setting
from benchmarks.turns import Comparison, Contender, Figure, module

GFLOPS = Figure("flops", "rate", "GFLOP/s", 1e-9)


def comparisons(setting: Setting) -> list[Comparison]:
    seconds = ("--seconds", 1 if setting.quick else 5)
    training = module("tool", "--synthetic", "--model", "resnet18_v2", *setting.timing(128))
    return [
        Comparison(
            "The machine's peak in float32, and what training resnet18_v2 without photos reaches",
            GFLOPS,
            (
                Contender("matrix products, NumPy", module("matmul", "numpy", *seconds)),
                Contender("matrix products, MXNet's oneDNN", module("matmul", "onednn", *seconds)),
                Contender("training resnet18_v2", training),
            ),
            subject="training resnet18_v2",
            minutes=2,
            also=(),
            notes=("Training counts as three times the multiply-adds of the forward pass, two operations each.",),
        )
    ]
