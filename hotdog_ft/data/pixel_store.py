"""Where decoded photos are kept: in memory, or in a folder of files for each data set."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, Optional, Protocol

import numpy as np

from hotdog_ft.files import replacing

log = logging.getLogger(__name__)

_NAME = re.compile(r"([0-9a-f]+)-(\d+)x(\d+)-([1248]+)-([1248])\.rgb")


class Entry(NamedTuple):
    """Whose pixels they are, and which: width and height of the whole photo, upright; reductions: as in Photo."""

    key: str
    width: int
    height: int
    reductions: tuple[int, ...]
    reduction: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the pixels."""
        return -(-self.height // self.reduction), -(-self.width // self.reduction), 3

    @property
    def nbytes(self) -> int:
        """The size of the pixels in bytes."""
        return self.shape[0] * self.shape[1] * 3


class Store(Protocol):
    """Where decoded photos are kept. Used by several threads at once."""

    def get(self, entry: Entry) -> Optional[np.ndarray]:
        """The pixels of an entry, not to be written to; None when they aren't there."""

    def put(self, entry: Entry, pixels: np.ndarray) -> None:
        """Keep the pixels of an entry, if they fit."""

    def known(self) -> list[Entry]:
        """What was there before."""


class RamStore:
    """Decoded photos in memory, up to `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self._pixels: dict[Entry, np.ndarray] = {}
        self._lock = threading.Lock()

    def get(self, entry: Entry) -> np.ndarray | None:
        return self._pixels.get(entry)

    def put(self, entry: Entry, pixels: np.ndarray) -> None:
        with self._lock:
            if entry in self._pixels or entry.nbytes > self.left:
                return
            self.left -= entry.nbytes
            kept = np.ascontiguousarray(pixels)
            kept.flags.writeable = False
            self._pixels[entry] = kept

    def known(self) -> list[Entry]:
        return []


class DiskStore:
    """Decoded photos as files in `home` / `name`, the folder of a data set; all data sets' take up to `limit` bytes.

    A file has the pixels and their CRC-32: one that is damaged counts as missing. Where there is no room, the data set
    that was used longest ago goes; when only this one is left, nothing more is kept.
    """

    def __init__(self, home: Path, name: str, limit: int) -> None:
        self.home = home
        self.folder = home / name
        self._full = False
        self._lock = threading.Lock()
        self._entries = set(entries_in(self.folder))
        others = [folder for folder in data_sets(home) if folder != self.folder]
        self._others = {folder: size_of(entries_in(folder)) for folder in others}  # the longest unused first
        self._left = limit - size_of(self._entries) - sum(self._others.values())
        with contextlib.suppress(OSError):
            os.utime(self.folder)  # used now

    def get(self, entry: Entry) -> np.ndarray | None:
        if entry not in self._entries:
            return None
        try:
            data = np.fromfile(self._path(entry), np.uint8)
        except OSError:  # another process has made room
            return None
        pixels, check = data[:-4], data[-4:]
        if pixels.size != entry.nbytes or zlib.crc32(pixels.data).to_bytes(4, "big") != check.tobytes():
            return None
        return pixels.reshape(entry.shape)

    def put(self, entry: Entry, pixels: np.ndarray) -> None:
        if self._full or not self._reserve(entry):
            return
        pixels = np.ascontiguousarray(pixels)
        try:
            with replacing(self._path(entry), sync=False) as temporary, temporary.open("wb") as file:
                file.write(pixels.data)
                file.write(zlib.crc32(pixels.data).to_bytes(4, "big"))
        except OSError as error:
            with self._lock:
                if not self._full:
                    log.warning("%s: %s; no more decoded photos are kept there.", self.folder, error.strerror)
                self._full = True
        else:
            self._entries.add(entry)

    def known(self) -> list[Entry]:
        return list(self._entries)

    def _path(self, entry: Entry) -> Path:
        reductions = "".join(map(str, entry.reductions))
        return self.folder / f"{entry.key}-{entry.width}x{entry.height}-{reductions}-{entry.reduction}.rgb"

    def _reserve(self, entry: Entry) -> bool:
        """Take the entry's bytes from what is left, after removing other data sets' entries where they must go."""
        with self._lock:
            if entry in self._entries:  # what is there is damaged, and is written over
                return True
            while entry.nbytes > self._left and self._others:
                oldest = next(iter(self._others))
                shutil.rmtree(oldest, ignore_errors=True)
                self._left += self._others.pop(oldest)
            if entry.nbytes > self._left:
                return False
            self._left -= entry.nbytes
            return True


def entries_in(folder: Path) -> list[Entry]:
    """The entries in a data set's folder, by their names alone."""
    try:
        found = map(_NAME.fullmatch, os.listdir(folder))
    except OSError:
        return []
    return [
        Entry(key, int(width), int(height), tuple(map(int, reductions)), int(reduction))
        for key, width, height, reductions, reduction in (match.groups() for match in found if match)
    ]


def data_sets(home: Path) -> list[Path]:
    """The data sets' folders, the longest unused first."""
    try:
        with os.scandir(home) as found:
            return [Path(entry.path) for entry in sorted(found, key=lambda entry: entry.stat().st_mtime)]
    except OSError:
        return []


def size_of(entries: Iterable[Entry]) -> int:
    """The bytes of these entries together."""
    return sum(entry.nbytes for entry in entries)
