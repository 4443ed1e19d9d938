"""report.html: a run in one file for people, which needs no network and no script."""

from __future__ import annotations

import base64
import dataclasses
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hotdog_ft.backend import cores, installed_build, mx
from hotdog_ft.config import TrainConfig
from hotdog_ft.data.folder import ImageFolder
from hotdog_ft.data.jpeg import as_jpeg
from hotdog_ft.data.photo import open_photo
from hotdog_ft.errors import ImageError
from hotdog_ft.files import write_text
from hotdog_ft.inference.evaluate import Evaluation
from hotdog_ft.inference.explain import Explainer
from hotdog_ft.inference.metrics import Answer
from hotdog_ft.models.reading import SourceWeights
from hotdog_ft.report.evaluation import THUMBNAIL, draw_confusion, draw_reliability
from hotdog_ft.report.plots import plot_accuracy, plot_loss
from hotdog_ft.report.style import DARK, LIGHT, Theme, save_figure, shortened, shown, themed
from hotdog_ft.runs import Run

JPEG_QUALITY = 80
LOOKED = 240
"""Pixels along each side of the pictures that show where the network looked."""
WIDEST = 12
"""Classes, up to which the confusion matrix is a table; of more it is a picture."""


@dataclass(frozen=True)
class Picture:
    """The same picture for a light page and a dark one, as data: URIs."""

    light: str
    dark: str
    alt: str


@dataclass(frozen=True)
class Tile:
    """A photo with what was answered."""

    image: str
    looked: str | None
    """The same photo, coloured where the network looked."""
    alt: str
    answer: Answer


def write_report(
    path: Path,
    command: str,
    config: TrainConfig,
    run: Run,
    evaluation: Evaluation,
    data: ImageFolder,
    source: SourceWeights | None,
    fingerprint: str,
    explainer: Explainer | None = None,
) -> None:
    """Write a finished run's page. explainer: shows where the network looked in its worst mistakes. Raises: OSError."""
    photos = evaluation.total
    context = {
        "command": command,
        "config": dataclasses.asdict(config),
        "run": run,
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "evaluation": evaluation,
        "parts": {
            name: np.bincount(split.labels, minlength=len(data.classes)) for name, split in data.splits().items()
        },
        "classes": data.classes,
        "fingerprint": fingerprint,
        "source": source,
        "environment": environment(run.result.devices),
        "loss": _chart(lambda ax, theme: plot_loss(ax, run.results, theme), "The training loss by epoch."),
        "accuracy": _chart(
            lambda ax, theme: plot_accuracy(ax, run.results, theme, photos),
            f"Accuracies by epoch; the last on the test photos is {evaluation.accuracy:.3f}.",
        ),
        "reliability": _picture(
            lambda place, theme: draw_reliability(evaluation, place, theme),
            f"How often answers are right, by their probability; calibration error {evaluation.calibration.error:.3f}.",
        ),
        "confusion": None
        if len(data.classes) <= WIDEST
        else _picture(lambda place, theme: draw_confusion(evaluation, place, theme), "The confusion matrix."),
        "mistakes": _tiles(evaluation.worst_mistakes, data, explainer),
        "unsure": _tiles(evaluation.least_sure, data),
    }
    write_text(path, render("report.html", context))


def render(template: str, context: dict[str, Any]) -> str:
    """A template of this package, filled in; every text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("hotdog_ft.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_as_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(number=_number, short=shortened)
    return pages.get_template(template).render(context).strip() + "\n"


def environment(devices: str) -> dict[str, str]:
    """What the run was computed with."""
    return {
        "hotdog-ft": version("hotdog-ft"),
        "MXNet": f"{mx.__version__} ({installed_build() or 'mxnet'})",
        "NumPy": version("numpy"),
        "OpenCV": version("opencv-python-headless"),
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "CPU": f"{_cpu()}, {cores()} cores",
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "devices": devices,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _number(value: float | None, places: int = 3) -> str:
    if value is None:
        return "–"
    return f"{value:.{places}f}" if abs(value) < 1e4 else f"{value:.1e}"


def _as_text(value: Any) -> Any:
    """Names of files and folders may be no Unicode."""
    return shown(value) if type(value) is str else value


def _chart(plot: Callable[[Any, Theme], None], alt: str) -> Picture:
    def draw(path: Path, theme: Theme) -> None:
        with themed(theme):
            figure = Figure(figsize=(4.6, 3.1), layout="constrained")
            plot(figure.subplots(), theme)
            save_figure(figure, path, theme, dpi=160)

    return _picture(draw, alt)


def _picture(draw: Callable[[Path, Theme], None], alt: str) -> Picture:
    """What `draw` writes to a PNG, in both themes."""
    with tempfile.TemporaryDirectory() as folder:

        def uri(theme: Theme) -> str:
            path = Path(folder) / f"{theme.name}.png"
            draw(path, theme)
            return _uri("image/png", path.read_bytes())

        return Picture(uri(LIGHT), uri(DARK), alt)


def _tiles(answers: Sequence[Answer], data: ImageFolder, explainer: Explainer | None = None) -> list[Tile]:
    """Those whose photos can still be read."""
    tiles = []
    for answer in answers:
        path = Path(answer.path)
        try:
            photo = open_photo(path)
            image = photo.in_small(THUMBNAIL)
            looked = explainer.picture(photo, data.classes.index(answer.label), LOOKED) if explainer else None
        except ImageError:
            continue
        place = os.path.relpath(path, data.root) if path.is_relative_to(data.root) else answer.path
        tiles.append(Tile(_photo(image), None if looked is None else _photo(looked), place, answer))
    return tiles


def _photo(image: np.ndarray) -> str:
    return _uri("image/jpeg", as_jpeg(image, JPEG_QUALITY))


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
