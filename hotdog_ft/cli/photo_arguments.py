"""What photos the command line names: files, folders, patterns, addresses, and what comes by standard input."""

from __future__ import annotations

import glob
import io
import os
import select
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Union, cast

from hotdog_ft.cli.predict import STDIN
from hotdog_ft.data.address import is_url
from hotdog_ft.data.folder import find_photos
from hotdog_ft.data.photo import PhotoBytes
from hotdog_ft.data.stream import PAUSE, Pause
from hotdog_ft.errors import ConfigError, DataError

LONGEST_LINE = 1 << 16
"""Bytes. Paths have 4,096 at most, and servers take addresses of some thousand."""

LARGEST_IMAGE = 1 << 28
"""The most bytes that are taken for one image."""

TELLING = 32
"""Bytes from which on an image can be told from paths."""

SECONDS_TO_WAIT = 0.2
"""For standard input, before the signals are looked at."""

_PNG = b"\x89PNG\r\n"
_JPEG = b"\xff\xd8\xff"


def expand(arguments: Sequence[str]) -> Iterator[Union[str, PhotoBytes, Pause]]:
    """Folders as their photos, patterns as what they match, addresses as they are, `-` as what standard input brings.

    What holds or matches nothing comes out as it is: reading it fails, and costs none of the others. Before standard
    input is waited for, there comes a Pause. Raises: ConfigError, DataError, for a standard input that is no use.
    """
    for path in arguments:
        if path == STDIN:
            yield from _standard_input()
        elif is_url(path):
            yield path
        elif os.path.isdir(path):
            yield from _photos_in(path)
        elif not os.path.lexists(path) and glob.has_magic(path):
            yield from _matches(path) or [path]
        else:
            yield path


def _photos_in(folder: str) -> list[str]:
    """The photos in a folder and below; the folder itself where there are none."""
    return [str(photo) for photo in find_photos(Path(folder))] or [folder]


def _matches(pattern: str) -> list[str]:
    """What a pattern matches, sorted; folders as their photos, but for `**`, which matches what is in them, too."""
    found: list[str] = []
    for path in sorted(glob.glob(pattern, recursive=True)):
        if not os.path.isdir(path):
            found.append(path)
        elif "**" not in pattern:
            found += _photos_in(path)
    return found


def _standard_input() -> Iterator[Union[str, PhotoBytes, Pause]]:
    """Paths and addresses, one a line; or one image. The first bytes tell which."""
    if sys.stdin is None:
        raise ConfigError("-: standard input is closed.", hint="Pipe paths or an image into the command.")
    blocks = _blocks(sys.stdin.buffer)
    begin = b""
    for block in blocks:
        begin += block or b""
        if len(begin) >= TELLING or (b"\n" in begin and not begin.startswith(_PNG)):
            break
        if block is None and begin:
            yield PAUSE
    if _is_image(begin):
        yield PhotoBytes(STDIN, _all_of(begin, blocks))
    else:
        yield from _lines(begin, blocks)


def _is_image(begin: bytes) -> bool:
    """Whether an image, of whatever format, begins so. Nearly all have a zero soon, and no path has, nor BMW.jpg."""
    return b"\0" in begin[:TELLING] or begin.startswith(_JPEG)


def _all_of(begin: bytes, blocks: Iterator[bytes | None]) -> bytes:
    data = bytearray(begin)
    for block in blocks:
        data += block or b""
        if len(data) > LARGEST_IMAGE:
            raise DataError(f"-: an image of more than {LARGEST_IMAGE >> 20} MiB.", hint="Give it as a file.")
    return bytes(data)


def _lines(begin: bytes, blocks: Iterator[bytes | None]) -> Iterator[Union[str, Pause]]:
    """The lines that aren't empty. As bytes until they are whole: a path need not be valid text."""
    rest = begin
    while True:
        *lines, rest = rest.split(b"\n")
        yield from (os.fsdecode(line.rstrip(b"\r")) for line in lines if line.strip())
        if len(rest) > LONGEST_LINE:
            raise DataError("-: neither an image nor paths, one a line.", hint="Give files by their names instead.")
        block = next(blocks, b"")
        if block is None:
            yield PAUSE
        elif not block:
            break
        else:
            rest += block
    if rest.strip():
        yield os.fsdecode(rest.rstrip(b"\r"))


def _blocks(stream: BinaryIO) -> Iterator[bytes | None]:
    """What comes, as it comes, none of it empty; None before it has to be waited for."""
    # Below Python's buffer, which would wait until it is full.
    raw = cast(io.RawIOBase, getattr(stream, "raw", stream))
    while True:
        if not _is_ready(raw, 0):
            yield None
        while not _is_ready(raw, SECONDS_TO_WAIT):
            pass  # Python hears of a signal that came just before it waited
        block = raw.read(1 << 16)
        if block:
            yield block
        elif block is not None:  # None: somebody else was quicker, where reading doesn't wait
            return


def _is_ready(raw: io.RawIOBase, seconds: float) -> bool:
    """Whether something can be read, or its end, within so many seconds."""
    try:
        return bool(select.select([raw.fileno()], [], [], seconds)[0])
    except (io.UnsupportedOperation, OSError, ValueError):  # no file, or none that can be asked
        return True
