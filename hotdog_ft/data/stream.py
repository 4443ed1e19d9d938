"""Photos that come one after another, some of them late: in batches that don't wait for what isn't there yet."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar, Union

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCHES_AHEAD = 2
"""Batches whose items are handed to threads before the batch that is asked for is given out."""

PATIENCE = 0.25
"""Seconds that a batch waits for an item that takes longer than the others, as one from a slow server."""


class Pause:
    """Stands among items: the next one may be long in coming, so give out what there is."""


PAUSE = Pause()


def in_batches(
    function: Callable[[Item], Result], items: Iterable[Union[Item, Pause]], workers: int, size: int
) -> Iterator[list[Result]]:
    """`map` in threads: results in the items' order, in lists of 1 to `size`, a few lists ahead of who asks."""
    waiting: collections.deque[Future[Result]] = collections.deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="photos")
    try:
        for item in items:
            if isinstance(item, Pause):
                while waiting:
                    yield _batch(waiting, size)
                continue
            waiting.append(pool.submit(function, item))
            if len(waiting) >= (1 + BATCHES_AHEAD) * size:
                yield _batch(waiting, size)
        while waiting:
            yield _batch(waiting, size)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _batch(waiting: collections.deque[Future[Result]], size: int) -> list[Result]:
    """Take the first result, however long it takes, and up to `size` that come soon after."""
    batch = [waiting.popleft().result()]
    while waiting and len(batch) < size:
        wait([waiting[0]], PATIENCE)
        if not waiting[0].done():
            break
        batch.append(waiting.popleft().result())
    return batch
