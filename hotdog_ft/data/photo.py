"""Read a photo, whatever its format, as upright RGB.

OpenCV decodes what nearly every photo is, fast and without holding Python's lock. Pillow decodes the rest: GIF,
palettes, transparency, CMYK, and orientation in formats where OpenCV looks for none.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import cv2
import numpy as np

from hotdog_ft.errors import ImageError

SUFFIXES = frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"))

# The loader's threads each decode a photo; OpenCV's own threads inside them would only get in their way.
cv2.setNumThreads(1)
cv2.setLogLevel(0)

_HINT = "Open it with an image viewer; replace or remove it if that fails too."


def read_photo(path: str | Path) -> np.ndarray:
    """The photo at `path`: uint8 RGB, shape (height, width, 3), upright, transparent parts white.

    Raises: ImageError, when it can't be read, isn't an image, or is cut off.
    """
    data = read_bytes(path)
    try:
        return decode_photo(data)
    except ImageError as error:
        raise ImageError(f"{path}: {error.message}", hint=error.hint) from error


def read_bytes(path: str | Path) -> bytes:
    """A photo's file as it is. Raises: ImageError, when it is empty or can't be read."""
    try:
        if os.stat(path).st_size == 0:
            raise ImageError(f"{path}: the file is empty.", hint="Replace it or remove it.")
        return Path(path).read_bytes()
    except IsADirectoryError as error:
        raise ImageError(f"{path}: a folder without photos.", hint="Give a photo, or a folder of photos.") from error
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}.", hint="Check the path and its permissions.") from error
    except ValueError as error:  # a NUL in the path
        raise ImageError(f"{path!r}: {error}.", hint="Check the path.") from error


def decode_photo(data: bytes) -> np.ndarray:
    """The photo in these bytes: uint8 RGB, shape (height, width, 3), upright. Raises: ImageError."""
    if data.startswith(b"\xff\xd8"):
        simple = _jpeg_components(data) in (1, 3)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        simple = _png_is_plain(data)
    else:
        simple = False
    image = _decode_with_opencv(data) if simple else None
    return _decode_with_pillow(data) if image is None else image


def _decode_with_opencv(data: bytes) -> np.ndarray | None:
    """uint8 RGB, shape (height, width, 3), or None when OpenCV can't read it."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # no bytes, or more pixels than it will decode
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def _jpeg_components(data: bytes) -> int:
    """The colour components of a JPEG: 1 grey, 3 colour, 4 CMYK. Raises ImageError when it breaks off.

    Decoders fill what is missing from a cut-off JPEG with grey and say nothing, so its end is looked for here.
    """
    components = 0
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and position + 10 <= len(data):
            components = data[position + 9]
        if marker == 0xDA:  # the picture begins; what follows the last marker before it can't look like an end
            if data.find(b"\xff\xd9", position) < 0:
                raise ImageError("the JPEG breaks off before its end.", hint="Fetch the file again, or remove it.")
            return components
        position += 2 + struct.unpack(">H", data[position + 2 : position + 4])[0]
    raise ImageError("the JPEG breaks off before its picture begins.", hint="Fetch the file again, or remove it.")


def _png_is_plain(data: bytes) -> bool:
    """Whether a PNG is 8-bit grey or RGB, opaque, without an orientation. Raises ImageError when it breaks off."""
    if data.rfind(b"IEND") < 0:
        raise ImageError("the PNG breaks off before its end.", hint="Fetch the file again, or remove it.")
    header = data[: max(data.find(b"IDAT"), 0)]
    plain = len(header) > 25 and header[24] == 8 and header[25] in (0, 2)
    return plain and b"tRNS" not in header and b"eXIf" not in header


def _decode_with_pillow(data: bytes) -> np.ndarray:
    """Decode what is not a simple JPEG or PNG. Returns uint8 RGB, shape (height, width, 3). Raises: ImageError."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            return _to_rgb(ImageOps.exif_transpose(opened))
    except UnidentifiedImageError:
        image = _decode_with_opencv(data)  # 16-bit colour TIFF is beyond Pillow, not beyond OpenCV
        if image is None:
            raise ImageError("not an image that can be read.", hint=_HINT) from None
        return image
    except Exception as error:  # Pillow's decoders raise almost anything on broken bytes
        raise ImageError(f"not an image that can be read ({error}).", hint=_HINT) from error


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
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))
