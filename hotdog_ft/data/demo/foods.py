"""The foods: one short function each, which draws the food with a `Pen`. `FOODS` names them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hotdog_ft.data.demo.pen import (
    BLUE,
    BUN,
    CHEESE,
    CREAM,
    CRUMB,
    CRUST,
    KETCHUP,
    KRAFT,
    LEAF,
    LETTUCE,
    MUSTARD,
    PATTY,
    PULP,
    RED,
    TOAST,
    TOMATO,
    Pen,
    arc,
    blob,
    ellipse,
    pick,
    scatter,
    tapered,
    wave,
)

SAUSAGES = ((218, 86, 54), (190, 62, 44), (228, 116, 74), (160, 70, 44))


# Parts that several foods share.


def half_bun(pen: Pen, bend: float, y: float, width: float, colour=BUN) -> None:
    baked = np.array(colour) * (0.86, 0.73, 0.56)
    pen.stroke(colour, width, arc(1 - width / 2, bend, y), relief=0.24, rim=baked, shadow=0.1)


def sausage(pen: Pen, rng: np.random.Generator, half_length: float, bend: float, y: float, width: float) -> None:
    colour = np.array(pick(rng, SAUSAGES))
    path = arc(half_length - width / 2, bend, y)
    pen.stroke(colour, width, path, relief=width / 2, gloss=0.6, rim=colour * 0.8, shadow=0.08)
    if rng.random() < 0.45:  # from the grill
        lean = rng.choice([-0.1, 0.1])
        marks = [spot + width * np.array([(-lean * 3, -0.36), (lean * 3, 0.36)]) for spot in path[2:-2:4]]
        pen.stroke(colour * 0.45, 0.045, *marks, gloss=0, shadow=0, opacity=0.7)


def sauce(pen: Pen, rng: np.random.Generator, colour, half_length: float, bend: float, y: float) -> None:
    """Mustard or ketchup out of a bottle: a zig-zag, a wave, or a line."""
    height, turns, sharp = pick(rng, [(0.11, 5.5, True), (0.1, 4.5, False), (0.015, 2, False)])
    height, turns = height * rng.uniform(0.8, 1.2), turns * half_length * rng.uniform(0.8, 1.3)
    path = wave(half_length, bend, y, height, turns, sharp)
    pen.stroke(colour, rng.uniform(0.075, 0.1), path, relief=0.05, gloss=0.5, mottle=0.02, shadow=0.035)


def lettuce_edge(pen: Pen, rng: np.random.Generator, half_length: float, bend: float, y: float) -> None:
    frill = wave(half_length, bend, y, rng.uniform(0.03, 0.05), half_length * rng.uniform(5, 8))
    pen.stroke(LETTUCE, 0.14, frill, relief=0.06, rim=LEAF, mottle=0.08)


def slices(pen: Pen, spots: np.ndarray, radius: float, skin, flesh, core=None) -> None:
    """Round slices of tomato, cucumber or pepperoni at the spots, shape (slices, 2)."""
    pen.fill(skin, *[ellipse(x, y, radius) for x, y in spots], relief=0.05, gloss=0.3, shadow=0.03)
    pen.fill(flesh, *[ellipse(x, y, radius * 0.82) for x, y in spots], relief=0.02, gloss=0, shadow=0)
    if core is not None:
        turns = np.exp(2j * np.pi * np.arange(5) / 5)
        cell = ellipse(radius * 0.45, 0, radius * 0.26, radius * 0.17)
        cells = [cell @ [(turn.real, turn.imag), (-turn.imag, turn.real)] for turn in turns]
        pen.fill(core, *[spot + cell for spot in spots for cell in cells], relief=0.03, gloss=0.3, shadow=0)


def specks(pen: Pen, rng: np.random.Generator, colour, spots: np.ndarray, size: float, **look) -> None:
    """Seeds, leaves, crumbs: ovals turned at random, half as wide as long."""
    ovals = [ellipse(x, y, size, size / 2, rng.uniform(0, np.pi)) for x, y in spots]
    pen.fill(colour, *ovals, **{"relief": 0.03, "shadow": 0.02, **look})


# The foods.


def hotdog(pen: Pen, rng: np.random.Generator) -> None:
    bend, length = rng.uniform(-0.16, 0.16), rng.uniform(0.78, 1.18)
    bread = pick(rng, [BUN, TOAST, (250, 206, 140)])
    half_bun(pen, bend, -0.2, 0.48, bread)
    half_bun(pen, bend, 0.2, 0.46, bread)
    pen.stroke(CRUMB, 0.42, arc(0.74, bend), relief=0.1, gloss=0, rim=TOAST, shadow=0)
    if rng.random() < 0.35:
        lettuce_edge(pen, rng, 0.8, bend, rng.choice([-0.17, 0.15]))
    sausage(pen, rng, length, bend, -0.02, rng.uniform(0.3, 0.38))
    if rng.random() < 0.4:  # the near half hides part of the sausage
        half_bun(pen, bend, 0.29, 0.36, bread)
    for colour in pick(rng, [(MUSTARD,), (MUSTARD,), (KETCHUP,), (KETCHUP, MUSTARD)]):
        sauce(pen, rng, colour, min(length, 1) - 0.16, bend, -0.05)
    if rng.random() < 0.25:  # onions
        specks(pen, rng, CREAM, scatter(rng, 24, 0.7) * (1, 0.16) + (0, -0.04), 0.04)


def burger(pen: Pen, rng: np.random.Generator) -> None:
    pen.stroke(BUN, 0.26, arc(0.66, 0, 0.5), relief=0.13, rim=CRUST, shadow=0.12)
    y = 0.33
    for y in (0.33, 0.06)[: rng.integers(1, 3)]:
        pen.stroke(PATTY, 0.22, arc(0.72, 0, y), relief=0.11, rim=(76, 42, 26), mottle=0.18, gloss=0.1)
        tip = rng.uniform(-0.4, 0.4)
        across = (-0.8, 0.8, 0.74, tip + 0.3, tip, tip - 0.3, -0.74)
        down = np.array((-0.14, -0.14, -0.04, -0.03, 0.1, -0.03, -0.04)) + y
        pen.fill(CHEESE, np.stack([across, down], axis=1), relief=0.04, mottle=0.02)
    pen.stroke(TOMATO, 0.1, arc(0.7, 0, y - 0.18), relief=0.05, gloss=0.4)
    lettuce_edge(pen, rng, 0.8, 0, y - 0.25)
    top = ellipse(0, 0, 0.82, 0.62)
    pen.fill(BUN, np.add(np.where(top > (9, 0), top * (1, 0.1), top), (0, y - 0.29)), relief=0.4, gloss=0.3, rim=TOAST)
    specks(pen, rng, CRUMB, scatter(rng, 13, 0.5) * (1.1, 0.42) + (0, y - 0.6), 0.045)


def pizza_slice(pen: Pen, rng: np.random.Generator) -> None:
    half = rng.uniform(0.5, 0.66)
    edge = np.stack([np.linspace(-half, half, 15), -0.7 - 0.16 * np.cos(np.linspace(-1.5, 1.5, 15))], axis=1)
    pen.fill(TOAST, np.concatenate([edge, [(0.03, 1), (-0.03, 1)]]), shadow=0.1)
    cheese = np.concatenate([edge * (0.95, 1), [(0.02, 0.95), (-0.02, 0.95)]])
    pen.fill(CHEESE, cheese, relief=0.06, rim=(236, 130, 50), mottle=0.06, shadow=0)
    spots = np.array([(-0.22, -0.42), (0.22, -0.5), (0.05, -0.02), (-0.04, 0.4)]) + rng.uniform(-0.05, 0.05, (4, 2))
    slices(pen, spots[: rng.integers(3, 5)], 0.15, (158, 36, 26), (206, 66, 44))
    specks(pen, rng, LEAF, np.add(spots, (0.13, 0.15)), 0.09)
    pen.stroke(BUN, 0.2, edge, relief=0.1, rim=CRUST, mottle=0.1)


def pizza(pen: Pen, rng: np.random.Generator) -> None:
    pen.fill(BUN, blob(rng, 0, 0, 0.86, 0.015), relief=0.12, rim=CRUST, mottle=0.1, shadow=0.1)
    pen.fill((214, 78, 38), ellipse(0, 0, 0.74), relief=0.02, shadow=0)
    pen.fill(CHEESE, blob(rng, 0, 0, 0.7, 0.03), relief=0.08, rim=(240, 150, 60), mottle=0.06, shadow=0)
    slices(pen, scatter(rng, 9, 0.58), 0.13, (158, 36, 26), (206, 66, 44))
    specks(pen, rng, LEAF, scatter(rng, 8, 0.55), 0.1)
    cuts = [np.array([(c, s), (-c, -s)]) * 0.82 for c, s in [(1, 0), (0, 1), (0.7, 0.7), (0.7, -0.7)]]
    pen.stroke(CRUST, 0.02, *cuts, gloss=0, shadow=0, opacity=0.6)


def banana(pen: Pen, rng: np.random.Generator) -> None:
    widths = 0.38 * (1 - np.abs(np.linspace(-1, 1, 25)) ** 5) ** 0.7 + 0.06
    for y in (0.2, -0.05, -0.3)[: rng.integers(1, 4)]:
        path = arc(0.95, -rng.uniform(0.4, 0.55), y)
        pen.fill((255, 220, 70), tapered(path, widths), relief=0.18, rim=(236, 186, 44), mottle=0.03, shadow=0.1)
        pen.stroke((216, 168, 44), 0.025, np.add(path[3:-3], (0, 0.06)), gloss=0, shadow=0, opacity=0.8)
        pen.stroke((156, 146, 54), 0.1, path[:2] - (0.03, 0.02), relief=0.05, shadow=0)
        pen.stroke((84, 58, 32), 0.07, np.add(path[-1:], [(0, 0), (0.03, -0.02)]), relief=0.03, shadow=0)


def donut(pen: Pen, rng: np.random.Generator) -> None:
    icing = pick(rng, [(250, 146, 182), (104, 58, 36), CREAM, MUSTARD, (206, 66, 54)])
    pen.stroke(BUN, 0.56, ellipse(0, 0, 0.55), closed=True, relief=0.28, rim=CRUST, shadow=0.12)
    pen.stroke(icing, 0.42, blob(rng, 0, 0, 0.54, 0.05), closed=True, relief=0.2, gloss=0.5, mottle=0.01, shadow=0.03)
    for colour in [MUSTARD, TOMATO, LETTUCE, (90, 170, 220), CREAM]:
        angles, reach = rng.uniform(0, 6.3, 8), rng.uniform(0.42, 0.68, 8)
        specks(pen, rng, colour, np.stack([reach * np.cos(angles), reach * np.sin(angles)], axis=1), 0.05)


def salad(pen: Pen, rng: np.random.Generator) -> None:
    bowl = pick(rng, [CREAM, KRAFT, BLUE, RED])
    pen.fill(bowl, ellipse(0, 0, 0.9), relief=0.14, gloss=0.4, shadow=0.16)
    pen.fill(np.array(bowl) * 0.5, ellipse(0, 0, 0.78), relief=0.05, gloss=0, shadow=0)
    for nth, (x, y) in enumerate(scatter(rng, 13, 0.6)):
        green = (LETTUCE, LEAF, (176, 216, 94))[nth % 3]
        pen.fill(green, blob(rng, x, y, rng.uniform(0.18, 0.26), 0.16), relief=0.08, rim=LEAF, mottle=0.08)
    slices(pen, scatter(rng, 4, 0.6), 0.16, LEAF, (216, 236, 172), (190, 216, 136))
    slices(pen, scatter(rng, 4, 0.55), 0.16, TOMATO, (240, 104, 76), PULP)
    onions = [ellipse(x, y, 0.14, 0.11) for x, y in scatter(rng, 3, 0.5)]
    pen.stroke((206, 134, 186), 0.035, *onions, closed=True, shadow=0.02)


def sushi(pen: Pen, rng: np.random.Generator) -> None:
    fish = pick(rng, [(255, 142, 90), (224, 78, 70), (255, 222, 100)])
    for x in pick(rng, [(-0.66, 0, 0.66), (-0.34, 0.34)]):
        pen.stroke(CREAM, 0.44, np.array([(x, -0.6), (x, -0.1)]), relief=0.18, gloss=0, shadow=0.1)
        pen.stroke(fish, 0.4, np.array([(x, -0.64), (x, -0.06)]), relief=0.16, gloss=0.5)
        fat = [np.array([(x - 0.13, y + 0.06), (x + 0.13, y - 0.06)]) for y in np.linspace(-0.66, -0.06, 5)]
        pen.stroke(CREAM, 0.03, *fat, shadow=0, opacity=0.6)
    rolls = (-0.66, 0, 0.66)
    pen.fill((40, 52, 42), *[ellipse(x, 0.56, 0.3) for x in rolls], relief=0.06, shadow=0.1)
    pen.fill(CREAM, *[ellipse(x, 0.56, 0.25) for x in rolls], relief=0.08, gloss=0, mottle=0.06, shadow=0)
    pen.fill(fish, *[ellipse(x - 0.05, 0.55, 0.1) for x in rolls], relief=0.05, shadow=0)
    pen.fill(LETTUCE, *[ellipse(x + 0.07, 0.58, 0.06, 0.09) for x in rolls], relief=0.05, shadow=0)


def ice_cream(pen: Pen, rng: np.random.Generator) -> None:
    cone = np.array([(-0.36, 0), (0.36, 0), (0.04, 1), (-0.04, 1)])
    pen.fill((240, 182, 106), cone, relief=0.2, rim=TOAST, shadow=0.1)
    low = np.arange(0.05, 0.75, 0.17)
    rising = [np.array([(0.34 * t - 0.36, t), (0.29 - 0.34 * t, t + 0.22)]) for t in low]
    pen.stroke(CRUST, 0.025, *rising, *[line * (-1, 1) for line in rising], gloss=0, shadow=0, opacity=0.6)
    flavours = rng.permutation([CREAM, (252, 172, 190), (124, 74, 48), (200, 230, 162), (255, 222, 120)])
    y = -0.15
    for y, flavour in zip((-0.15, -0.55)[: rng.integers(1, 3)], flavours):
        skirt = blob(rng, 0, 0, 0.36, 0.08, 9) * (1.15, 0.5) + (0, y + 0.24)
        pen.fill(flavour, blob(rng, 0, y, 0.38, 0.02, 9), skirt, relief=0.34, mottle=0.03)
    pen.stroke((120, 20, 30), 0.03, np.array([(0.02, y - 0.4), (0.14, y - 0.64)]), shadow=0)
    pen.fill((206, 22, 48), ellipse(0.02, y - 0.38, 0.12), relief=0.12, gloss=0.8)


def fried_egg(pen: Pen, rng: np.random.Generator) -> None:
    for x in pick(rng, [(0,), (-0.42, 0.42)]):
        y = rng.uniform(-0.12, 0.12)
        pen.fill(CREAM, blob(rng, x, y, 0.54, 0.14), relief=0.1, gloss=0.4, rim=(236, 198, 136), mottle=0.01)
        pen.fill((255, 190, 26), ellipse(x, y, 0.23), relief=0.2, gloss=0.9, rim=(246, 150, 14), shadow=0.03)
        angles, reach = rng.uniform(0, 6.3, 14), rng.uniform(0.28, 0.42, 14)
        pepper = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], axis=1)
        specks(pen, rng, (70, 56, 46), pepper, 0.016, gloss=0, shadow=0)


def taco(pen: Pen, rng: np.random.Generator) -> None:
    angles = np.linspace(np.pi, 2 * np.pi, 30)
    shell = 0.92 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    pen.fill((226, 168, 72), np.add(shell, (0.06, 0.29)), relief=0.1, rim=CRUST, shadow=0.12)
    for colour, reach in [(LETTUCE, 1.07), (PATTY, 1.0), (TOMATO, 1.04), (CHEESE, 0.98)]:
        spots = shell[rng.permutation(np.arange(2, 28))[:11]] * reach + (0, 0.35)
        pen.fill(colour, *[blob(rng, x, y, 0.11, 0.2) for x, y in spots], relief=0.06, mottle=0.08)
    pen.fill((250, 202, 100), shell * 0.95 + (-0.04, 0.4), relief=0.16, rim=(220, 156, 66), mottle=0.07)
    specks(pen, rng, CRUST, scatter(rng, 9, 0.5) * (1, 0.5) + (0, 0.05), 0.06, gloss=0, shadow=0, opacity=0.35)


def lone_sausage(pen: Pen, rng: np.random.Generator) -> None:
    bend = rng.uniform(-0.3, 0.3)
    for y in pick(rng, [(0,), (-0.21, 0.21)]):
        sausage(pen, rng, 0.95, bend, y, rng.uniform(0.32, 0.4))
        if rng.random() < 0.6:
            sauce(pen, rng, pick(rng, [MUSTARD, KETCHUP]), 0.75, bend, y - 0.03)


def sandwich(pen: Pen, rng: np.random.Generator) -> None:
    """A baguette with cheese and tomatoes: a bun with something in it that is no sausage."""
    bend, bread = rng.uniform(-0.08, 0.08), pick(rng, [BUN, TOAST])
    half_bun(pen, bend, -0.3, 0.46, bread)
    half_bun(pen, bend, 0.32, 0.44, bread)
    for y in (-0.2, 0.24):
        lettuce_edge(pen, rng, 0.84, bend, y)
    spots = arc(0.6, bend, 0.02)[::8]
    pen.fill(pick(rng, [CHEESE, (252, 182, 170)]), *[ellipse(x, y, 0.3, 0.24) for x, y in spots], relief=0.03)
    slices(pen, spots, 0.23, TOMATO, (240, 104, 76), PULP)


def lone_bun(pen: Pen, rng: np.random.Generator) -> None:
    """A hot dog's bun, open or closed, without the sausage."""
    bend = rng.uniform(-0.14, 0.14)
    if rng.random() < 0.4:
        half_bun(pen, bend, -0.2, 0.5)
        half_bun(pen, bend, 0.2, 0.5)
        pen.stroke(CRUMB, 0.34, arc(0.76, bend), relief=0.1, gloss=0, rim=TOAST, shadow=0)
        pen.stroke(CRUST, 0.04, arc(0.76, bend), gloss=0, shadow=0, opacity=0.6)
        return
    half_bun(pen, bend, 0, 0.66)
    if rng.random() < 0.5:
        pen.stroke(CRUMB, 0.07, arc(0.7, bend, 0.02), relief=0.05, gloss=0, rim=CRUST, shadow=0)
    else:
        specks(pen, rng, CRUMB, scatter(rng, 18, 0.72) * (1, 0.26), 0.045)


