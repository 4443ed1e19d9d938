"""Sort photos into a folder a class, moved or copied; whatever happens, none is lost and none written over."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from hotdog_ft.data.address import is_url
from hotdog_ft.errors import DataError
from hotdog_ft.files import replacing
from hotdog_ft.inference.names import NewNames, file_name, folder_names
from hotdog_ft.inference.predictor import Prediction

log = logging.getLogger(__name__)


class ClassFolders:
    """The folders of classes below `root`, made when the first photo comes. move: or copy.

    counts: photos filed, by their label. failed: how many could not be. Raises: OSError, when `root` can't be made.
    """

    def __init__(self, root: Path, labels: Iterable[str], move: bool) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.move = move
        self.folders = {label: root / name for label, name in folder_names(labels).items()}
        self.counts = dict.fromkeys(self.folders, 0)
        self.failed = 0
        self._names = NewNames()

    def file(self, prediction: Prediction) -> Path | None:
        """Put a photo that was answered into its class's folder. Returns where it is now.

        Under a name that is taken it gets a number; one that lies in that folder stays. A link is moved as a link to
        the same photo. One that can't be filed is told, and where it was.
        """
        assert prediction.label is not None
        folder = self.folders[prediction.label]
        try:
            folder.mkdir(exist_ok=True)
            if prediction.data is not None or is_url(prediction.path):
                place = self._write(prediction.path, prediction.data, folder)
            else:
                place = self._take(Path(prediction.path), folder)
        except (OSError, DataError) as error:
            reason = error.message if isinstance(error, DataError) else error.strerror
            log.error("%s: not %s: %s", prediction.path, self._done, reason)
            self.failed += 1
            return None
        self.counts[prediction.label] += 1
        return place

    def summary(self) -> str:
        """What was done, as in `12 photos moved into sorted/: 7 hot dog, 5 not hot dog.`"""
        counts = ", ".join(f"{count} {label}" for label, count in self.counts.items() if count)
        total = sum(self.counts.values())
        return f"{total} photo{'' if total == 1 else 's'} {self._done} into {self.root}{counts and ': '}{counts}."

    @property
    def _done(self) -> str:
        return "moved" if self.move else "copied"

    def _write(self, name: str, data: bytes | None, folder: Path) -> Path:
        if self.move or data is None:
            raise DataError("it is no file.", hint="Use --copy-to.")
        with self._names.held(folder, file_name(name, data)) as place, replacing(place) as temporary:
            temporary.write_bytes(data)
        return place

    def _take(self, source: Path, folder: Path) -> Path:
        if os.path.samefile(source.parent, folder):
            return source
        with self._names.held(folder, source.name) as place:
            (_move if self.move else _copy)(source, place)
        return place


def _move(source: Path, place: Path) -> None:
    """Raises: OSError, after which the photo is where it was."""
    if source.is_symlink():
        photo = source.resolve(strict=True)
        with replacing(place, sync=False) as temporary:
            temporary.symlink_to(photo)
        _remove(source, place)
        return
    try:
        os.rename(source, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, place, sync=True)  # on another file system; only when it is on the disk there, it goes here
        _remove(source, place)


def _remove(source: Path, copy: Path) -> None:
    """Remove what has been copied; where that can't be, the copy."""
    try:
        source.unlink()
    except OSError:
        copy.unlink()
        raise


def _copy(source: Path, place: Path, sync: bool = False) -> None:
    """Copy a photo, with its times where the file system has such. Raises: OSError."""
    with replacing(place, sync) as temporary:
        shutil.copyfile(source, temporary)
        with contextlib.suppress(OSError):
            shutil.copystat(source, temporary)
