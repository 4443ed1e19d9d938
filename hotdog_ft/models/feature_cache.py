"""Features kept in the cache folder, so that training a probe again takes seconds.

A file's name is a digest of all that its features depend on: the weights, the preprocessing, and each photo's path,
size and time of change.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zipfile
from pathlib import Path

import numpy as np

from hotdog_ft.data.folder import Split
from hotdog_ft.files import cache_home, replacing
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.features import Features

log = logging.getLogger(__name__)

FORMAT = 1
LARGEST = 4 * 2**30
"""Bytes that the features may take in all; the ones unused for longest go first."""


def feature_file(classifier: Classifier, weights: str, split: Split) -> Path:
    """Where a split's features belong. weights: the SHA-256 of what the network starts from."""
    preprocess = json.dumps(classifier.preprocess.to_dict(), sort_keys=True)
    digest = hashlib.sha256(f"{FORMAT}\0{classifier.architecture}\0{weights}\0{preprocess}\n".encode())
    for path in split.paths:
        stat = path.stat()
        digest.update(b"%s\0%d\0%d\n" % (os.fsencode(path.absolute()), stat.st_size, stat.st_mtime_ns))
    return cache_home() / "features" / f"{classifier.architecture}-{digest.hexdigest()[:32]}.npz"


def read_features(path: Path) -> Features | None:
    """The features in a file; None if there are none, or it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            features = Features(arrays["good"], arrays["values"])
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        log.warning("%s: can't be used, and is computed again (%s).", path, error)
        return None
    os.utime(path)  # it is in use: others go first
    return features


def write_features(path: Path, features: Features) -> None:
    """Keep features for the next time. That there is no room is told, and no reason to stop."""
    try:
        with replacing(path) as temporary:
            np.savez(temporary, good=features.good, values=features.values)
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
