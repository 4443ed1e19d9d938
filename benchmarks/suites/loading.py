"""The input path: photos from files to batches, augmented and normalised, without a network."""

from __future__ import annotations

from benchmarks.suites import Setting
from benchmarks.turns import SPEED, Comparison, Contender, module


def comparisons(setting: Setting) -> list[Comparison]:
    options = ("--data", setting.folder, *setting.timing(128))
    return [
        Comparison(
            "Photos from files to float32 batches, random parts of them at 224 pixels",
            SPEED,
            (
                Contender("Gluon's DataLoader, 1 core", module("gluon_loader", *options, "--cores", 1)),
                Contender("hotdog-ft, 1 core", module("input_path", *options, "--cores", 1)),
                Contender("hotdog-ft, all cores", module("input_path", *options)),
            ),
            subject="hotdog-ft, 1 core",
            minutes=2,
        )
    ]
