"""The input path: threads around OpenCV read and transform photos while the network computes.

OpenCV and file reads release Python's lock, so threads use every core, and a photo crosses to the training loop without
being copied between processes. What a photo becomes depends on (seed, epoch, its position) alone, so the number of
threads changes nothing but the time.
"""

from __future__ import annotations

import collections
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Optional, TypeVar

import numpy as np

from hotdog_ft.data.augment import Transform
from hotdog_ft.data.folder import Split
from hotdog_ft.data.photo import open_photo, read_photo
from hotdog_ft.errors import DataError, ImageError

log = logging.getLogger(__name__)

PREFETCH_BATCHES = 2

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Batch:
    """X: uint8 images, shape (batch, height, width, 3). y: int32 class indices, shape (batch,).

    targets: what the loss compares with, if not y: probabilities of the classes, float32, shape (batch, classes).
    """

    X: np.ndarray
    y: np.ndarray
    targets: Optional[np.ndarray] = None


class PhotoLoader:
    """Batches of a split's photos, in order, or in a new order each epoch."""

    def __init__(
        self,
        split: Split,
        transform: Transform,
        batch_size: int,
        workers: int,
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        self.split = split
        self.transform = transform
        self.batch_size = batch_size
        self.workers = workers
        self.shuffle = shuffle
        self.seed = seed
        self.broken: set[int] = set()
        """Positions in the split of the photos that can't be read, of those met so far."""

    def __len__(self) -> int:
        """The number of batches."""
        return -(-len(self.split) // self.batch_size)

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        """One pass. Photos that can't be read are left out of their batch and told once.

        Raises: DataError, when not one photo could be read.
        """
        order = np.arange(len(self.split))
        if self.shuffle:
            order = np.random.default_rng((self.seed, epoch)).permutation(order)
        images = in_order(
            lambda index: self._read(int(index), epoch), order, self.workers, (1 + PREFETCH_BATCHES) * self.batch_size
        )
        found_one = False
        for start in range(0, len(order), self.batch_size):
            indices = order[start : start + self.batch_size]
            batch = list(itertools.islice(images, len(indices)))
            good = np.array([image is not None for image in batch])
            if good.any():
                found_one = True
                yield Batch(np.stack([image for image in batch if image is not None]), self.split.labels[indices[good]])
        if not found_one:
            raise DataError(
                f"{self.split.paths[0].parent}: not one of its photos can be read.",
                hint="Open some with an image viewer: they may not be images.",
            )

    def check(self) -> None:
        """Read every photo once. Raises: ImageError, for the first that can't be read."""
        for _ in in_order(read_photo, self.split.paths, self.workers, lead=4 * self.workers):
            pass

    def _read(self, index: int, epoch: int) -> np.ndarray | None:
        """The photo at a position of the split, transformed; None when it is broken."""
        try:
            photo = open_photo(self.split.paths[index])
            return self.transform(photo, np.random.default_rng((self.seed, epoch, index)))
        except ImageError as error:
            if index not in self.broken:
                log.warning("Skipped: %s", error.message)
            self.broken.add(index)
            return None


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
