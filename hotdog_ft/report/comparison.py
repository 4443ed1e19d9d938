"""Pictures that set trainings side by side: curves of several seeds, accuracy against a setting, a search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hotdog_ft.report import plots  # noqa: F401, it chooses the backend without a display
from hotdog_ft.training import EpochResult

Curves = Mapping[str, Sequence[Sequence[EpochResult]]]
"""The results of each seed's epochs, by the training's name."""


def draw_comparison(curves: Curves, path: Path) -> None:
    """Loss and accuracy by epoch to a PNG: each seed a thin line, the mean of the seeds a thick one."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    judged = (
        "test_acc" if all(r.val_acc is None for runs in curves.values() for run in runs for r in run) else "val_acc"
    )
    for number, (name, runs) in enumerate(curves.items()):
        for ax, field in ((left, "loss"), (middle, "train_acc"), (right, judged)):
            _seeds_and_mean(ax, runs, field, name, f"C{number}")
    for ax, label in ((left, "training loss"), (middle, "train accuracy"), (right, f"{judged[:-4]} accuracy")):
        ax.set(xlabel="epoch", title=label.replace("val ", "validation "))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.3)
    left.set_ylim(bottom=0)
    right.sharey(middle)
    right.autoscale(axis="y")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(curves), frameon=False)
    figure.savefig(path, dpi=120)


def _seeds_and_mean(ax: Axes, runs: Sequence[Sequence[EpochResult]], field: str, name: str, colour: str) -> None:
    """Thin lines, and a thick one as far as all seeds go that have not diverged at once; a single epoch goes across."""
    lines = [[float("nan") if (v := getattr(r, field)) is None else v for r in run] for run in runs if run]
    epochs = [result.epoch for run in runs[:1] for result in run]
    for run, values in zip([run for run in runs if run], lines):
        ax.plot([r.epoch for r in run], values, color=colour, alpha=0.4, linewidth=0.9, marker=".", markersize=4)
    if not lines:
        ax.plot([], [], color=colour, linewidth=2.2, label=f"{name}: diverged in epoch 1")
        return
    shared = min(map(len, lines))
    epochs = [r.epoch for r in next(run for run in runs if run)][:shared]
    mean = np.mean([values[:shared] for values in lines], axis=0)
    if shared == 1:  # a probe: as far as the others' curves
        ax.axhline(mean[0], color=colour, linewidth=1.2, linestyle="--")
    of = "one seed" if len(lines) == 1 else f"mean of {len(lines)} seeds"
    ax.plot(epochs, mean, color=colour, linewidth=2.2, marker="o", markersize=5, label=f"{name}, {of}")


def draw_sweep(name: str, values: Mapping[float, Sequence[tuple[float, float] | None]], path: Path) -> None:
    """Accuracy against a setting to a PNG.

    values: for each value of the setting, each seed's (validation accuracy, test accuracy), None where it diverged.
    Every seed is a dot; a line joins the means of neighbouring values at which all seeds finished.
    """
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    ax = figure.subplots()
    positions = sorted(values)
    for number, (label, colour) in enumerate((("validation", "C0"), ("test", "C1"))):
        means: list[float] = []
        for value in positions:
            accuracies = [seed[number] for seed in values[value] if seed]
            ax.plot([value] * len(accuracies), accuracies, ".", color=colour, alpha=0.6, markersize=8)
            means.append(float(np.mean(accuracies)) if len(accuracies) == len(values[value]) else math.nan)
        style = "-" if number == 0 else "--"
        ax.plot(
            positions, means, style, color=colour, linewidth=2, marker="_", markersize=14, label=f"{label} accuracy"
        )
    diverged = {value: sum(seed is None for seed in seeds) for value, seeds in values.items()}
    marked = [value for value in positions if diverged[value]]
    if marked:
        bottom = ax.get_xaxis_transform()  # the value across, a part of the height up
        ax.plot(marked, [0.05] * len(marked), "x", color="C3", markersize=9, transform=bottom, label="diverged")
        for value in marked:
            text = f"{diverged[value]} of {len(values[value])}"
            ax.annotate(text, (value, 0.05), xycoords=bottom, xytext=(0, 7), textcoords="offset points", ha="center")
    _scale(ax, positions)
    ax.set(xlabel=name, ylabel="accuracy")
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.2 * (high - low) if marked else low, high)  # room for the crosses
    ax.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=120)


def _scale(ax: Axes, positions: Sequence[float]) -> None:
    """A logarithmic axis where the values span it, with zero at its left end if it is one of them."""
    positive = [value for value in positions if value > 0]
    if positive and max(positive) >= 10 * min(positive):
        if len(positive) == len(positions):
            ax.set_xscale("log")
        else:
            ax.set_xscale("symlog", linthresh=min(positive), linscale=0.5)
    ax.set_xticks(positions, [f"{value:g}" for value in positions])
    ax.minorticks_off()


def draw_search(trials: Mapping[str, Sequence[tuple[float, float | None]]], path: Path) -> None:
    """How a search went, to a PNG: the best so far by trial, and each trial by its learning rate.

    trials: by the training's name, each (learning rate, validation accuracy; None if it was stopped or diverged).
    """
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    bottoms = [ax.get_xaxis_transform() for ax in (left, right)]
    for number, (name, tried) in enumerate(trials.items()):
        colour = f"C{number}"
        values = [math.nan if value is None else value for _, value in tried]
        numbers = list(range(1, len(tried) + 1))
        best = np.fmax.accumulate(np.array(values))
        left.step(numbers, best, where="post", color=colour, linewidth=2, label=f"{name}: best so far")
        left.plot(numbers, values, "o", color=colour, markersize=4, alpha=0.6)
        right.plot([lr for lr, _ in tried], values, "o", color=colour, markersize=5, alpha=0.7)
        stopped = [(float(trial), lr) for trial, (lr, value) in enumerate(tried, start=1) if value is None]
        height = 0.03 + 0.04 * number
        for ax, across, bottom in zip((left, right), zip(*stopped), bottoms):
            ax.plot(across, [height] * len(stopped), "x", color=colour, markersize=6, transform=bottom)
    left.plot([], [], "x", color="black", markersize=6, label="stopped early, or diverged")
    left.set(xlabel="trial", ylabel="validation accuracy")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(xlabel="lr", xscale="log")
    low, high = left.get_ylim()
    left.set_ylim(low - 0.15 * (high - low), high)  # room for the crosses
    for ax in (left, right):
        ax.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=len(trials) + 1, frameon=False)
    figure.savefig(path, dpi=120)
