"""The pen: colours, outlines, and a `Pen` that paints them as rounded, lit shapes.

Each drawing has its own coordinates: x right, y down, the drawn thing about -1 to 1. Colours are RGB, 0 to 255.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

BUN, CRUST, CRUMB, TOAST = (240, 180, 102), (192, 116, 50), (255, 236, 194), (218, 150, 74)
MUSTARD, KETCHUP, CHEESE, PATTY = (255, 206, 30), (206, 28, 22), (255, 204, 70), (116, 68, 42)
LETTUCE, LEAF, TOMATO, PULP, CREAM = (146, 202, 68), (70, 138, 46), (220, 58, 40), (255, 176, 96), (253, 250, 242)
RED, BLUE, GREEN, KRAFT = (206, 48, 42), (62, 104, 168), (74, 142, 88), (206, 158, 104)


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
