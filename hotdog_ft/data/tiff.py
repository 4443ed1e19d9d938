"""The tags of a TIFF's first directory, which a photo's EXIF has the form of, too."""

from __future__ import annotations

import struct
from collections.abc import Iterator

LITTLE_ENDIAN, BIG_ENDIAN = b"II*\0", b"MM\0*"
ORIENTATION = 0x0112
_SHORT = 3
_WIDTHS, _HEIGHTS = (256, 322), (257, 323)
"""The picture's, and those of the tiles that it may be cut into: each tile takes its memory, however small the rest."""


def read_tags(data: bytes) -> Iterator[tuple[int, int]]:
    """Each tag with its value, or its first 32 bits: those that are numbers alone mean something.

    It ends where the directory breaks off.
    """
    order = {LITTLE_ENDIAN: "<", BIG_ENDIAN: ">"}.get(data[:4])
    if order is None:
        return
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", data, entry)
            (value,) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), data, entry + 8)
            yield tag, value
    except struct.error:
        return


def read_size(data: bytes) -> tuple[int, int]:
    """The width and height in pixels that a decoder may need memory for; 0 where the TIFF doesn't say.

    Where a tag occurs twice, decoders differ on which they follow: it is the largest that counts.
    """
    tags = list(read_tags(data))
    width, height = (max((value for tag, value in tags if tag in of), default=0) for of in (_WIDTHS, _HEIGHTS))
    return width, height
