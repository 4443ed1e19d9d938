"""Read a photo, whatever its format, as upright RGB.

OpenCV decodes what nearly every photo is, fast and without holding Python's lock. Pillow decodes the rest: GIF,
palettes, transparency, CMYK, and orientation in formats where OpenCV looks for none.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Union

import cv2
import numpy as np

from hotdog_ft.data.jpeg import read_header
from hotdog_ft.data.tiff import read_size
from hotdog_ft.errors import ImageError, LargeImageError, NotAnImageError

SUFFIXES = frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"))

# The loader's threads each decode a photo; OpenCV's own threads inside them would only get in their way.
cv2.setNumThreads(1)
cv2.setLogLevel(0)

LARGE = 512 * 512
"""From this many pixels on, a JPEG is decoded when it is known how much of it is wanted. Smaller ones would hardly be
reduced: networks see 224 pixels and more."""

LARGEST = 2**28
"""The most pixels that are decoded, more than any camera's: a file of a few kilobytes can ask for terabytes."""

# Reduction -> OpenCV's flag, the strongest first. A JPEG is coded in blocks of 8 x 8 pixels, which can be decoded as
# 4 x 4, 2 x 2 or 1 pixel: each the mean of an area, or nearly so, and in a fraction of the time.
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}

# EXIF's orientation -> the axis to mirror along, as cv2.flip has it, after changing rows for columns from 5 on.
_MIRROR = {1: None, 2: 1, 3: -1, 4: 0, 5: None, 6: 1, 7: -1, 8: 0}

ARRAY = "array"
"""What a photo is called that is an array."""

PILLOW_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "PPM")
"""What Pillow may decode. It knows others; for some of them it starts a program of the machine's, as Ghostscript."""

_JPEG = b"\xff\xd8"
_HINT = "Open it with an image viewer; replace or remove it if that fails too."


