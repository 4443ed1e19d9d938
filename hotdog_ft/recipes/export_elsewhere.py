"""Write a run's model for other programs, and see that it answers as it does here: `export --format onnx|symbol`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hotdog_ft.backend import gluon, mx
from hotdog_ft.data.download import Progress
from hotdog_ft.errors import RunError
from hotdog_ft.files import check_file, replacing, replacing_folder
from hotdog_ft.inference import to_onnx
from hotdog_ft.inference.description import describe, differing, is_description
from hotdog_ft.inference.parity import Answering, Parity, compare
from hotdog_ft.inference.predictor import Predictor
from hotdog_ft.inference.symbol import SymbolFolder, write_symbol
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.recipes.export import photos_of
from hotdog_ft.runs import check_vacant, find_model, load_model

CHECKED_PHOTOS = 200
TOLERANCE = 1e-4
"""How far a probability may be from the model's."""


@dataclass(frozen=True)
class Form:
    """A form for other programs: where it goes in a run's folder, and what writes and reads it."""

    name: str
    replacing: Callable[[Path], AbstractContextManager[Path]]
    write: Callable[[Path, Classifier, Mapping[str, Any]], None]
    read: Callable[[Path], Answering]


def _write_onnx(path: Path, classifier: Classifier, description: Mapping[str, Any]) -> None:
    from hotdog_ft.inference.to_onnx.whole import write_onnx  # needs an extra

    write_onnx(path, classifier, description)


def _read_onnx(path: Path) -> Answering:
    from hotdog_ft.inference.to_onnx.session import OnnxFile  # needs an extra

    return OnnxFile(path)


FORMS = {
    "onnx": Form("model.onnx", replacing, _write_onnx, _read_onnx),
    "symbol": Form("symbol", replacing_folder, write_symbol, SymbolFolder),
}


@dataclass(frozen=True)
class Written:
    """What was written or checked, and how it answers."""

    path: Path
    parity: Parity


def export_elsewhere(
    form: str,
    run: str | Path = "runs/latest",
    out: str | Path | None = None,
    data: str | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write the model as one ONNX file, or as a folder with a Gluon symbol, and check it on the test photos.

    form: onnx or symbol. out: the new file or folder; model.onnx or symbol in the run's folder unless given. data:
    photos of the model's classes to check by; the run's own unless given. What differs from the model doesn't stay.
    Raises: ConfigError, DataError, DownloadError, RunError.
    """
    if form == "onnx":
        to_onnx.check_installed()
    model = find_model(run)
    path = Path(out) if out else (model.parent if model.name == "model" else model) / FORMS[form].name
    check_vacant(path)
    classifier = _load(model)
    paths = _photos(model, classifier, data, progress)
    description = describe(classifier, model)
    with FORMS[form].replacing(path) as temporary:
        FORMS[form].write(temporary, classifier, description)
        predictor = Predictor(classifier, mx.cpu(), batch_size, workers)
        parity = compare(FORMS[form].read(temporary), predictor, paths, progress)
        _check(parity, f"{path}: not written, since its", "This should not happen: please report it.")
    return Written(path, parity)


def check_exported(
    path: str | Path,
    run: str | Path = "runs/latest",
    data: str | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Written:
    """Check what export_elsewhere has written against the run's model, on the test photos.

    data: as there. Raises: as there; RunError, too, when the file is of another model, or answers otherwise.
    """
    path = Path(path)
    if (path / "model.json").is_file():
        raise RunError(
            f"--check: {path} is a model folder, which other programs don't read.",
            hint="Judge it with: hotdog-ft evaluate --run.",
        )
    form = "symbol" if path.is_dir() else "onnx"
    if form == "onnx":
        check_file(str(path), "--check: ", "Give an ONNX file or the folder of a symbol that export has written.")
        to_onnx.check_installed()
    model = find_model(run)
    exported = FORMS[form].read(path)
    if not is_description(exported.description):
        raise RunError(
            f"{path}: doesn't say which model it is, so export hasn't written it, or it was altered since.",
            hint="Give a file or folder as export has written it.",
        )
    classifier = _load(model)
    others = differing(exported.description, describe(classifier, model))
    if others:
        raise RunError(
            f"{path}: is of another model than {run}; they differ in {', '.join(others)}.",
            hint="Give --run the run that it was exported from, or export it again.",
        )
    predictor = Predictor(classifier, mx.cpu(), batch_size, workers)
    parity = compare(exported, predictor, _photos(model, classifier, data, progress), progress)
    _check(parity, f"{path}: its", "It is damaged, or was altered: export it again.")
    return Written(path, parity)


def _load(model: Path) -> Classifier:
    """The classifier in a model folder. Raises: RunError, too, when it can't be written in another form."""
    classifier = load_model(model, [mx.cpu()])
    if isinstance(classifier.net, gluon.SymbolBlock):
        raise RunError(
            f"{model}: is in 8-bit integers, which only MXNet computes.",
            hint="Give --run the run that it was made from.",
        )
    return classifier


def _photos(model: Path, classifier: Classifier, data: str | None, progress: Progress | None) -> tuple[Path, ...]:
    """CHECKED_PHOTOS of the test photos, always the same ones."""
    split = photos_of(model, classifier.classes, data, "test", progress)
    chosen = np.random.default_rng(0).permutation(len(split))[:CHECKED_PHOTOS]
    return split.take(np.sort(chosen)).paths


def _check(parity: Parity, whose: str, hint: str) -> None:
    """Raise RunError when probabilities differ more than they may, or are no numbers."""
    if not parity.decoded.largest <= TOLERANCE:
        raise RunError(
            f"{whose} probabilities differ from the model's by up to {parity.decoded.largest:.2g}, "
            f"and may by {TOLERANCE:g}.",
            hint=hint,
        )
