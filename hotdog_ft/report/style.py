"""How pictures look: on white, and for a page in the dark on nothing, in colours that the colour-blind tell apart."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Theme:
    """The colours of a picture."""

    name: str
    ink: str
    faint: str
    """Of lines that only help the eye."""
    paper: str
    series: tuple[str, str, str, str]
    """Of test, train, validation, and whatever else: told apart by the colour-blind (Okabe and Ito, 2008)."""
    shades: str
    """matplotlib's colour map of a matrix."""
    transparent: bool = False


LIGHT = Theme("light", "#1f2328", "#d0d7de", "#ffffff", ("#0072b2", "#8a5a00", "#00795a", "#b3446c"), "Blues")
DARK = Theme("dark", "#e6edf3", "#3d444d", "#161b22", ("#56b4e9", "#e69f00", "#2fc69a", "#e88fb4"), "Blues_r", True)


@contextlib.contextmanager
def themed(theme: Theme) -> Iterator[None]:
    """Figures made inside have the theme's colours."""
    settings: dict[Any, Any] = {
        "text.color": theme.ink,
        "axes.labelcolor": theme.ink,
        "axes.titlecolor": theme.ink,
        "axes.edgecolor": theme.ink,
        "xtick.color": theme.ink,
        "ytick.color": theme.ink,
        "grid.color": theme.faint,
        "figure.facecolor": theme.paper,
        "axes.facecolor": theme.paper,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "font.size": 10,
    }
    with matplotlib.rc_context(settings):
        yield


def shown(name: str) -> str:
    """A name as text that can be drawn: a class's is a folder's, any bytes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def shortened(name: str, length: int = 22) -> str:
    """A name as text, its middle left out when it is long."""
    text = " ".join(shown(name).split())
    return text if len(text) <= length else f"{text[: length // 2]}…{text[-(length // 2 - 1) :]}"


def save_figure(figure: Figure, path: Path, theme: Theme = LIGHT, dpi: int = 120) -> None:
    """Write a figure; a box stands for what the font lacks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(path, dpi=dpi, transparent=theme.transparent)


def plain_text(ax: Axes) -> None:
    """Draw tick labels as they are: a dollar sign in a class's name starts no formula."""
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_parse_math(False)
