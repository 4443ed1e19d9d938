"""Find copies of photos: resized, encoded anew, cropped to 90 % at least, mirrored.

Hashes of the pHash family (imagehash, imagededup, cleanvision) miss crops and mirror images: their 64 bits change with
both. Here each photo is a small grey thumbnail, and the search has two steps.

1. Candidates: the low frequencies of the discrete cosine transform, as in pHash, but kept as numbers, compared by their
   cosine, and taken of 36 windows of each photo that stand for every crop to 90 % and more; a mirrored photo differs
   only in the signs of odd frequencies. Any pair with a cosine above CANDIDATE is looked at closely.
2. Verification: one thumbnail is laid over the other with subpixel accuracy (G. D. Evangelidis and E. Z. Psarakis,
   "Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", PAMI 2008), and the fine structure
   of both (a difference of Gaussians) is correlated, field by field. Photos that only have a layout in common, such as
   food on a white plate, agree in step 1 and not here.

The thresholds were chosen on one half of 2,800 photos and confirmed on the other: docs/data.md.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from scipy.fft import dct

from hotdog_ft.data.download import Progress
from hotdog_ft.data.loader import in_order

SIDE = 64
"""Height and width of a thumbnail, in pixels."""
CANDIDATE = 0.88
"""Cosine of two photos' low frequencies from which they are looked at closely."""
SAME = 0.75
"""Similarity (see Match) from which two photos are copies of each other."""
OVERLAP = 0.75
"""How much of the one photo must lie within the other, as a part of its area."""

_FREQUENCIES = 8
_STEPS = ((0, 0), (0, 0.05), (0.05, 0), (0, 0.1), (0.1, 0), (0.05, 0.05))
# What the windows cut off at the two ends of a side.
_WINDOWS = [(*vertical, *horizontal) for vertical in _STEPS for horizontal in _STEPS]
_PLAIN = 1.0  # grey levels, the standard deviation under which there is nothing to compare
_FIELDS = 4  # along each side
_NOISE = 8.0  # grey levels
_HOPELESS = 0.2  # correlation at the window's place under which aligning won't help: copies have 0.36 and more
_CERTAIN = 0.95  # similarity above which it isn't needed
_BLOCK = 1 << 24  # cosines held at once: 64 MiB


@dataclass(frozen=True)
class Match:
    """Two photos, by their positions in what was searched, of which one is a copy of the other."""

    first: int
    second: int
    similarity: float
    """The second lowest correlation of fine structure among 4 x 4 fields: SAME to 1. (A tenth of the fields that have
    structure may differ, by a caption or a hand that moved.)"""
    is_mirrored: bool
    is_cropped: bool


@dataclass(frozen=True)
class _Candidate:
    part: int
    """The photo that may be a part of the other, or all of it."""
    whole: int
    window: tuple[float, float, float, float]
    """What is cut off the whole: top, bottom, left, right, as parts of its height and width."""
    is_mirrored: bool