class Photo:
    """A photo whose size is known, and whose pixels are decoded when asked for: no more of them than are needed.

    width, height: of the whole photo, upright, in pixels. decode: a reduction -> uint8 RGB, upright, of shape
    (ceil(height / reduction), ceil(width / reduction), 3); raises ImageError. reductions: those it can be called with,
    descending to 1.
    """

    def __init__(
        self, width: int, height: int, decode: Callable[[int], np.ndarray], reductions: tuple[int, ...] = (1,)
    ) -> None:
        self.width = width
        self.height = height
        self.decode = decode
        self.reductions = reductions

    @classmethod
    def of(cls, image: np.ndarray | Photo) -> Photo:
        """A photo that is decoded already: uint8 RGB, shape (height, width, 3). A Photo is given back as it is."""
        if isinstance(image, Photo):
            return image
        return cls(image.shape[1], image.shape[0], lambda reduction: image)

    def part(self, left: int, top: int, width: int, height: int, size: tuple[int, int]) -> np.ndarray:
        """A part of the photo, for being resized to `size` (width, height): uint8 RGB, any height and width.

        It comes from the strongest reduction in which it is at least that large, its edges within two of those pixels;
        where there is none, it is exact. Not to be written to. Raises: ImageError.
        """
        reduction = next(r for r in self.reductions if r == 1 or (width // r >= size[0] and height // r >= size[1]))
        left, top, right, bottom = (
            (edge + reduction // 2) // reduction for edge in (left, top, left + width, top + height)
        )
        return self.decode(reduction)[top:bottom, left:right]

    def in_small(self, side: int) -> np.ndarray:
        """The photo with `side` pixels along its longer side, or fewer: uint8 RGB, shape (height, width, 3).

        Raises: ImageError.
        """
        scale = min(1.0, side / max(self.width, self.height))
        size = (max(1, round(self.width * scale)), max(1, round(self.height * scale)))
        whole = self.part(0, 0, self.width, self.height, size)
        return cv2.resize(whole, size, interpolation=cv2.INTER_AREA)


class PhotoBytes(NamedTuple):
    """A photo that isn't a file: what it is called, and what its file would hold."""

    name: str
    data: bytes


PhotoSource = Union[str, Path, PhotoBytes, np.ndarray]
"""A path, what a file would hold, or what is decoded already: uint8 RGB, shape (height, width, 3)."""


def open_photo(source: PhotoSource, largest: int = LARGEST) -> Photo:
    """The photo at a path, in bytes, or in an array; a large JPEG not yet decoded. Raises: ImageError, as read_photo.

    What only decoding can tell of a large JPEG, its pixels raise. largest: the most pixels that a photo may have.
    """
    if isinstance(source, np.ndarray):
        return Photo.of(_checked(source))
    name, data = source if isinstance(source, PhotoBytes) else (source, read_bytes(source))
    with _named(name):
        header = read_header(data) if data.startswith(_JPEG) else None
        if header is None or header.components not in (1, 3) or header.width * header.height < LARGE:
            return Photo.of(decode_photo(data, largest))
        _check_size(header.width, header.height, largest)
    width, height, orientation = header.width, header.height, header.orientation
    if orientation >= 5:
        width, height = height, width

    def decode(reduction: int) -> np.ndarray:
        with _named(name):
            return _decode_large(data, orientation, reduction)

    return Photo(width, height, decode, tuple(_REDUCED))


def _checked(image: np.ndarray) -> np.ndarray:
    """An array, if it is a photo. Raises: ImageError."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ImageError(
            f"{ARRAY} of {image.dtype}, shape {image.shape}: isn't a photo.",
            hint="A photo is uint8 RGB, of shape (height, width, 3).",
        )
    return image


def read_photo(path: str | Path) -> np.ndarray:
    """The photo at `path`: uint8 RGB, shape (height, width, 3), upright, transparent parts white.

    Raises: ImageError, when it can't be read, isn't an image, or is cut off.
    """
    data = read_bytes(path)
    with _named(path):
        return decode_photo(data)


@contextlib.contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """Put the path in front of what an ImageError in the block says."""
    try:
        yield
    except ImageError as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from error


def read_bytes(path: str | Path) -> bytes:
    """A photo's file as it is. Raises: ImageError, when it is empty or can't be read."""
    try:
        with open(path, "rb", buffering=0, opener=_open_at_once) as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise ImageError(f"{path}: the file is empty.", hint="Replace it or remove it.")
            return file.readall()
    except IsADirectoryError as error:
        raise ImageError(f"{path}: a folder, not a photo.", hint="Give a photo, or a folder that has some.") from error
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}.", hint="Check the path and its permissions.") from error
    except ValueError as error:  # a NUL in the path
        raise ImageError(f"{path!r}: {error}.", hint="Check the path.") from error


def _open_at_once(path: str, flags: int) -> int:
    """Open a file, and don't wait for a writer where it is a named pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def decode_photo(data: bytes, largest: int = LARGEST) -> np.ndarray:
    """The photo in these bytes: uint8 RGB, shape (height, width, 3), upright. Raises: ImageError.

    largest: the most pixels that it may have.
    """
    if data.startswith(_JPEG):
        header = read_header(data)
        _check_size(header.width, header.height, largest)
        simple = header.components in (1, 3)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        simple = _png_is_plain(data)
        width, height = struct.unpack(">II", data[16:24].ljust(8, b"\0"))
        _check_size(width, height, largest)
    else:
        simple = False
    image = _decode_with_opencv(data) if simple else None
    return _decode_with_pillow(data, largest) if image is None else image


def count_pixels(data: bytes) -> int:
    """How many pixels the photo in these bytes says that it has; 0 where it says nothing, or isn't one."""
    try:
        if data.startswith(_JPEG):
            header = read_header(data)
            return header.width * header.height
        with _opened(data) as image:
            return image.width * image.height
    except Exception:  # as in _decode_with_pillow
        width, height = read_size(data)
        return width * height


def _check_size(width: int, height: int, largest: int) -> None:
    """Raise LargeImageError for a photo of more pixels than `largest`."""
    if width * height > largest:
        raise LargeImageError(
            f"{width} x {height} pixels are more than the {largest / 1e6:.3g} million that are read.",
            hint="Make it smaller, or remove it: files are made so to bring programs down.",
        )


def _decode_with_opencv(data: bytes, flags: int = 0) -> np.ndarray | None:
    """uint8 RGB, shape (height, width, 3), or None when OpenCV can't read it. flags: more of OpenCV's IMREAD_."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | flags)
    except cv2.error:  # no bytes, or more pixels than it will decode
        return None


def _decode_large(data: bytes, orientation: int, reduction: int) -> np.ndarray:
    """A JPEG at 1 / reduction of its size, rounded up: uint8 RGB, upright. Raises: ImageError."""
    image = _decode_with_opencv(data, cv2.IMREAD_IGNORE_ORIENTATION | _REDUCED[reduction])
    if image is None:
        return _decode_with_pillow(data)[::reduction, ::reduction]
    if orientation >= 5:
        image = cv2.transpose(image)
    mirror = _MIRROR[orientation]
    return image if mirror is None else cv2.flip(image, mirror)


def _png_is_plain(data: bytes) -> bool:
    """Whether a PNG is 8-bit grey or RGB, opaque, without an orientation. Raises ImageError when it breaks off."""
    if data.rfind(b"IEND") < 0:
        raise ImageError("the PNG breaks off before its end.", hint="Fetch the file again, or remove it.")
    header = data[: max(data.find(b"IDAT"), 0)]
    plain = len(header) > 25 and header[24] == 8 and header[25] in (0, 2)
    return plain and b"tRNS" not in header and b"eXIf" not in header


def _decode_with_pillow(data: bytes, largest: int = LARGEST) -> np.ndarray:
    """Decode what is not a simple JPEG or PNG. Returns uint8 RGB, shape (height, width, 3). Raises: ImageError."""
    from PIL import ImageFile, ImageOps, UnidentifiedImageError

    ImageFile.LOAD_TRUNCATED_IMAGES = False  # importing GluonCV sets it for all: what is cut off would pass for whole
    try:
        with _opened(data) as image:
            _check_size(image.width, image.height, largest)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # most need no turning, and no copy
            return _to_rgb(image)
    except ImageError:
        raise
    except UnidentifiedImageError:
        image = _decode_tiff(data, largest)
        if image is None:
            raise NotAnImageError("not an image that can be read.", hint=_HINT) from None
        return image
    except MemoryError as error:
        raise ImageError("there is not enough memory to decode it.", hint="Make it smaller, or free memory.") from error
    except Exception as error:  # Pillow's decoders raise almost anything on broken bytes
        raise ImageError(f"not an image that can be read ({error}).", hint=_HINT) from error


def _opened(data: bytes) -> Any:
    """A Pillow image, whose pixels are not yet decoded. Raises: what Pillow raises."""
    from PIL import Image

    Image.init()
    return Image.open(io.BytesIO(data), formats=[name for name in PILLOW_FORMATS if name in Image.OPEN])


def _decode_tiff(data: bytes, largest: int) -> np.ndarray | None:
    """16-bit colour, which is beyond Pillow, not beyond OpenCV; None where it is no TIFF, or one beyond both.

    Raises: LargeImageError. OpenCV knows other formats, too, and says of none how large it is.
    """
    width, height = read_size(data)
    if not width or not height:
        return None
    _check_size(width, height, largest)
    return _decode_with_opencv(data)


def _to_rgb(image) -> np.ndarray:
    """A Pillow image of any mode as uint8 RGB, transparent parts on white."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):  # 16 bits a pixel and more, grey
        values = np.asarray(image, dtype=np.float32)
        if image.mode == "F":
            largest = 1.0 if values.max(initial=0) <= 1 else 255.0
        else:
            largest = 65535.0
        grey = np.clip(values * (255.0 / largest), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
