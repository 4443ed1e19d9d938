"""A classifier for any program that has MXNet: a symbol, its parameters, and what must be done to a photo before it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.errors import RunError
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.runs import written_by_mxnet

SYMBOL, PARAMETERS, ABOUT = "net-symbol.json", "net-0000.params", "about.json"


class Probabilities(gluon.HybridBlock):
    """A classifier's probabilities, at its temperature.

    Input: uint8 RGB, shape (batch, image_size, image_size, 3). Output: float32, shape (batch, classes).
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__(prefix="")
        self.classifier = classifier
        self._temperature = classifier.temperature or 1.0

    def hybrid_forward(self, F, x):
        return F.softmax(self.classifier(x) / self._temperature, axis=1)


def write_symbol(folder: Path, classifier: Classifier, description: Mapping[str, Any]) -> None:
    """Write symbol, parameters and about.json (the description) into a folder that is there.

    Raises: RunError, OSError.
    """
    size = classifier.preprocess.image_size
    net = Probabilities(classifier)
    net.hybridize()
    net(nd.zeros((1, size, size, 3), dtype="uint8"))  # else it can't be exported
    with written_by_mxnet(folder / PARAMETERS, Path(PARAMETERS)):
        net.export(str(folder / "net"))
    about = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (folder / ABOUT).write_text(about, encoding="utf-8")


class SymbolFolder:
    """What write_symbol has written, as MXNet computes it on the CPU. description: as it was given to that."""

    def __init__(self, folder: Path) -> None:
        """Raises: RunError, unless all of it is there and whole."""
        try:
            self.description: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            self._preprocess = Preprocess.from_dict(self.description["preprocess"])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # that it can't tell an input's type
                self._net = gluon.SymbolBlock.imports(
                    str(folder / SYMBOL), ["data"], str(folder / PARAMETERS), ctx=mx.cpu()
                )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError, mx.MXNetError) as error:
            raise RunError(
                f"{folder}: isn't a whole folder that export --format symbol has written.",
                hint="Export the model again.",
            ) from error

    def answer(self, photo: np.ndarray) -> np.ndarray:
        """A photo's probabilities: uint8 RGB, shape (height, width, 3) -> float32, shape (classes,)."""
        X = self._preprocess.for_test(photo)[np.newaxis]
        return self._net(nd.array(X, dtype="uint8")).asnumpy()[0]