def thumbnail(image: np.ndarray) -> np.ndarray:
    """A photo in grey, stretched to a square: uint8 RGB (height, width, 3) -> uint8 (SIDE, SIDE)."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    method = cv2.INTER_AREA if min(grey.shape) >= SIDE else cv2.INTER_LINEAR  # area would enlarge to blocks
    return cv2.resize(grey, (SIDE, SIDE), interpolation=method)


def is_plain(thumbnail: np.ndarray) -> bool:
    """Whether there is nothing in a photo by which to know it again: it is all of one grey."""
    return float(thumbnail.std()) < _PLAIN


def find_copies(thumbnails: np.ndarray, workers: int, progress: Progress | None = None) -> list[Match]:
    """Compare every photo with every other. Each pair of copies comes once, first < second, in order.

    thumbnails: uint8, shape (photos, SIDE, SIDE), none of them plain. progress: tqdm, or what takes its arguments.
    Takes time with the square of the number of photos, and 64 MiB beside the thumbnails.
    """
    if len(thumbnails) < 2:
        return []
    best: dict[tuple[int, int], Match] = {}
    with (
        progress(total=len(thumbnails), desc="comparing", unit=" photos")
        if progress
        else contextlib.nullcontext() as bar
    ):
        for done, candidates in _candidates(thumbnails):
            for match in in_order(partial(_verify, thumbnails), candidates, workers, lead=16 * workers):
                pair = (match.first, match.second)
                if match.similarity >= SAME and (pair not in best or match.similarity > best[pair].similarity):
                    best[pair] = match
            if bar:
                bar.update(done)
    return [best[pair] for pair in sorted(best)]


def _candidates(thumbnails: np.ndarray) -> Iterator[tuple[int, Iterator[_Candidate]]]:
    """For each block of photos: how many they are, and pairs of one of them and a photo that may be a part of it."""
    blocks = (thumbnails[start : start + 1024] for start in range(0, len(thumbnails), 1024))
    parts = _normalised(np.concatenate([_frequencies(block, _projections()[:1])[0, 0] for block in blocks]))
    # The mirror image's: odd horizontal frequencies change their sign.
    signs = np.tile(np.where(np.arange(_FREQUENCIES) % 2, -1, 1), _FREQUENCIES)[1:].astype(np.float32)
    size = max(1, _BLOCK // (len(_WINDOWS) * len(thumbnails)))
    for start in range(0, len(thumbnails), size):
        block = thumbnails[start : start + size]
        wholes = _normalised(_frequencies(block, _projections()).reshape(len(_WINDOWS) * len(block), -1))
        as_is, mirrored = _pairs(wholes, parts, start, False), _pairs(wholes, parts * signs, start, True)
        yield len(block), itertools.chain(as_is, mirrored)


def _pairs(wholes: np.ndarray, parts: np.ndarray, start: int, is_mirrored: bool) -> Iterator[_Candidate]:
    """Pairs whose vectors point the same way.

    wholes: shape (windows * block, length), of the photos from `start` on. parts: shape (photos, length).
    """
    cosines = (wholes @ parts.T).reshape(len(_WINDOWS), -1, len(parts))
    for whole, part in np.argwhere(cosines.max(axis=0) >= CANDIDATE):
        if start + whole != part:
            window = _WINDOWS[int(cosines[:, whole, part].argmax())]
            yield _Candidate(int(part), int(start + whole), window, is_mirrored)


@functools.cache
def _projections() -> np.ndarray:
    """The lowest frequencies of a side's remainder for each of _STEPS: float32, shape (steps, _FREQUENCIES, SIDE)."""
    cells = SIDE // 2
    cosines = dct(np.eye(cells), norm="ortho", axis=0)[:_FREQUENCIES]
    return np.stack([cosines @ _means(start, 1 - end, cells) for start, end in _STEPS]).astype(np.float32)


def _means(start: float, end: float, cells: int) -> np.ndarray:
    """The matrix, shape (cells, SIDE), that averages each of `cells` equal pieces of [start, end] of a side."""
    edges = np.linspace(start * SIDE, end * SIDE, cells + 1)[:, None]
    pixels = np.arange(SIDE)
    covered = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    covered = np.maximum(covered, 0)
    return covered / covered.sum(axis=1, keepdims=True)


def _frequencies(thumbnails: np.ndarray, projections: np.ndarray) -> np.ndarray:
    """Low frequencies of each window but their mean, float32: (steps, steps, photos, _FREQUENCIES² - 1)."""
    columns = np.einsum("nij,hbj->hnib", thumbnails.astype(np.float32), projections, optimize=True)
    values = np.einsum("vai,hnib->vhnab", projections, columns, optimize=True)
    return values.reshape(*values.shape[:3], -1)[..., 1:]


