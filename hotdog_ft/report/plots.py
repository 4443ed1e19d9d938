"""Pictures: photos in rows, and how a training went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hotdog_ft.report.style import LIGHT, Theme, save_figure, shown, themed
from hotdog_ft.stats import wilson_interval
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
        row[0].set_title(shown(title), loc="left", fontsize=10, parse_math=False)
    save_figure(figure, path, dpi=100)


def draw_curves(results: Sequence[EpochResult], path: Path, test_photos: int | None = None) -> None:
    """Loss and accuracies by epoch, to a PNG. test_photos: how many there are, for the test accuracy's interval."""
    with themed(LIGHT):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        plot_loss(left, results, LIGHT)
        plot_accuracy(right, results, LIGHT, test_photos)
        save_figure(figure, path)


def plot_loss(ax: Axes, results: Sequence[EpochResult], theme: Theme) -> None:
    """The training loss by epoch."""
    epochs = [result.epoch for result in results]
    losses = [result.loss for result in results]
    _curve(ax, epochs, losses, theme.series[1])
    ax.set_ylim(0, 1.05 * max(losses) or 1)
    _finish(ax, epochs, "loss", [("train", losses, theme.series[1])], theme)


def plot_accuracy(ax: Axes, results: Sequence[EpochResult], theme: Theme, test_photos: int | None = None) -> None:
    """Accuracies by epoch, the test accuracy within its 95 % interval."""
    epochs = [result.epoch for result in results]
    ends = []
    names = {"train": theme.series[1], "val": theme.series[2], "test": theme.series[0]}
    for name, colour in names.items():
        values = [getattr(result, f"{name}_acc") for result in results]
        if any(value is not None for value in values):
            _curve(ax, epochs, values, colour)
            ends.append((name, values, colour))
    if test_photos:
        _interval(ax, results, theme.series[0], test_photos)
    low, high = ax.get_ylim()
    if high - low < 0.1:  # else rounding errors would look like a course
        low, high = (low + high) / 2 - 0.05, (low + high) / 2 + 0.05
    ax.set_ylim(max(low, -0.02), min(high, 1.02))
    _finish(ax, epochs, "accuracy", ends, theme)


def _interval(ax: Axes, results: Sequence[EpochResult], colour: str, photos: int) -> None:
    """Wilson's, as a band around the test accuracy, or as a bar where it stands alone."""
    tested = [(result.epoch, result.test_acc) for result in results if result.test_acc is not None]
    intervals = [wilson_interval(round(value * photos), photos) for _, value in tested]
    epochs = [epoch for epoch, _ in tested]
    lows, highs = [low for low, _ in intervals], [high for _, high in intervals]
    if len(tested) > 1:
        ax.fill_between(epochs, lows, highs, color=colour, alpha=0.15, linewidth=0)
    elif tested:
        ax.vlines(epochs, lows, highs, color=colour, alpha=0.6, linewidth=2)


def _curve(ax: Axes, epochs: list[int], values: Sequence[float | None], colour: str) -> None:
    """A line through what was measured; NaN leaves a gap where nothing was."""
    measured = [float("nan") if value is None else value for value in values]
    ax.plot(epochs, measured, color=colour, marker="o", markersize=4, linewidth=1.8, clip_on=False)


def _finish(ax: Axes, epochs: list[int], ylabel: str, ends: list[tuple[str, list, str]], theme: Theme) -> None:
    """Epochs as whole numbers, and each line's name and last value at its end, moved apart where they would touch."""
    ax.set(xlabel="epoch", ylabel=ylabel)
    ax.grid(axis="y", linewidth=0.8)
    ax.set_axisbelow(True)
    if len(epochs) == 1:
        ax.set_xticks(epochs)
        ax.set_xlim(epochs[0] - 1, epochs[0] + 1)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.set_xlim(epochs[0], epochs[-1])
    low, high = ax.get_ylim()
    lasts = []
    for name, values, colour in ends:
        epoch, value = [(e, v) for e, v in zip(epochs, values) if v is not None][-1]
        lasts.append((value, epoch, name, colour))
    place = -float("inf")
    for value, epoch, name, colour in sorted(lasts):
        height = (value - low) / (high - low)
        place = max(height, place + 0.09)
        edge = (epoch - ax.get_xlim()[0]) / (ax.get_xlim()[1] - ax.get_xlim()[0])
        ax.annotate(
            f"{name} {value:.3f}",
            (edge, place),
            xytext=(9, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            color=colour,
            va="center",
            fontweight="bold",
            annotation_clip=False,
            bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 1, "alpha": 0.85},
        )
