"""JPEG: what stands before the picture (how large it is, how it is coded, and which side is up), and writing one.

A library that opens the file would tell the first, too, but takes longer to do so than a small photo takes to decode.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

import cv2
import numpy as np

from hotdog_ft.data.tiff import ORIENTATION, read_tags
from hotdog_ft.errors import ImageError

MOST_SCANS = 100
"""A picture that gets better while it loads comes in some ten scans. Each is decoded to the picture's full size, though
it may be a few bytes long."""

_FETCH_AGAIN = "Fetch the file again, or remove it."
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))
"""Markers that no segment follows."""
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
"""One that a segment follows, or the end; among a picture's bits there is none."""


class Header(NamedTuple):
    """components: 1 grey, 3 colour, 4 CMYK; 0, with a width and height of 0, where the JPEG doesn't say.

    width and height: as coded, in pixels. orientation: 1 to 8, as in EXIF; from 5 on the sides change places.
    """

    components: int
    width: int
    height: int
    orientation: int


def read_header(data: bytes) -> Header:
    """What a JPEG says of itself. Raises ImageError when it breaks off, or has too many scans.

    Decoders fill what is missing from a cut-off JPEG with grey and say nothing, so its end is looked for here.
    """
    components = width = height = frame = 0
    orientation = 1
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in _ALONE:  # a fill byte, or one that decoders pass over
            position += 1 if marker == 0xFF else 2
            continue
        if marker == 0:  # decoders look for the next marker; what they would find is not what is found here
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and position + 10 <= len(data):
            height, width, components = struct.unpack_from(">HHB", data, position + 5)
            frame = marker
        if marker == 0xE1 and data.startswith(b"Exif\0\0", position + 4):
            orientation = _orientation(data[position + 10 : position + 2 + _length(data, position)])
        if marker == 0xDA:  # the picture begins; what follows the last marker before it can't look like an end
            if data.rfind(b"\xff\xd9", position) < 0:
                raise ImageError("the JPEG breaks off before its end.", hint=_FETCH_AGAIN)
            one_scan = frame in (0xC0, 0xC1) and data[position + 4 : position + 5] == bytes((components,))
            if not one_scan and _has_more_scans(data, position, MOST_SCANS):
                raise ImageError(
                    f"the JPEG has more than {MOST_SCANS} scans.",
                    hint="Save it anew, or remove it: files are made so to keep programs busy.",
                )
            return Header(components, width, height, orientation)
        position += 2 + _length(data, position)
    raise ImageError("the JPEG breaks off before its picture begins.", hint=_FETCH_AGAIN)


def _has_more_scans(data: bytes, position: int, most: int) -> bool:
    """Whether a picture that begins at `position` comes in more than `most` scans."""
    scans = 0
    while found := _MARKER.search(data, position):
        marker = data[found.start() + 1]
        if marker == 0xD9 or found.end() + 2 > len(data):
            break
        scans += marker == 0xDA
        if scans > most:
            return True
        position = found.end() + _length(data, found.start())
    return False


def as_jpeg(image: np.ndarray, quality: int) -> bytes:
    """A picture's JPEG. image: uint8 RGB, shape (height, width, 3). quality: from 1 to 100."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _length(data: bytes, position: int) -> int:
    """The bytes of the segment whose marker is at `position`, without the marker."""
    return data[position + 2] << 8 | data[position + 3]


def _orientation(exif: bytes) -> int:
    """The orientation in an EXIF block; 1, upright, where it has none."""
    value = next((value for tag, value in read_tags(exif) if tag == ORIENTATION), 1)
    return value if 1 <= value <= 8 else 1
