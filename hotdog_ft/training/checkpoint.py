"""Checkpoints: all that a training needs to go on as if it had never stopped, in files that are whole or not there.

    checkpoint/00003-00000012.npz    epoch 3, of which 12 batches are done
    checkpoint/00003-00000024.npz    the last two are kept, in case that the newer one is damaged

Each is a ZIP of NumPy's arrays, whose checksums tell damage, and of one JSON; there is no pickle in it.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import logging
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hotdog_ft.errors import RunError
from hotdog_ft.files import replacing
from hotdog_ft.training.state import TrainingState
from hotdog_ft.training.stopping import Stopped, StopRequest

log = logging.getLogger(__name__)

FORMAT_VERSION = 1
KEPT = 2
_STATE = "state.json"
_ARRAY = ".npy"


@dataclass
class Place:
    """How far a training has come."""

    epoch: int = 1
    """The one that is under way, from 1."""
    batches: int = 0
    """Of this epoch's, how many are done, as the loader counts them."""
    steps: int = 0
    """Of this epoch's."""
    trained: bool = False
    """The epoch's batches are all done; it is to be judged."""
    tally: dict[str, Any] = field(default_factory=dict)
    """Sums over the epoch so far, as Tally.sums gives them."""
    epoch_seconds: float = 0.0
    examples: int = 0
    """Trained on in the epochs before this one."""
    seconds: float = 0.0
    """That training on those took."""

    def describe(self) -> str:
        """In words, for an interruption."""
        if self.trained:
            return f"while epoch {self.epoch} was judged"
        if self.batches == 0:
            return f"after epoch {self.epoch - 1}"
        return f"in epoch {self.epoch}, after {self.batches} of its batches"


class Checkpoints:
    """The checkpoints of one training, in a folder of their own.

    begun: what the training depends on, kept with each. every: a checkpoint after so many batches, too. stop: met
    after each batch. Of a group of processes, each makes the same calls; the first one alone reads and writes.
    """

    def __init__(
        self,
        folder: Path,
        begun: dict[str, Any] | None = None,
        every: int | None = None,
        stop: StopRequest | None = None,
    ) -> None:
        self.folder = folder
        self.stop = stop or StopRequest()
        self._begun = begun or {}
        self._every = every
        self._last_saved = 0

    @property
    def exist(self) -> bool:
        """Whether there is one to go on from, if it isn't damaged."""
        return bool(self._paths())

    def latest(self) -> Saved | None:
        """The newest checkpoint that is whole. Warns of newer ones that aren't."""
        for path in reversed(self._paths()):
            try:
                return Saved.read(path)
            except RunError as error:
                log.warning("%s", error.message)
        return None

    def restore(self, state: TrainingState) -> Place:
        """Go back to the newest checkpoint that is whole; to the start if there is none. Raises: RunError."""
        saved = self.latest() if state.group.rank == 0 else None
        found = state.group.tell({"place": dataclasses.asdict(saved.place), "numbers": saved.numbers} if saved else {})
        if not found:
            return Place()
        with saved.arrays() if saved else contextlib.nullcontext() as arrays:
            state.put_back(arrays, found["numbers"])
        place = Place(**found["place"])
        self._last_saved = place.batches
        return place

    def save(self, place: Place, state: TrainingState) -> None:
        """Write a checkpoint, and remove all but the last two. Raises: OSError, DivergedError."""
        self._last_saved = place.batches
        if state.group.rank:
            collections.deque(state.arrays(), maxlen=0)  # the first process needs what only this one has
            return
        described = {
            "format_version": FORMAT_VERSION,
            "begun": self._begun,
            "place": dataclasses.asdict(place),
            "numbers": state.numbers(),
        }
        path = self.folder / f"{place.epoch:05d}-{place.batches:08d}.npz"
        with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name, array in state.arrays():
                with archive.open(name + _ARRAY, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
            archive.writestr(_STATE, json.dumps(described))
        for old in self._paths()[:-KEPT]:
            old.unlink()

    @property
    def is_asked_to_end(self) -> bool:
        """Whether a signal has come."""
        return self.stop.met is not None

    def is_due(self, place: Place) -> bool:
        """Whether to save here, in the midst of an epoch."""
        due = self._every is not None and place.batches - self._last_saved >= self._every
        return due or self.is_asked_to_end

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """For the block, a request to end is met by `end_if_asked`."""
        self.stop.listening = True
        try:
            yield
        finally:
            self.stop.listening = False

    def end_if_asked(self, place: Place) -> None:
        """Raise Stopped if that was asked for. The place must have been saved."""
        if self.stop.met is not None:
            raise Stopped(place.describe(), self.stop.met)

    def _paths(self) -> list[Path]:
        """All checkpoints, whole or not, the newest last."""
        return sorted(path for path in self.folder.glob("*.npz") if not path.name.startswith("."))


@dataclass(frozen=True)
class Saved:
    """A checkpoint that has been read, and is whole."""

    path: Path
    begun: dict[str, Any]
    place: Place
    numbers: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Saved:
        """Read what isn't an array, and check the rest. Raises: RunError, when it is damaged or of another version."""
        try:
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():
                    raise ValueError(f"damaged at {damaged}")
                described = json.loads(archive.read(_STATE))
            if described["format_version"] != FORMAT_VERSION:
                raise ValueError(f"of format {described['format_version']}, not {FORMAT_VERSION}")
            return cls(path, dict(described["begun"]), Place(**described["place"]), dict(described["numbers"]))
        except Exception as error:  # zipfile raises almost anything on broken bytes
            raise RunError(
                f"{path}: not a checkpoint that can be used ({error or type(error).__name__}).", hint="Remove it."
            ) from error

    @contextlib.contextmanager
    def arrays(self) -> Iterator[Mapping[str, np.ndarray]]:
        """For the block, its arrays by their names."""
        with zipfile.ZipFile(self.path) as archive:
            yield _Arrays(archive)


class _Arrays(Mapping[str, np.ndarray]):
    """The arrays of an archive, each read when it is asked for."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = [name.removesuffix(_ARRAY) for name in archive.namelist() if name.endswith(_ARRAY)]

    def __getitem__(self, name: str) -> np.ndarray:
        with self._archive.open(name + _ARRAY) as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
