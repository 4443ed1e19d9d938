"""The scene around a food: what stands beside it, what it lies on, the backdrop, the light and the lens."""

from __future__ import annotations

import cv2
import numpy as np

from hotdog_ft.data.demo.foods import slices
from hotdog_ft.data.demo.pen import (
    BLUE,
    CREAM,
    GREEN,
    KETCHUP,
    KRAFT,
    LEAF,
    LETTUCE,
    MUSTARD,
    PATTY,
    PULP,
    RED,
    TOMATO,
    Pen,
    arc,
    blob,
    cloud,
    ellipse,
    pick,
    planes,
    scatter,
)

# What stands beside the food, as foods are drawn.


def fork(pen: Pen, rng: np.random.Generator) -> None:
    steel = (222, 226, 234)
    tines = [np.array([(x, -0.3), (x, -1)]) for x in (-0.18, -0.06, 0.06, 0.18)]
    pen.stroke(steel, 0.07, *tines, relief=0.04, gloss=0.7)
    pen.fill(steel, ellipse(0, -0.24, 0.22, 0.28), relief=0.1, gloss=0.7)
    pen.stroke(steel, 0.14, np.array([(0, 0), (0, 1.6)]), relief=0.07, gloss=0.7)


def fries(pen: Pen, rng: np.random.Generator) -> None:
    for x in rng.permutation(np.linspace(-0.42, 0.42, 8)):
        stick = np.array([(x * 0.8, 0.3), (x * 1.3, rng.uniform(-1, -0.6))])
        pen.stroke((255, 216, 104), 0.15, stick, relief=0.06, gloss=0.1, rim=(232, 174, 66), shadow=0.05)
    carton = np.array([(-0.56, -0.2), (0, -0.05), (0.56, -0.2), (0.42, 0.85), (-0.42, 0.85)])
    pen.fill(pick(rng, [RED, CREAM, BLUE]), carton, relief=0.06, mottle=0.02)
    pen.fill(MUSTARD, ellipse(0, 0.4, 0.2), relief=0.02, gloss=0, shadow=0)


def cup(pen: Pen, rng: np.random.Generator) -> None:
    """A drink, or a dip, from above."""
    filling = pick(rng, [(80, 42, 26), (134, 80, 40), (255, 176, 50), MUSTARD, KETCHUP, CREAM])
    pen.fill(pick(rng, [CREAM, CREAM, BLUE, RED]), ellipse(0, 0, 0.7), relief=0.1, gloss=0.5, shadow=0.2)
    pen.fill(filling, ellipse(0, 0, 0.56), relief=0.08, mottle=0.01, shadow=0)
    foam = blob(rng, rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.15), 0.28, 0.06)
    pen.fill(np.minimum(255, np.array(filling) + 40), foam, relief=0.2, gloss=0.5, shadow=0)


def tomatoes(pen: Pen, rng: np.random.Generator) -> None:
    slices(pen, scatter(rng, rng.integers(2, 4), 0.6), 0.42, TOMATO, (240, 104, 76), PULP)


def leaf(pen: Pen, rng: np.random.Generator) -> None:
    pen.fill(LETTUCE, blob(rng, 0, 0, 0.75, 0.14, 9), relief=0.14, rim=LEAF, mottle=0.08)
    veins = [np.array([(x, 0), (x + 0.2, y)]) for x in (-0.3, 0, 0.25) for y in (-0.3, 0.3)]
    pen.stroke((206, 230, 150), 0.05, arc(0.55), *veins, relief=0.03, shadow=0)


SIDES = (fork, fries, cup, cup, tomatoes, leaf)


# What the food lies on: drawn as foods are, around something of half the width 1 and the given half height.


def plate(pen: Pen, rng: np.random.Generator, half_height: float) -> None:
    glaze = np.array(pick(rng, [CREAM, CREAM, (134, 176, 206), (228, 112, 84), (248, 218, 140), (98, 106, 116)]))
    pen.fill(glaze, ellipse(0, 0, 1.2), relief=0.06, gloss=0.4, mottle=0.01, shadow=0.12)
    if rng.random() < 0.4:
        pen.stroke(pick(rng, [BLUE, RED, GREEN]), 0.05, ellipse(0, 0, 1.08), closed=True, gloss=0, mottle=0, shadow=0)
    pen.stroke(glaze * 0.9, 0.04, ellipse(0, 0, 0.88), closed=True, relief=0.02, gloss=0, shadow=0)


