"""What can be saved of a ZIP whose end is missing, and with it the table of what is where."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from hotdog_ft.data.photo import SUFFIXES
from hotdog_ft.errors import DataError
from hotdog_ft.files import replacing

_HEADER = struct.Struct("<4sHHHHHIIIHH")
_MAGIC = b"PK\x03\x04"
_STORED, _DEFLATED = 0, 8
_LENGTHS_FOLLOW = 1 << 3
_ENCRYPTED = 1
_BLOCK = 1 << 14
LARGEST = 256 << 20
"""Bytes of a photo's file, of which no more are unpacked."""


class Member(NamedTuple):
    """A photo in an archive, and its bytes."""

    place: PurePosixPath
    content: bytes


def whole_photos(archive: Path) -> Iterator[Member]:
    """The photos of an archive that are whole by their checksums, found by the header before each.

    Passed over are those that are encrypted, packed by other means than ZIP's usual one, or would go elsewhere. OSError
    is the caller's.
    """
    data = archive.read_bytes()
    position = data.find(_MAGIC)
    while position >= 0:
        member, end = _member_at(data, position)
        if member:
            yield member
        position = data.find(_MAGIC, end)


def salvage(archive: Path, folder: Path) -> int:
    """Write the whole photos of a damaged archive below `folder`. Returns how many. What is there stays.

    Raises: DataError, when there is none, or one of the files is there already.
    """
    count = 0
    for place, content in whole_photos(archive):
        target = folder / place
        if target.exists():
            raise DataError(f"{target}: is there already.", hint="Name an empty folder.")
        with replacing(target, sync=False) as temporary:
            temporary.write_bytes(content)
        count += 1
    if not count:
        raise DataError(f"{archive}: has no photo that is whole.", hint="Fetch it again.")
    return count


def _member_at(data: bytes, position: int) -> tuple[Member | None, int]:
    """The photo whose header is here, if it is whole, and where to look for the next header."""
    after = position + len(_MAGIC)
    if position + _HEADER.size > len(data):
        return None, after
    _, _, flags, method, _, _, checksum, packed, size, name_length, extra = _HEADER.unpack_from(data, position)
    start = position + _HEADER.size + name_length + extra
    name = data[position + _HEADER.size :][:name_length].decode("utf-8" if flags & 1 << 11 else "cp437", "replace")
    place = PurePosixPath(name.replace("\\", "/"))
    elsewhere = place.is_absolute() or ".." in place.parts or ":" in name or "\0" in name
    if place.suffix.lower() not in SUFFIXES or elsewhere or "__MACOSX" in place.parts or flags & _ENCRYPTED:
        return None, after
    if method == _STORED and not flags & _LENGTHS_FOLLOW:
        content, end = data[start : start + packed], start + packed
    elif method == _DEFLATED:
        content, end = _inflated(data, start)
        if flags & _LENGTHS_FOLLOW:
            end, checksum, size = _lengths_at(data, end)
    else:
        return None, after
    if len(content) != size or zlib.crc32(content) != checksum:
        return None, after
    return Member(place, content), end


def _inflated(data: bytes, start: int) -> tuple[bytes, int]:
    """What begins here, unpacked, and where it ends; nothing, if it is damaged or larger than a photo."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    content = bytearray()
    position = start
    try:
        while not inflate.eof and position < len(data) and len(content) <= LARGEST:
            content += inflate.decompress(data[position : position + _BLOCK])
            position += _BLOCK
    except zlib.error:
        return b"", start
    if not inflate.eof:
        return b"", start
    return bytes(content), min(position, len(data)) - len(inflate.unused_data)


def _lengths_at(data: bytes, position: int) -> tuple[int, int, int]:
    """(where it ends, checksum, size) of what stands after a member that was written before its size was known."""
    if data.startswith(b"PK\x07\x08", position):
        position += 4
    if position + 12 > len(data):
        return position, -1, -1
    checksum, _, size = struct.unpack_from("<III", data, position)
    return position + 12, checksum, size
