"""Photos of many requests, read in threads and computed together.

One thread computes. Whenever it is free it takes what is ready, up to a batch: under load batches fill by themselves,
and a photo that comes alone waits for nobody. Only a few sizes of batches occur, since oneDNN keeps what it prepares
for each: with EfficientNet-Lite0 and all sizes up to 32 that came to some 200 MiB.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Optional, Union

from hotdog_ft.data.photo import PhotoBytes, count_pixels
from hotdog_ft.errors import ImageError, OutOfMemoryError
from hotdog_ft.files import printable
from hotdog_ft.inference.predictor import Prediction, Predictor, ReadPhoto
from hotdog_ft.serve.metrics import Metrics
from hotdog_ft.serve.refusal import RETRY_AFTER, Refusal
from hotdog_ft.serve.settings import Settings

log = logging.getLogger(__name__)

Answer = Union[Prediction, ImageError]
"""What a photo shows, or why it can't be read."""

LARGE = 25_000_000
"""A photo of more pixels is read while no other such is, however many threads there are: it takes up to 18 bytes of
memory a pixel."""


def batch_sizes(largest: int) -> list[int]:
    """The sizes that batches have: powers of two, and the largest, ascending."""
    return [*(1 << i for i in range((largest - 1).bit_length())), largest]


@dataclass(frozen=True)
class _Ready:
    """A photo to be computed."""

    photo: ReadPhoto
    answer: Future[Answer]


class Batcher:
    """Answers photos by a predictor. Starts its threads at once."""

    def __init__(self, predictor: Predictor, settings: Settings, metrics: Metrics) -> None:
        self._predictor = predictor
        self._settings = settings
        self._metrics = metrics
        self._sizes = batch_sizes(predictor.batch_size)
        self._waiting = 0
        self._one_large = threading.Lock()
        self._ready: queue.SimpleQueue[Optional[_Ready]] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(predictor.workers, thread_name_prefix="photos")
        self._computing = threading.Thread(target=self._compute, name="compute", daemon=True)
        self._computing.start()

    def close(self) -> None:
        """End the threads, when all that they have is done."""
        self._readers.shutdown()
        self._ready.put(None)
        self._computing.join()

    async def answers(self, photos: Sequence[PhotoBytes], explain: bool) -> list[Answer]:
        """Of each photo what it shows. Raises: Refusal, when too many wait, or it takes too long."""
        if self._waiting + len(photos) > self._settings.queue:
            raise Refusal(429, f"{self._waiting} photos are waiting already.", "Try again in a moment.", RETRY_AFTER)
        self._count_waiting(len(photos))
        try:
            each = [asyncio.wrap_future(self._begin(photo, explain)) for photo in photos]
            return await asyncio.wait_for(asyncio.gather(*each), self._settings.timeout)
        except asyncio.TimeoutError:
            hint = "Try again later; the server's --timeout sets how long it tries."
            raise Refusal(503, f"No answer in {self._settings.timeout:g} seconds.", hint, RETRY_AFTER) from None
        except OutOfMemoryError as error:
            hint = "Try again, with fewer photos at once."
            raise Refusal(503, error.message, hint, RETRY_AFTER) from error
        finally:
            self._count_waiting(-len(photos))

    def _count_waiting(self, photos: int) -> None:
        self._waiting += photos
        self._metrics.waiting.set(self._waiting)

    def _begin(self, photo: PhotoBytes, explain: bool) -> Future[Answer]:
        answer: Future[Answer] = Future()
        self._readers.submit(self._read, photo, explain, answer)
        return answer

    def _read(self, source: PhotoBytes, explain: bool, answer: Future[Answer]) -> None:
        """Runs in a reading thread."""
        if answer.cancelled():
            return
        large = count_pixels(source.data) > LARGE
        try:
            with self._one_large if large else contextlib.nullcontext():
                photo = self._predictor.read(source, explain=explain, largest=self._settings.max_pixels)
        except Exception as error:
            if answer.set_running_or_notify_cancel():
                answer.set_exception(error)
            return
        if photo.error is None:
            self._ready.put(_Ready(photo, answer))
            return
        self._metrics.unreadable.inc()
        if answer.set_running_or_notify_cancel():
            answer.set_result(photo.error)

    def _compute(self) -> None:
        """Runs in the computing thread, until there is None to do."""
        while batch := self._next_batch():
            wanted = [ready for ready in batch if ready.answer.set_running_or_notify_cancel()]
            if not wanted:
                continue
            began = time.perf_counter()
            try:
                predictions = self._predictor.judge([ready.photo for ready in wanted])
            except Exception as error:
                log.error("%d photos failed: %s", len(wanted), error)
                for ready in wanted:
                    ready.answer.set_exception(error)
                continue
            self._metrics.batches.observe(len(wanted))
            self._metrics.computing.observe(time.perf_counter() - began)
            for ready, prediction in zip(wanted, predictions):
                self._metrics.answers.labels(printable(str(prediction.label))).inc()
                ready.answer.set_result(prediction)

    def _next_batch(self) -> list[_Ready]:
        """What is ready, as much of it as makes a batch, and at least one photo; empty at the end."""
        first = self._ready.get()
        if first is None:
            return []
        size = max(size for size in self._sizes if size <= 1 + self._ready.qsize())
        batch = [first]
        while len(batch) < size:
            ready = self._ready.get()
            if ready is None:
                self._ready.put(None)  # for the next call
                break
            batch.append(ready)
        return batch
