"""The input path: threads around OpenCV read and transform photos while the network computes.

OpenCV and file reads release Python's lock, so threads use every core, and a photo crosses to the training loop without
being copied between processes. What a photo becomes depends on (seed, epoch, its position) alone, so the number of
threads changes nothing but the time; nor does a cache of decoded photos.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional, TypeVar

import numpy as np

from hotdog_ft.data.augment import Transform
from hotdog_ft.data.cache import PhotoCache
from hotdog_ft.data.download import Progress
from hotdog_ft.data.folder import Split
from hotdog_ft.data.photo import open_photo, read_photo
from hotdog_ft.errors import DataError, ImageError

log = logging.getLogger(__name__)

PREFETCH_BATCHES = 2

PHOTOS_A_TASK = 16
"""Handing a task to a thread, and waking the loop at its end, costs about what resizing a photo does."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Batch:
    """X: uint8 images, shape (batch, height, width, 3). y: int32 class indices, shape (batch,).

    targets: what the loss compares with, if not y: probabilities of the classes, float32, shape (batch, classes).
    number: its place in the epoch, from 0; a batch without any photo that can be read is counted, and left out.
    shared: how many photos the batch has in all processes that train together, where there are several.
    """

    X: np.ndarray
    y: np.ndarray
    targets: Optional[np.ndarray] = None
    number: int = 0
    shared: Optional[int] = None

    @property
    def photos(self) -> int:
        """How many the batch has, here and elsewhere."""
        return len(self.X) if self.shared is None else self.shared


@dataclass(frozen=True)
class Part:
    """Which part of each batch is this process's, of how many. A part can be empty, where all of a batch never is."""

    index: int = 0
    of: int = 1


WHOLE = Part()


class PhotoLoader:
    """Batches of a split's photos, in order, or in a new order each epoch; of each batch the same part.

    strict: a photo that can't be read is an error.
    """

    def __init__(
        self,
        split: Split,
        transform: Transform,
        batch_size: int,
        workers: int,
        shuffle: bool = False,
        seed: int = 0,
        cache: PhotoCache | None = None,
        part: Part = WHOLE,
        strict: bool = False,
    ) -> None:
        self.split = split
        self.transform = transform
        self.batch_size = batch_size
        self.workers = workers
        self.shuffle = shuffle
        self.seed = seed
        self.part = part
        self.strict = strict
        self.open = cache.open if cache else open_photo
        self.broken: set[int] = set()
        """Positions in the split of the photos that can't be read, of those met so far."""

    @property
    def good(self) -> np.ndarray:
        """Positions in the split of the photos that are not known to be broken: int64, in order."""
        return np.array([i for i in range(len(self.split)) if i not in self.broken], dtype=int)

    def __len__(self) -> int:
        """The number of batches."""
        return -(-len(self.split) // self.batch_size)

    def epoch(self, epoch: int = 0, first: int = 0) -> Iterator[Batch]:
        """One pass, from batch `first` on. Photos that can't be read are left out of their batch and told once.

        Raises: DataError, when not one photo could be read, unless other processes have parts of the batches, too;
        ImageError, when strict.
        """
        order = np.arange(len(self.split))
        if self.shuffle:
            order = np.random.default_rng((self.seed, epoch)).permutation(order)
        together = min(PHOTOS_A_TASK, max(1, self.batch_size // self.workers))
        lead = (1 + PREFETCH_BATCHES) * -(-self.batch_size // together)
        found_one = first > 0
        for filling in in_order(self._read, self._tasks(order, epoch, first, together), self.workers, lead):
            if filling and (filling.good.any() or self.part.of > 1):
                found_one = True
                yield filling.batch(self.split.labels)
        if not found_one:
            raise DataError(
                f"{self.split.paths[0].parent}: not one of its photos can be read.",
                hint="Open some with an image viewer: they may not be images.",
            )

    def check(self) -> None:
        """Read every photo once. Raises: ImageError, for the first that can't be read."""
        for _ in in_order(read_photo, self.split.paths, self.workers, lead=4 * self.workers):
            pass

    def _tasks(self, order: np.ndarray, epoch: int, first: int, together: int) -> Iterator[_Task]:
        """The photos in this order from batch `first` on, some together, none of them of two batches."""
        for number in range(first, len(self)):
            start = number * self.batch_size
            indices = order[start : start + self.batch_size]
            filling = _Filling(indices[split_batch(len(indices), self.part.of)[self.part.index]], number)
            size = len(filling.indices)
            if size == 0:
                yield _Task(filling, range(0), epoch)
            for place in range(0, size, together):
                yield _Task(filling, range(place, min(place + together, size)), epoch)

    def _read(self, task: _Task) -> _Filling | None:
        """Read and transform a task's photos. Returns its batch when these are the last of it."""
        for place in task.places:
            index = int(task.filling.indices[place])
            try:
                photo = self.open(self.split.paths[index])
                image = self.transform(photo, np.random.default_rng((self.seed, task.epoch, index)))
            except ImageError as error:
                if self.strict:
                    raise
                if index not in self.broken:
                    log.warning("Skipped: %s", error.message)
                self.broken.add(index)
            else:
                task.filling.put(place, image)
        return task.filling if task.places.stop == len(task.filling.indices) else None


class _Filling:
    """A batch that threads fill with photos. indices: their positions in the split. good: which have come so far."""

    def __init__(self, indices: np.ndarray, number: int) -> None:
        self.indices = indices
        self.number = number
        self.good = np.zeros(len(indices), dtype=bool)
        self._X: np.ndarray | None = None
        self._lock = threading.Lock()

    def put(self, place: int, image: np.ndarray) -> None:
        """Copy a photo to its place. The first one says of what shape they are."""
        with self._lock:
            if self._X is None:
                self._X = np.empty((len(self.indices), *image.shape), dtype=np.uint8)
        self._X[place] = image
        self.good[place] = True

    def batch(self, labels: np.ndarray) -> Batch:
        """The photos that could be read. labels: of the whole split."""
        if self._X is None:
            return Batch(np.empty((0, 1, 1, 3), dtype=np.uint8), labels[:0], number=self.number)
        X = self._X if self.good.all() else self._X[self.good]
        return Batch(X, labels[self.indices[self.good]], number=self.number)


class _Task(NamedTuple):
    """Photos for one thread: places of a batch."""

    filling: _Filling
    places: range
    epoch: int


def split_batch(size: int, parts: int) -> list[slice]:
    """Cut a batch into parts, as even as can be: the first ones take one more; some may be empty."""
    each, more = divmod(size, parts)
    ends = [each * (i + 1) + min(i + 1, more) for i in range(parts)]
    return [slice(start, end) for start, end in zip([0, *ends], ends)]


def photo_bar(progress: Progress | None, name: str, total: int) -> Any:
    """A progress bar that counts photos, for a `with`, which gives None where there is none."""
    return progress(total=total, desc=name, unit=" photos") if progress else contextlib.nullcontext()


def in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int, lead: int) -> Iterator[Result]:
    """`map` in threads: results in the items' order, at most `lead` items ahead of what has been asked for."""
    waiting: collections.deque[Future[Result]] = collections.deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="photos")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= lead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
