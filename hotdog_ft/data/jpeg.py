"""JPEG: what stands before the picture (how large it is, how it is coded, and which side is up), and writing one.

A library that opens the file would tell the first, too, but takes longer to do so than a small photo takes to decode.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import cv2
import numpy as np

from hotdog_ft.errors import ImageError

_FETCH_AGAIN = "Fetch the file again, or remove it."


class Header(NamedTuple):
    """components: 1 grey, 3 colour, 4 CMYK; 0, with a width and height of 0, where the JPEG doesn't say.

    width and height: as coded, in pixels. orientation: 1 to 8, as in EXIF; from 5 on the sides change places.
    """

    components: int
    width: int
    height: int
    orientation: int


def read_header(data: bytes) -> Header:
    """What a JPEG says of itself. Raises ImageError when it breaks off.

    Decoders fill what is missing from a cut-off JPEG with grey and say nothing, so its end is looked for here.
    """
    components = width = height = 0
    orientation = 1
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and position + 10 <= len(data):
            height, width, components = struct.unpack_from(">HHB", data, position + 5)
        if marker == 0xE1 and data.startswith(b"Exif\0\0", position + 4):
            orientation = _orientation(data[position + 10 : position + 2 + _length(data, position)])
        if marker == 0xDA:  # the picture begins; what follows the last marker before it can't look like an end
            if data.rfind(b"\xff\xd9", position) < 0:
                raise ImageError("the JPEG breaks off before its end.", hint=_FETCH_AGAIN)
            return Header(components, width, height, orientation)
        position += 2 + _length(data, position)
    raise ImageError("the JPEG breaks off before its picture begins.", hint=_FETCH_AGAIN)


def as_jpeg(image: np.ndarray, quality: int) -> bytes:
    """A picture's JPEG. image: uint8 RGB, shape (height, width, 3). quality: from 1 to 100."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _length(data: bytes, position: int) -> int:
    """The bytes of the segment whose marker is at `position`, without the marker."""
    return data[position + 2] << 8 | data[position + 3]


def _orientation(exif: bytes) -> int:
    """The orientation in an EXIF block; 1, upright, where it has none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", exif, entry)
            if tag == 0x0112:
                return value if 1 <= value <= 8 else 1
    except struct.error:  # the block breaks off
        pass
    return 1
