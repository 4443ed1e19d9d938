"""Pictures of an evaluation: the confusion matrix, the reliability diagram, and the photos that went wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hotdog_ft.data.photo import open_photo
from hotdog_ft.errors import ImageError
from hotdog_ft.files import replacing
from hotdog_ft.inference.evaluate import Evaluation
from hotdog_ft.inference.metrics import Answer, Bin
from hotdog_ft.report.style import LIGHT, Theme, plain_text, save_figure, shortened, themed

matplotlib.use("agg")  # no window, no display

MOST_NUMBERS = 15
"""Classes, up to which the confusion matrix has its numbers written in."""
MOST_NAMES = 40
COLUMNS = 4
THUMBNAIL = 240
"""Pixels along a photo's longer side."""


def draw_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """confusion.png, reliability.png, mistakes.png and unsure.png. Raises: OSError."""
    with replacing(folder / "confusion.png") as path:
        draw_confusion(evaluation, path)
    with replacing(folder / "reliability.png") as path:
        draw_reliability(evaluation, path)
    with replacing(folder / "mistakes.png") as path:
        draw_answers(evaluation.worst_mistakes, "The worst mistakes", "No mistakes.", path)
    with replacing(folder / "unsure.png") as path:
        draw_answers(evaluation.least_sure, "The least sure answers", "No answers.", path)


def draw_confusion(evaluation: Evaluation, path: Path, theme: Theme = LIGHT) -> None:
    """What was answered to what photos show, shaded by the part of each row."""
    counts = evaluation.confusion
    names = [shortened(name) for name in evaluation.outcome.classes]
    n = len(names)
    side = min(max(3.2, 0.55 * n + 1.4), 11)
    with themed(theme):
        figure = Figure(figsize=(side + 0.8, side), layout="constrained")
        ax = figure.subplots()
        parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ax.imshow(parts, cmap=theme.shades, vmin=0, vmax=1)
        if n <= MOST_NUMBERS:
            for i in range(n):
                for j in range(n):
                    colour = "white" if (parts[i, j] > 0.5) != (theme.name == "dark") else "#1f2328"
                    ax.text(j, i, f"{counts[i, j]}", ha="center", va="center", color=colour, fontsize=9)
        if n <= MOST_NAMES:
            ax.set_xticks(range(n), names, rotation=45 if n > 2 else 0, ha="right" if n > 2 else "center")
            ax.set_yticks(range(n), names)
            plain_text(ax)
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
        ax.set(xlabel="answered", ylabel="shown")
        save_figure(figure, path, theme)


def draw_reliability(evaluation: Evaluation, path: Path, theme: Theme = LIGHT) -> None:
    """How often answers are right by how sure they are, and how many are how sure."""
    series = [("as predicted", evaluation.calibration, theme.series[0], "o-")]
    if evaluation.scaled:
        series.append(("at temperature 1", evaluation.plain, theme.series[1], "s--"))
    with themed(theme):
        figure = Figure(figsize=(4.6, 4.6), layout="constrained")
        upper, lower = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
        upper.plot([0, 1], [0, 1], color=theme.ink, linewidth=1, linestyle=":", label="perfect")
        for name, values, colour, style in series:
            filled = [b for b in values.bins if b.count]
            label = f"{name}: ECE {values.error:.3f}"
            upper.plot(
                [b.confidence for b in filled],
                [b.accuracy for b in filled],
                style,
                color=colour,
                markersize=5,
                label=label,
                clip_on=False,
            )
        upper.set(ylabel="accuracy", ylim=(0, 1))
        upper.legend(loc="upper left", frameon=False, fontsize=9)
        _counts(lower, evaluation.calibration.bins, theme)
        for ax in (upper, lower):
            ax.grid(linewidth=0.6)
            ax.set_axisbelow(True)
        save_figure(figure, path, theme)


def _counts(ax: Axes, bins: Sequence[Bin], theme: Theme) -> None:
    middles = [(b.low + b.high) / 2 for b in bins]
    ax.bar(middles, [b.count for b in bins], width=0.9 * (bins[0].high - bins[0].low), color=theme.series[0])
    ax.set(xlabel="probability of the answer", ylabel="photos", xlim=(0, 1))
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))


def draw_answers(answers: Sequence[Answer], title: str, otherwise: str, path: Path) -> None:
    """Photos with what they show and what was answered; `otherwise` where there are none."""
    tiles = []
    for answer in answers:
        with contextlib.suppress(ImageError):  # it can no longer be read
            tiles.append((answer, open_photo(answer.path).in_small(THUMBNAIL)))
    columns = min(COLUMNS, max(len(tiles), 1))
    rows = -(-len(tiles) // columns) or 1
    with themed(LIGHT):
        figure = Figure(figsize=(max(columns * 2.3, 4), rows * 2.75 + 0.4), layout="constrained")
        figure.suptitle(title if tiles else otherwise, fontsize=12)
        for ax in figure.subplots(rows, columns, squeeze=False).flat:
            ax.axis("off")
        for ax, (answer, image) in zip(figure.axes, tiles):
            ax.imshow(_square(image))
            ax.set_title(_caption(answer), fontsize=9, parse_math=False)
        save_figure(figure, path, dpi=110)


def _square(image: np.ndarray) -> np.ndarray:
    """In the middle of white."""
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    square = np.full((side, side, 3), 255, np.uint8)
    square[top : top + height, left : left + width] = image
    return square


def _caption(answer: Answer) -> str:
    verdict = "right" if answer.truth == answer.label else f"shows {shortened(answer.truth)}"
    return f"{shortened(answer.label)} {answer.probability:.1%}\n{verdict}"
