"""The time to a result: a probe, its features yet to be computed or kept from before, against the book's code."""

from __future__ import annotations

from benchmarks.suites import Setting
from benchmarks.turns import REPOSITORY, WALL, Comparison, Contender, Figure, hotdog_ft, module

EPOCHS = 5  # the book's
ACCURACY = Figure("test_acc", "test accuracy")


def comparisons(setting: Setting) -> list[Comparison]:
    probe = ("train", "--config", REPOSITORY / "configs" / "fast.yaml", "--data", setting.folder)
    cache = {"HOTDOG_FT_HOME": "cache"}  # in the round's folder: a new one each round, the same for both
    book = ("--data", setting.folder, "--epochs", EPOCHS, *setting.timing(128))
    return [
        Comparison(
            f"From {len(setting.data.train)} photos to a result, all in all",
            WALL,
            (
                Contender("a probe, cold cache", hotdog_ft(*probe, "--out", "cold", **cache), run="cold"),
                Contender("a probe, warm cache", hotdog_ft(*probe, "--out", "warm", **cache), run="warm"),
                Contender(f"the book's code, {EPOCHS} epochs (extrapolated)", module("book", *book)),
            ),
            subject="a probe, cold cache",
            minutes=8,
            also=(ACCURACY,),
            notes=(
                f"The book's time is {EPOCHS} passes over train/ at the measured speed of its code with resnet18_v2; "
                "its judging of the test photos after each epoch is left out.",
            ),
        )
    ]
