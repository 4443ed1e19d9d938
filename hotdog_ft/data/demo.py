"""The demo data set: photos of food that the program draws itself, so that a first run needs no download.

Every food is a short function that draws with a `Pen` in its own coordinates: x right, y down, the food about -1 to 1.
`draw_food` sets a scene for it: a backdrop, something to lie on, side dishes, light and a lens.
Colours are RGB, 0 to 255.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

VERSION = 1  # goes up whenever the photos change: the cache's folder is named after it
CLASSES = ("hotdog", "not-hotdog")
PHOTOS_PER_CLASS = {"train": 160, "test": 60}
JPEG_QUALITY = 88

BUN, CRUST, CRUMB, TOAST = (240, 180, 102), (192, 116, 50), (255, 236, 194), (218, 150, 74)
SAUSAGES = ((218, 86, 54), (190, 62, 44), (228, 116, 74), (160, 70, 44))
MUSTARD, KETCHUP, CHEESE, PATTY = (255, 206, 30), (206, 28, 22), (255, 204, 70), (116, 68, 42)
LETTUCE, LEAF, TOMATO, PULP, CREAM = (146, 202, 68), (70, 138, 46), (220, 58, 40), (255, 176, 96), (253, 250, 242)
RED, BLUE, GREEN, KRAFT = (206, 48, 42), (62, 104, 168), (74, 142, 88), (206, 158, 104)


class DemoPhoto(NamedTuple):
    """image: uint8 RGB, shape (height, width, 3). box: (left, top, right, bottom) of the food in pixels, half-open."""

    image: np.ndarray
    box: tuple[int, int, int, int]
    food: str


def pick(rng: np.random.Generator, options: Sequence) -> Any:
    return options[rng.integers(len(options))]


# Outlines and paths: float arrays of shape (points, 2) in a food's own coordinates.


def ellipse(x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0) -> np.ndarray:
    """An ellipse (a circle without ry), its x axis turned by `turn` radians."""
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    across, down = rx * np.cos(angles), (rx if ry is None else ry) * np.sin(angles)
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack([x + across * cos - down * sin, y + across * sin + down * cos], axis=1)


def blob(rng: np.random.Generator, x: float, y: float, radius: float, wobble: float, waves: int = 6) -> np.ndarray:
    """A circle with an irregular edge: `wobble` is how far it strays, as a part of the radius."""
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ripples = np.arange(2, waves + 1)[:, None]
    phases, heights = rng.uniform(0, 6.3, (waves - 1, 1)), rng.uniform(0.3, 1, (waves - 1, 1))
    reach = radius * (1 + wobble * (heights * np.cos(ripples * angles + phases)).sum(axis=0) / np.sqrt(waves))
    return np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], axis=1)


def arc(half_length: float, bend: float = 0.0, y: float = 0.0) -> np.ndarray:
    """A path from left to right that bends down at its ends (up where bend < 0)."""
    x = np.linspace(-half_length, half_length, 25)
    return np.stack([x, y + bend * (x**2 - 0.3)], axis=1)


def wave(half_length: float, bend: float, y: float, height: float, turns: float, sharp: bool = False) -> np.ndarray:
    """A sine, or a zig-zag if sharp, along an arc."""
    x, phase = np.linspace(-half_length, half_length, 121), np.linspace(0, 2 * np.pi * turns, 121)
    swing = np.arcsin(0.97 * np.sin(phase)) / 1.33 if sharp else np.sin(phase)
    return np.stack([x, y + bend * (x**2 - 0.3) + height * swing], axis=1)


def tapered(path: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The outline of a band along `path` whose full width at each point is given."""
    along = np.gradient(path, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
    half = normal * np.reshape(widths, (-1, 1)) / 2
    return np.concatenate([path + half, (path - half)[::-1]])


def scatter(rng: np.random.Generator, count: int, radius: float) -> np.ndarray:
    """Points spread evenly over a disc, shape (count, 2): a sunflower's spiral, jittered."""
    angles = 2.4 * np.arange(count) + rng.uniform(0, 6.3)
    reach = radius * np.sqrt((np.arange(count) + rng.uniform(0.2, 0.9, count)) / count)
    return np.stack([reach * np.cos(angles), reach * np.sin(angles)], axis=1)


@functools.cache
def _clouds() -> np.ndarray:
    """Smooth noise of mean 0 and deviation 1, float32, shape (512, 512): grain, crumbs and stains are cut out of it."""
    rng = np.random.default_rng(0)
    octaves = [cv2.resize(rng.normal(0, 1, (n, n)), (512, 512), interpolation=cv2.INTER_CUBIC) for n in (12, 48, 170)]
    field = np.sum(octaves, axis=0)
    return ((field - field.mean()) / field.std()).astype(np.float32)


def cloud(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A random cut of smooth noise, float32, shape (height, width)."""
    top, left = rng.integers(0, 513 - height), rng.integers(0, 513 - width)
    return _clouds()[top : top + height, left : left + width]


def planes(colour) -> np.ndarray:
    """A colour as float32 of shape (3, 1, 1), to spread over a picture of shape (3, height, width)."""
    return np.asarray(colour, np.float32).reshape(3, 1, 1)


class Pen:
    """Paints rounded, lit shapes that cast shadows.

    image: float32 RGB, 0 to 255, shape (3, height, width), painted in place. centre: a food's origin, (x, y) in pixels.
    scale: pixels to one unit of the food's coordinates. turn: radians. light: unit vector (x, y, z) towards the lamp.
    """

    def __init__(
        self, image: np.ndarray, centre, scale: float, turn: float, light: np.ndarray, rng: np.random.Generator
    ):
        self.image, self.centre, self.scale, self.light, self.rng = image, centre, scale, light, rng
        self._axes = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        self._corners: list[np.ndarray] = []

    def fill(self, colour, *outlines, **look) -> None:
        """Paint what the outlines enclose. The look: see `_paint`."""
        self._shape(colour, outlines, 0, True, **look)

    def stroke(self, colour, width: float, *paths, closed: bool = False, **look) -> None:
        """Paint tubes of a width along the paths, with round ends. The look: see `_paint`."""
        self._shape(colour, paths, max(1, round(width * self.scale)), closed, **look)

    def box(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) in pixels of all that was painted, shadows aside, cut at the picture's edges."""
        edges = np.array([np.min(self._corners, axis=0), np.max(self._corners, axis=0)])
        left, top, right, bottom = np.clip(np.round(edges), 0, self.image.shape[:0:-1]).astype(int).ravel().tolist()
        return left, top, right, bottom

    def _shape(self, colour, paths, thickness: int, closed: bool, shadow: float = 0.06, **look) -> None:
        """Paint lines of a thickness in pixels along the paths, or what they enclose where thickness is 0."""
        placed = [np.asarray(path) @ self._axes + self.centre for path in paths]
        every = np.concatenate(placed)
        corners = np.array([every.min(axis=0) - thickness / 2, every.max(axis=0) + thickness / 2])
        self._corners += list(corners)
        pad = 3 + 2.5 * shadow * self.scale
        (left, top), (right, bottom) = np.clip(np.add(corners, [[-pad], [pad]]), 0, self.image.shape[:0:-1]).astype(int)
        if left >= right or top >= bottom:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        for path in placed:  # one by one: OpenCV leaves out where the outlines of one call overlap
            points = [np.round((path - (left, top)) * 16).astype(np.int32)]
            if thickness:
                cv2.polylines(mask, points, closed, 255, thickness, cv2.LINE_AA, shift=4)
            else:
                cv2.fillPoly(mask, points, 255, cv2.LINE_AA, shift=4)
        region = self.image[:, top:bottom, left:right]
        if shadow:
            self._cast_shadow(region, mask, shadow * self.scale)
        self._paint(region, mask, planes(colour), **look)

    def _cast_shadow(self, region: np.ndarray, mask: np.ndarray, height: float) -> None:
        dark = cv2.blur(mask, (2 * round(height) + 3,) * 2)
        move = np.array([[1, 0, -self.light[0] * height * 1.4], [0, 1, -self.light[1] * height * 1.4]])
        dark = cv2.warpAffine(dark, move, mask.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        region *= 1 - dark * np.float32(0.5 / 255)

    def _paint(self, region, mask, colour, relief=0.25, gloss=0.2, rim=None, mottle=0.04, opacity=1.0) -> None:
        """Paint the shape of a mask on a region of the picture.

        relief: how far in from its edge the surface is round, in food units. gloss: the highlight's strength. rim: the
        colour at the edge. mottle: the strength of stains.
        """
        radius = max(1.5, relief * self.scale)
        depth = np.minimum(cv2.distanceTransform((mask > 127).view(np.uint8), cv2.DIST_L2, 3) / np.float32(radius), 1)
        surface = cv2.blur(np.sqrt(depth * (2 - depth)) * np.float32(radius), (2 * round(radius / 4) + 3,) * 2)
        slope_x, slope_y = cv2.Sobel(surface, -1, 1, 0, scale=1 / 8), cv2.Sobel(surface, -1, 0, 1, scale=1 / 8)
        steepness = slope_x * slope_x + slope_y * slope_y
        x, y, z = self.light.astype(np.float32)
        toward, level = slope_x * x + slope_y * y, np.float32(1) / np.sqrt(1 + steepness)

        tone = colour * planes(self.rng.normal(1, 0.02, 3))
        if rim is not None:
            tone = planes(rim) + (tone - planes(rim)) * depth
        lit = 0.5 + 0.5 / z * np.maximum(0, (z - toward) * level)
        stains = 1 + np.float32(mottle) * cloud(self.rng, *mask.shape)
        # Blinn and Phong's highlight, except on what is flat, which would shine all over.
        mirror = cv2.pow(np.maximum(0, (z + 1 - toward) * level / np.sqrt(2 + 2 * z)) * (steepness > 0.01), 32)
        paint = tone * (lit * stains)
        paint += mirror * np.float32(255 * gloss)
        paint -= region
        paint *= mask * np.float32(opacity / 255)
        region += paint


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


def draw_food(class_name: str, rng: np.random.Generator) -> DemoPhoto:
    """Draw a photo of a hot dog ("hotdog") or of another food ("not-hotdog") somewhere in a scene."""
    short = int(rng.integers(140, 201))
    sides = [short, int(short * rng.uniform(1.0, 1.5))]
    height, width = rng.permutation(sides)
    image = pick(rng, BACKDROPS)(rng, height, width)
    lamp = np.append(rng.uniform((-0.7, -0.8), (0.7, -0.2)), 0.9)
    light = lamp / np.linalg.norm(lamp)

    name = "hotdog" if class_name == "hotdog" else pick(rng, OTHER_FOODS)
    food = FOODS[name]
    centre, scale = rng.uniform(0.28, 0.72, 2) * (width, height), short * rng.uniform(0.3, 0.45)
    turn = rng.uniform(-0.3, 0.3) if food.upright else rng.uniform(-np.pi, np.pi)
    if rng.random() < 0.7:
        below = Pen(image, centre, scale * rng.uniform(1.0, 1.15), turn + rng.uniform(-0.2, 0.2), light, rng)
        pick(rng, SURFACES)(below, rng, food.half_height)
    for _ in range(rng.integers(0, 4)):
        spots = rng.uniform((0, 0), (width, height), (6, 2))
        away = spots[np.argmax(np.linalg.norm(spots - centre, axis=1))]
        beside = Pen(image, away, short * rng.uniform(0.17, 0.25), rng.uniform(-np.pi, np.pi), light, rng)
        pick(rng, SIDES)(beside, rng)
    pen = Pen(image, centre, scale, turn, light, rng)
    food.draw(pen, rng)
    return DemoPhoto(_photograph(image, light, rng), pen.box(), name)


def _photograph(image: np.ndarray, light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
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


def demo_photo(split: str, class_name: str, index: int, seed: int = 0) -> DemoPhoto:
    """A photo of the demo set. It depends on these four alone."""
    stream = (seed, list(PHOTOS_PER_CLASS).index(split), CLASSES.index(class_name), index)
    return draw_food(class_name, np.random.default_rng(stream))


def write_demo(folder: Path, seed: int = 0) -> None:
    """Write `folder/{train,test}/{hotdog,not-hotdog}/N.jpg`, and the foods' boxes by photo to `folder/boxes.json`."""
    boxes = {}
    for split, count in PHOTOS_PER_CLASS.items():
        for class_name in CLASSES:
            (folder / split / class_name).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                photo, path = demo_photo(split, class_name, index, seed), f"{split}/{class_name}/{index}.jpg"
                bgr = cv2.cvtColor(photo.image, cv2.COLOR_RGB2BGR)
                (folder / path).write_bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1])
                boxes[path] = photo.box
    (folder / "boxes.json").write_text(json.dumps(boxes), encoding="utf-8")
