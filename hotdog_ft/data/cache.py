"""Decoded photos, kept for the next epoch (in RAM) or the next run (on disk), so that decoding is done once.

What is kept is what the decoder gave, under the file's identity and the reduction: a photo from the cache has the same
pixels as one without it. What doesn't fit is decoded again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Literal

import numpy as np

from hotdog_ft.data.photo import Photo, open_photo
from hotdog_ft.data.pixel_store import DiskStore, Entry, RamStore, Store, data_sets, entries_in, size_of
from hotdog_ft.files import cache_home
from hotdog_ft.machine import available_memory

PART_OF_MEMORY = 0.5
"""What of the memory that is available at the start decoded photos may take."""
PART_OF_DISK = 0.5
"""What of the disk, of what is free and what they take already, decoded photos may take, of all data sets together."""

SETTLED_SECONDS = 2
"""A file changed less than this ago isn't kept: changed again at once, it could bear the same time stamp."""


class PhotoCache:
    """Opens photos as open_photo does, and decodes none twice that the store has kept."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known = {entry.key: entry for entry in store.known()}

    def open(self, path: Path) -> Photo:
        """The photo at `path`; its pixels are not to be written to. Raises: ImageError."""
        key = identity(path)
        if key is None:
            return open_photo(path)
        fresh = None
        if key not in self._known:
            fresh = open_photo(path)
            self._known[key] = Entry(key, fresh.width, fresh.height, fresh.reductions)
        known = self._known[key]

        def decode(reduction: int) -> np.ndarray:
            entry = known._replace(reduction=reduction)
            pixels = self.store.get(entry)
            if pixels is None:
                pixels = (fresh or open_photo(path)).decode(reduction)
                self.store.put(entry, pixels)
            return pixels

        return Photo(known.width, known.height, decode, known.reductions)


def open_cache(kind: Literal["none", "ram", "disk"], data: Path) -> PhotoCache | None:
    """The cache for the photos of the data set at `data`, on disk in the program's cache folder. None for `none`."""
    if kind == "ram":
        return PhotoCache(RamStore(int(PART_OF_MEMORY * available_memory())))
    if kind == "disk":
        home = cache_home() / "photos"
        name = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]
        taken = sum(size_of(entries_in(folder)) for folder in data_sets(home))
        return PhotoCache(DiskStore(home, name, int(PART_OF_DISK * (_free(home) + taken))))
    return None


def identity(path: Path) -> str | None:
    """A name for a file as it is now; None where that can't be told.

    Whatever changes the file's content changes the time of its inode, which no program can set.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # a photo that is broken: opening it says how
        return None
    if time.time() - max(status.st_mtime, status.st_ctime) < SETTLED_SECONDS:
        return None
    facts = (os.path.abspath(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return hashlib.sha256(os.fsencode(repr(facts))).hexdigest()[:32]


def _free(folder: Path) -> int:
    """The bytes that are free on the disk where `folder` is or would be."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(there).free
