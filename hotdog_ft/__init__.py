"""Fine-tune image classifiers on Apache MXNet/Gluon.

    import hotdog_ft

    run = hotdog_ft.fine_tune(hotdog_ft.TrainConfig(data="demo", model="efficientnet_lite0", epochs=1))
    for prediction in hotdog_ft.load(run.folder).predict(["lunch.jpg"]):
        print(prediction.label, prediction.probability)

Names are loaded when they are first used, since importing MXNet takes seconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hotdog_ft.config import TrainConfig
    from hotdog_ft.errors import HotdogError
    from hotdog_ft.inference.predictor import Prediction, Predictor, load
    from hotdog_ft.recipes.fine_tune import fine_tune
    from hotdog_ft.runs import Run

__all__ = ["HotdogError", "Prediction", "Predictor", "Run", "TrainConfig", "fine_tune", "load"]

_HOMES = {
    "HotdogError": "hotdog_ft.errors",
    "Prediction": "hotdog_ft.inference.predictor",
    "Predictor": "hotdog_ft.inference.predictor",
    "Run": "hotdog_ft.runs",
    "TrainConfig": "hotdog_ft.config",
    "fine_tune": "hotdog_ft.recipes.fine_tune",
    "load": "hotdog_ft.inference.predictor",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'hotdog_ft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
