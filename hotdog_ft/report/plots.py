"""Pictures: photos in rows, and how a training went."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hotdog_ft.training.trainer import EpochResult

matplotlib.use("agg")  # no window, no display


def draw_photos(rows: Sequence[tuple[str, Sequence[np.ndarray]]], path: Path, scale: float = 1.4) -> None:
    """Photos in rows, each with its title, to a PNG. rows: (title, uint8 RGB images of any sizes)."""
    columns = max(len(images) for _, images in rows)
    figure = Figure(figsize=(columns * scale, len(rows) * (scale + 0.25)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, (title, images) in zip(axes, rows):
        for ax in row:
            ax.axis("off")
        for ax, image in zip(row, images):
            ax.imshow(image)
        # A class's name is a folder's: any bytes, and no formula.
        shown = os.fsencode(title).decode("utf-8", "backslashreplace")
        row[0].set_title(shown, loc="left", fontsize=10, parse_math=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands for what the font lacks
        figure.savefig(path, dpi=100)


def draw_curves(results: Sequence[EpochResult], path: Path) -> None:
    """Loss and accuracies by epoch, to a PNG."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [result.epoch for result in results]
    _curve(left, epochs, [result.loss for result in results], "train loss")
    for name, style in (("train_acc", "-"), ("val_acc", "--"), ("test_acc", "-.")):
        values = [getattr(result, name) for result in results]
        if any(value is not None for value in values):
            _curve(right, epochs, values, name.replace("_", " "), style)
    left.set(xlabel="epoch", ylabel="loss")
    right.set(xlabel="epoch", ylabel="accuracy")
    for ax in (left, right):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.3)
        ax.legend()
    figure.savefig(path, dpi=120)


def _curve(ax: Axes, epochs: list[int], values: Sequence[float | None], name: str, style: str = "-") -> None:
    """A line through what was measured; NaN leaves a gap where nothing was."""
    measured = [float("nan") if value is None else value for value in values]
    ax.plot(epochs, measured, style, marker="o", markersize=4, label=f"{name} {measured[-1]:.3f}")