def _normalised(vectors: np.ndarray) -> np.ndarray:
    """float32 vectors, shape (number, length), at length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def _verify(thumbnails: np.ndarray, candidate: _Candidate) -> Match:
    """How alike a candidate's photos are when the one is laid over the other."""
    part = thumbnails[candidate.part].astype(np.float32)
    if candidate.is_mirrored:
        part = np.ascontiguousarray(part[:, ::-1])
    whole = thumbnails[candidate.whole].astype(np.float32)
    placement = _placement(candidate.window)
    similarity, correlation = _agreement(part, whole, placement)
    if correlation >= _HOPELESS and similarity < _CERTAIN:
        for aligned in _align(part, whole, placement):
            better = _agreement(part, whole, aligned)[0]
            if better > similarity:
                similarity, placement = better, aligned
    first, second = sorted((candidate.part, candidate.whole))
    is_cropped = not 0.985 <= placement[0, 0] <= 1.015 or not 0.985 <= placement[1, 1] <= 1.015
    return Match(first, second, similarity, candidate.is_mirrored, is_cropped)


def _align(part: np.ndarray, whole: np.ndarray, guess: np.ndarray) -> Iterator[np.ndarray]:
    """Placements that may be better than the guess, as far as there is a way to one from there.

    On blurred photos first, which leads there from further off; then on sharper ones, since blurring at the border,
    where the one photo goes on and the other doesn't, moves the optimum by up to a pixel.
    """
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-4)
    placement = guess
    with contextlib.suppress(cv2.error):  # it does not converge
        for blur in (2.0, 0.5):
            smooth = [cv2.GaussianBlur(image, (0, 0), blur) for image in (part, whole)]
            placement = cv2.findTransformECC(*smooth, placement.copy(), cv2.MOTION_AFFINE, criteria, None, 1)[1]
            yield placement


def _placement(window: tuple[float, float, float, float]) -> np.ndarray:
    """From pixels of the part to pixels of the whole that has this window: float32, shape (2, 3)."""
    top, bottom, left, right = window
    height, width = 1 - top - bottom, 1 - left - right
    # Pixel centres lie at halves.
    return np.array(
        [[width, 0, left * SIDE + width / 2 - 0.5], [0, height, top * SIDE + height / 2 - 0.5]], dtype=np.float32
    )


def _agreement(part: np.ndarray, whole: np.ndarray, placement: np.ndarray) -> tuple[float, float]:
    """How well fine structure agrees where both photos are: (in the fields, see Match.similarity; over all).

    Both are correlations, from -1 to 1; 0 when the photos have too little in common.
    """
    size = (SIDE, SIDE)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(whole, placement, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    inside = cv2.warpAffine(np.ones(size, np.float32), placement, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    inside = inside > 0.99
    if inside.mean() < OVERLAP:
        return 0.0, 0.0
    a, b = _fine_structure(part) * inside, _fine_structure(laid) * inside
    aa, bb, ab = _sums(a * a), _sums(b * b), _sums(a * b)
    if min(aa.sum(), bb.sum()) < 1e-6:
        return 0.0, 0.0
    # A field in which neither photo has much of its structure would only compare noise.
    counts = np.maximum(aa / aa.mean(), bb / bb.mean()) > 0.1
    fields = np.sort(ab[counts] / np.sqrt(aa[counts] * bb[counts] + 1e-6))
    return float(fields[len(fields) // 10]), float(ab.sum() / np.sqrt(aa.sum() * bb.sum()))


def _sums(values: np.ndarray) -> np.ndarray:
    """Sums over fields: (SIDE, SIDE) -> (_FIELDS, _FIELDS)."""
    length = SIDE // _FIELDS
    return values.reshape(_FIELDS, length, _FIELDS, length).sum(axis=(1, 3))


def _fine_structure(image: np.ndarray) -> np.ndarray:
    """What is between 1 and 4 pixels in size (a difference of Gaussians), equally strong everywhere.

    It is divided by its own strength around each pixel, or else a plate's rim would outweigh what lies on the plate;
    and _NOISE keeps what JPEG leaves of an even surface from being raised to the strength of a structure.
    """
    band = cv2.GaussianBlur(image, (0, 0), 1) - cv2.GaussianBlur(image, (0, 0), 4)
    return band / (np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 4)) + _NOISE)