def carrot(pen: Pen, rng: np.random.Generator) -> None:
    path = arc(0.85, rng.uniform(-0.1, 0.1)) - (0.15, 0)
    fronds = [path[-1] + np.array([(-0.1, 0), (0.15, end * 0.3), (0.35, end)]) for end in (-0.42, -0.2, 0, 0.22, 0.4)]
    pen.stroke(LEAF, 0.05, *fronds, relief=0.03)
    pen.fill(LETTUCE, *[blob(rng, x, y, 0.1, 0.3) for frond in fronds for x, y in frond[1:]], relief=0.05, rim=LEAF)
    widths = 0.04 + 0.4 * np.sqrt(np.linspace(0, 1, 25)) * np.append(np.ones(22), (0.97, 0.86, 0.5))
    pen.fill((252, 138, 42), tapered(path, widths), relief=0.18, gloss=0.3, rim=(216, 102, 28))
    creases = [np.array([(0, -0.4), (0.03, rng.uniform(-0.2, 0.2))]) * (1, widths[at]) for at in range(4, 24, 3)]
    rings = [path[at] + crease for at, crease in zip(range(4, 24, 3), creases)]
    pen.stroke((204, 94, 24), 0.025, *rings, gloss=0, shadow=0, opacity=0.8)


class Food(NamedTuple):
    draw: Callable[[Pen, np.random.Generator], None]
    half_height: float  # how far it reaches up and down, in food units: what it lies on is that much larger
    upright: bool = False  # seen from the side, so hardly turned


FOODS = {
    "hotdog": Food(hotdog, 0.45),
    "burger": Food(burger, 0.8, upright=True),
    "pizza slice": Food(pizza_slice, 0.95),
    "pizza": Food(pizza, 0.85),
    "banana": Food(banana, 0.6),
    "donut": Food(donut, 0.85),
    "salad": Food(salad, 0.9),
    "sushi": Food(sushi, 0.9),
    "ice cream": Food(ice_cream, 1.0, upright=True),
    "fried egg": Food(fried_egg, 0.65),
    "taco": Food(taco, 0.65, upright=True),
    "sausage": Food(lone_sausage, 0.45),
    "sandwich": Food(sandwich, 0.55),
    "bun": Food(lone_bun, 0.45),
    "carrot": Food(carrot, 0.35),
}
OTHER_FOODS = tuple(name for name in FOODS if name != "hotdog")
