"""Read each photo of a data set once, and keep the little that is needed to judge it and to compare it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hotdog_ft.data.download import Progress
from hotdog_ft.data.duplicates import thumbnail
from hotdog_ft.data.loader import in_order
from hotdog_ft.data.photo import decode_photo, read_bytes
from hotdog_ft.data.survey import Photo
from hotdog_ft.errors import ImageError

FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WebP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
}
"""What a file may be called, by what it holds."""


@dataclass(frozen=True)
class Look:
    """What is kept of a photo."""

    digest: str
    """SHA-256 of the file's bytes; "" when there are none, or they can't be read."""
    error: str | None = None
    """Why it can't be read."""
    format: str | None = None
    """What its bytes begin as, one of FORMATS, or None."""
    size: tuple[int, int] = (0, 0)
    """Width and height, in pixels."""
    pixels: str = ""
    """SHA-256 of its size and its pixels."""
    thumbnail: np.ndarray | None = None
    """uint8, shape (duplicates.SIDE, duplicates.SIDE): 4 KiB."""


def look_at(photos: Sequence[Photo], workers: int, progress: Progress | None = None) -> list[Look]:
    """Read the photos in threads. progress: tqdm, or what takes its arguments."""
    looks = in_order(lambda photo: _look(photo.path), photos, workers, lead=4 * workers)
    if progress is None:
        return list(looks)
    with progress(total=len(photos), desc="reading", unit=" photos") as bar:
        kept = []
        for look in looks:
            kept.append(look)
            bar.update(1)
        return kept


def _look(path: Path) -> Look:
    try:
        data = read_bytes(path)
    except ImageError as error:
        return Look("", error.message.removeprefix(f"{path}: "))
    digest, begins_as = hashlib.sha256(data).hexdigest(), format_of(data)
    try:
        image = decode_photo(data)
    except ImageError as error:
        return Look(digest, error.message, begins_as)
    height, width = image.shape[:2]
    pixels = hashlib.sha256(b"%d %d " % (width, height))
    pixels.update(np.ascontiguousarray(image).data)
    return Look(digest, None, begins_as, (width, height), pixels.hexdigest(), thumbnail(image))


def format_of(data: bytes) -> str | None:
    """Which of FORMATS these bytes begin as, if any."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    if data.startswith(b"GIF8"):
        return "GIF"
    if data.startswith(b"BM"):
        return "BMP"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    return None