def napkin(pen: Pen, rng: np.random.Generator, half_height: float) -> None:
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (1.15, half_height + 0.3)
    pen.fill(pick(rng, [CREAM, (214, 230, 244), (250, 222, 206), RED]), square, relief=0.03, gloss=0, mottle=0.02)
    stripe = pick(rng, [RED, BLUE, CREAM])
    pen.stroke(stripe, 0.06, square * 0.86, closed=True, gloss=0, mottle=0, shadow=0, opacity=0.7)


def board(pen: Pen, rng: np.random.Generator, half_height: float) -> None:
    width = 2 * half_height + 0.5
    pen.stroke(KRAFT, width, arc(max(0.1, 1.3 - width / 2)), relief=0.06, gloss=0.1, mottle=0.06, shadow=0.12)
    grain = [arc(1, rng.uniform(-0.1, 0.1), y) for y in np.linspace(-0.7, 0.7, 6) * half_height]
    pen.stroke((160, 108, 62), 0.02, *grain, gloss=0, shadow=0, opacity=0.4)


def tray(pen: Pen, rng: np.random.Generator, half_height: float) -> None:
    card, square = np.array(pick(rng, [RED, CREAM, KRAFT, BLUE])), np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    pen.fill(card, square * (1.15, half_height + 0.15), relief=0.06, gloss=0, mottle=0.02, shadow=0.12)
    pen.fill(card * 0.8, square * (1.05, half_height + 0.05), relief=0.04, gloss=0, mottle=0.02, shadow=0)


SURFACES = (plate, plate, napkin, board, tray)


# Backdrops: float32 RGB, shape (3, height, width).


def wood(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    tone = pick(rng, [(190, 134, 84), (136, 90, 56), (220, 180, 130), (166, 156, 144)])
    grain = cv2.resize(cloud(rng, height, width // 14), (width, height))
    plank = np.arange(height) // rng.integers(28, 60)
    shade = rng.uniform(0.88, 1.1, height)[plank] * (1 - 0.5 * np.diff(plank, prepend=plank[0]))
    return planes(tone) * np.float32(shade[:, None] * (1 + 0.08 * grain))


def checks(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    dye, turn, size = pick(rng, [RED, BLUE, GREEN, MUSTARD, PATTY]), rng.uniform(-0.6, 0.6), rng.uniform(14, 30)
    y, x = np.mgrid[:height, :width].astype(np.float32) * np.float32(np.pi / size)
    cos, sin = np.cos(turn), np.sin(turn)
    across, down = np.sin(x * cos + y * sin), np.sin(y * cos - x * sin)
    dyed = np.float32(0.5 + 0.25 * (np.clip(across * 4, -1, 1) + np.clip(down * 4, -1, 1)))
    return planes(CREAM) + (planes(dye) - planes(CREAM)) * dyed


def grass(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    shade = (1 + 0.12 * cloud(rng, height, width)).astype(np.float32)
    for brightness in (0.7, 0.85, 1.15, 1.3, 1.45):
        roots = rng.uniform((0, 0), (width, height), (60, 2))
        blades = np.stack([roots, roots + rng.uniform((-6, -16), (6, -6), (60, 2))], axis=1)
        cv2.polylines(shade, list(np.round(blades).astype(np.int32)), False, brightness, 1)
    return planes((96, 146, 54)) * shade


def table(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    tone = pick(rng, [(236, 230, 220), (80, 88, 98), (222, 204, 172), (132, 166, 176), (190, 78, 62), (240, 200, 100)])
    return planes(tone) * (1 + np.float32(rng.uniform(0.01, 0.04)) * cloud(rng, height, width))


BACKDROPS = (wood, wood, checks, grass, table, table)


def photograph(image: np.ndarray, light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add uneven warm or cool light, grain and a soft lens.

    image: float32 RGB, shape (3, height, width). Returns uint8 RGB, shape (height, width, 3).
    """
    _, height, width = image.shape
    fall = rng.uniform(0, 0.25) * light[:2]
    uneven = 1 + fall[0] * np.linspace(-1, 1, width) + fall[1] * np.linspace(-1, 1, height)[:, None]
    warmth, exposure = rng.uniform(-0.08, 0.1), rng.uniform(0.82, 1.14)
    grain = rng.uniform(1, 14) * (rng.random((height, width), np.float32) - 0.5)
    lit = image * planes(exposure * np.array([1 + warmth, 1, 1 - warmth])) * np.float32(uneven) + np.float32(grain)
    pixels = np.ascontiguousarray(np.clip(lit, 0, 255).astype(np.uint8).transpose(1, 2, 0))
    return cv2.GaussianBlur(pixels, (3, 3), rng.uniform(0.3, 0.8))
