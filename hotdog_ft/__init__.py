"""Fine-tune image classifiers on Apache MXNet/Gluon.

    import hotdog_ft

    run = hotdog_ft.fine_tune(hotdog_ft.TrainConfig(data="demo", model="efficientnet_lite0", epochs=1))
    print(hotdog_ft.load(run.folder).predict("lunch.jpg"))

Names are loaded when they are first used, since importing MXNet takes seconds. docs/api.md describes them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hotdog_ft.config import TrainConfig
    from hotdog_ft.data.sources import open_source
    from hotdog_ft.errors import HotdogError
    from hotdog_ft.inference.explain import Explainer, overlay
    from hotdog_ft.inference.predictor import Prediction, Predictor, load
    from hotdog_ft.models.finetune import source_model, target_net
    from hotdog_ft.models.weights import find_weights
    from hotdog_ft.recipes.check_data import check_data
    from hotdog_ft.recipes.compare import compare, from_scratch
    from hotdog_ft.recipes.evaluate import evaluate_run
    from hotdog_ft.recipes.export import export_int8
    from hotdog_ft.recipes.export_elsewhere import check_exported, export_elsewhere
    from hotdog_ft.recipes.fine_tune import fine_tune
    from hotdog_ft.recipes.past_runs import find_runs
    from hotdog_ft.recipes.show import show_photos
    from hotdog_ft.recipes.sweep import sweep
    from hotdog_ft.recipes.tune import tune
    from hotdog_ft.runs import Run
    from hotdog_ft.training.devices import find_devices

__all__ = [
    "Explainer",
    "HotdogError",
    "Prediction",
    "Predictor",
    "Run",
    "TrainConfig",
    "check_data",
    "check_exported",
    "compare",
    "evaluate_run",
    "export_elsewhere",
    "export_int8",
    "find_devices",
    "find_runs",
    "find_weights",
    "fine_tune",
    "from_scratch",
    "load",
    "open_source",
    "overlay",
    "show_photos",
    "source_model",
    "sweep",
    "target_net",
    "tune",
]

_HOMES = {
    "config": ["TrainConfig"],
    "data.sources": ["open_source"],
    "errors": ["HotdogError"],
    "inference.explain": ["Explainer", "overlay"],
    "inference.predictor": ["Prediction", "Predictor", "load"],
    "models.finetune": ["source_model", "target_net"],
    "models.weights": ["find_weights"],
    "recipes.check_data": ["check_data"],
    "recipes.compare": ["compare", "from_scratch"],
    "recipes.evaluate": ["evaluate_run"],
    "recipes.export": ["export_int8"],
    "recipes.export_elsewhere": ["check_exported", "export_elsewhere"],
    "recipes.fine_tune": ["fine_tune"],
    "recipes.past_runs": ["find_runs"],
    "recipes.show": ["show_photos"],
    "recipes.sweep": ["sweep"],
    "recipes.tune": ["tune"],
    "runs": ["Run"],
    "training.devices": ["find_devices"],
}
"""Where each name is, as imported above for those who read types."""


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
