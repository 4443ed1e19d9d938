"""The processes that train together, each on its part of every batch, by MXNet's parameter server or by Horovod.

Every process makes the same calls in the same order, and each of them waits for the others.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
from collections.abc import Iterable, Iterator
from typing import Any, Optional

import numpy as np

from hotdog_ft.backend import mx, nd
from hotdog_ft.data.loader import Batch, Part
from hotdog_ft.errors import ConfigError, DataError
from hotdog_ft.machine import launched_by
from hotdog_ft.training.horovod import HorovodStore
from hotdog_ft.training.stopping import StopRequest

log = logging.getLogger(__name__)

FIRST_KEY = 100_000
"""Of what isn't a gradient: those are numbered from 0 by the Trainer. MXNet's server knows no other names."""

_DMLC = ("DMLC_PS_ROOT_URI", "DMLC_PS_ROOT_PORT", "DMLC_NUM_WORKER", "DMLC_NUM_SERVER")


class Group:
    """This process alone, or with others that a key-value store connects it to.

    kvstore: what a Trainer exchanges gradients by. rank: 0 for the one that writes.
    """

    def __init__(self, kvstore: Any = None) -> None:
        self.kvstore = kvstore
        self.rank: int = kvstore.rank if kvstore else 0
        self.size: int = kvstore.num_workers if kvstore else 1
        self._keys: dict[tuple[Any, ...], int] = {}

    @property
    def part(self) -> Part:
        """This process's part of a batch."""
        return Part(self.rank, self.size)

    def sum(self, name: str, values: Any) -> np.ndarray:
        """The sum of all processes' arrays of this name and shape, in float32; alone, the array as it is."""
        values = np.asarray(values)
        if self.size == 1 or not values.size:
            return values
        array = nd.array(values, dtype="float32")
        self.kvstore.pushpull(self._key(name, array), array, out=array)
        return array.asnumpy()

    def gather(self, name: str, values: np.ndarray) -> np.ndarray:
        """All processes' arrays of this name, in their order: float32, shape (processes, …)."""
        slots = np.zeros((self.size, *values.shape), dtype=values.dtype)
        slots[self.rank] = values
        return self.sum(name, slots)

    def from_first(self, name: str, values: np.ndarray) -> np.ndarray:
        """The first process's array of this name; the others give one of the same shape, which does not count."""
        return self.sum(name, values if self.rank == 0 else np.zeros_like(values))

    def tell(self, said: Any) -> Any:
        """What the first process says, as JSON takes it."""
        if self.size == 1:
            return said
        text = np.frombuffer(json.dumps(said).encode(), dtype=np.uint8)
        length = int(self.from_first("length", np.array([len(text)]))[0])
        letters = self.from_first("said", text if self.rank == 0 else np.zeros(length))
        return json.loads(letters.astype(np.uint8).tobytes())

    def union(self, name: str, members: set[int], size: int) -> set[int]:
        """The members of all processes' sets of numbers below `size`."""
        present = np.zeros(size)
        present[list(members)] = 1
        return set(np.flatnonzero(self.sum(name, present)).tolist())

    def in_step(self, batches: Iterable[Batch], stop: Optional[StopRequest] = None) -> Iterator[Batch]:
        """The batches, each with the number of its photos everywhere; without those that have none.

        A request to stop that any process has met is `agreed` on by all, after the same batch. Raises: DataError, when
        no process could read one photo of an epoch.
        """
        if self.size == 1:
            yield from batches
            return
        found_one: Optional[bool] = None
        for batch in batches:
            if found_one is None:
                found_one = batch.number > 0  # an epoch that goes on had photos before
            asked = np.zeros(signal.NSIG)
            if stop and stop.number is not None:
                asked[stop.number] = 1
            photos, *asked_by = self.sum("batch", [len(batch.X), *asked]).tolist()
            if stop and any(asked_by):
                stop.agreed = int(np.argmax(asked_by))
            if photos:
                found_one = True
                yield dataclasses.replace(batch, shared=int(photos))
        if found_one is False:
            raise DataError(
                f"Not one of the photos can be read, in any of {self.size} processes.",
                hint="Are the photos still where they were? Open some with an image viewer.",
            )

    def _key(self, name: str, array: nd.NDArray) -> int:
        """The number of a name and shape. All processes meet a new one at the same time."""
        label = (name, array.shape)
        if label not in self._keys:
            self._keys[label] = FIRST_KEY + len(self._keys)
            zeros = nd.zeros(array.shape)
            self.kvstore.broadcast(self._keys[label], zeros, out=zeros)
            nd.waitall()  # else the answer can come into the midst of the first exchange
        return self._keys[label]


ALONE = Group()
_joined: list[Group] = []
"""Kept until the process ends: MXNet waits for all others when a key-value store is deleted, which a worker that has
failed must not do."""


def join(kvstore: str) -> Group:
    """Meet the other processes: those that DMLC's variables, or Horovod's, tell of. kvstore: as in TrainConfig.

    Raises: ConfigError.
    """
    if kvstore == "auto":
        kvstore = launched_by()
    if kvstore == "local":
        return ALONE
    if kvstore == "horovod":
        group = Group(HorovodStore())
    else:
        _check_variables()
        group = Group(mx.kv.create(kvstore))
    _joined.append(group)
    if group.rank == 0:
        log.info("Training in %d processes (%s).", group.size, kvstore)
    return group


def _check_variables() -> None:
    """Without these, MXNet ends the process, or waits forever."""
    if os.environ.get("DMLC_ROLE") != "worker":
        raise ConfigError(
            "--kvstore dist_sync: nothing tells this process of a parameter server (DMLC_ROLE is not `worker`).",
            hint="Start with `hotdog-ft launch -n 2 train …`, or by Kubeflow or DMLC's launcher; see docs/scaling.md.",
        )
    for name in _DMLC:
        value = os.environ.get(name, "")
        if not value or (name != _DMLC[0] and not (value.isdigit() and int(value))):
            raise ConfigError(
                f"{name}: {value!r} is not what a worker of MXNet's parameter server needs.",
                hint=f"All of {', '.join(_DMLC)} must be set; see docs/scaling.md.",
            )
