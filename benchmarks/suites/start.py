"""Starting up: help and completion against Python alone, one photo against what MXNet costs anyway."""

from __future__ import annotations

from benchmarks.photos import link_photos
from benchmarks.suites import Setting
from benchmarks.turns import WALL, Command, Comparison, Contender, hotdog_ft

COMPLETION = {"_HOTDOG_FT_COMPLETE": "bash_complete", "COMP_WORDS": "hotdog-ft train --mo", "COMP_CWORD": "2"}


def comparisons(setting: Setting) -> list[Comparison]:
    few = link_photos(setting.data, setting.scratch / "few-to-start", train=4, test=4)
    photo = setting.data.test.paths[0]
    return [
        Comparison(
            "Start: help and completion",
            WALL,
            (
                Contender("Python alone", Command(("-c", "pass"))),
                Contender("hotdog-ft --help", hotdog_ft("--help")),
                Contender("completion of an option", hotdog_ft(**COMPLETION)),
            ),
            subject="hotdog-ft --help",
            minutes=0.3,
            also=(),
        ),
        Comparison(
            "Start: one photo, resnet18_v2",
            WALL,
            (
                Contender(
                    "importing MXNet and one forward pass",
                    Command(("-m", "benchmarks.import_and_forward", "resnet18_v2")),
                ),
                Contender("hotdog-ft predict PHOTO", hotdog_ft("predict", "--run", "../run", photo)),
            ),
            subject="hotdog-ft predict PHOTO",
            minutes=1.5,
            preparation=(hotdog_ft("train", "--data", few, "--weights", "none", "--epochs", 0, "--out", "run"),),
        ),
    ]
