"""Features kept in the cache folder, so that training a probe again takes seconds.

A file holds the features of a data set's photos under one network's weights and preprocessing. A photo is known by its
path, size and time of change: what is new or was changed is computed, the rest is not.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hotdog_ft.data.folder import Split
from hotdog_ft.errors import DataError
from hotdog_ft.files import cache_home, replacing
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.features import Features

log = logging.getLogger(__name__)

FORMAT = 3
LARGEST = 4 * 2**30
"""Bytes that the features may take in all; the ones unused for longest go first."""


def feature_file(classifier: Classifier, weights: str, root: Path) -> Path:
    """Where a data set's features belong. weights: the SHA-256 of what the network starts from. root: its folder."""
    preprocess = json.dumps(classifier.preprocess.to_dict(), sort_keys=True)
    named = (str(FORMAT), classifier.architecture, weights, preprocess, os.fsdecode(root.absolute()))
    digest = hashlib.sha256("\0".join(named).encode("utf-8", "surrogateescape")).hexdigest()
    return cache_home() / "features" / f"{classifier.architecture}-{digest[:32]}.npz"


def cached_features(path: Path, split: Split, compute: Callable[[Split], Features]) -> Features:
    """A split's features: those in the file, and for the others what `compute` gives, which is put there too.

    compute: raises DataError when not one photo can be read. Raises: the same, when that is true of the whole split.
    """
    wanted = [_identity(photo) for photo in split.paths]
    known = _read(path)
    missing = np.array([i for i, identity in enumerate(wanted) if identity not in known], dtype=int)
    if len(missing):
        try:
            computed = compute(split.take(missing))
        except DataError:  # not one of them can be read, which each has been told of
            if len(missing) == len(wanted):
                raise
        else:
            known.update({wanted[missing[i]]: values for i, values in zip(computed.good, computed.values)})
            _write(path, known)
    good = np.array([i for i, identity in enumerate(wanted) if identity in known], dtype=int)
    return Features(good, np.stack([known[wanted[i]] for i in good]))


def _identity(photo: Path) -> bytes:
    """What changes with the photo: 20 bytes."""
    size = changed = 0
    with contextlib.suppress(OSError):  # a broken link, which reading will tell
        stat = photo.stat()
        size, changed = stat.st_size, stat.st_mtime_ns
    named = b"%s\0%d\0%d" % (os.fsencode(photo.absolute()), size, changed)
    return hashlib.blake2b(named, digest_size=20).digest()


def _read(path: Path) -> dict[bytes, np.ndarray]:
    """Identity -> features, float32, shape (2, features), as far as there is a file that is whole."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            identities, values = arrays["identities"], arrays["values"]
            known = {identity.tobytes(): each for identity, each in zip(identities, values)}
    except FileNotFoundError:
        return {}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        log.warning("%s: can't be used, and is computed again (%s).", path, error)
        return {}
    os.utime(path)  # it is in use: others go first
    return known


def _write(path: Path, known: dict[bytes, np.ndarray]) -> None:
    """Keep features for the next time. That there is no room is told, and no reason to stop."""
    identities = np.frombuffer(b"".join(known), dtype=np.uint8).reshape(len(known), -1)
    try:
        with replacing(path) as temporary:
            np.savez(temporary, identities=identities, values=np.stack(list(known.values())))
        _make_room(path.parent)
    except OSError as error:
        log.warning("%s: features are not kept for the next time (%s).", path.parent, error.strerror or error)


def _make_room(folder: Path) -> None:
    """Remove the files that were unused for longest, until the rest takes at most LARGEST bytes."""
    files = sorted(((path.stat(), path) for path in folder.glob("*.npz")), key=lambda each: -each[0].st_mtime)
    total = 0
    for stat, path in files:
        total += stat.st_size
        if total > LARGEST:
            path.unlink(missing_ok=True)
