"""Horovod as a key-value store of MXNet, so that a Trainer needs to know nothing of it."""

from __future__ import annotations

from typing import Any

from hotdog_ft.backend import mx, nd
from hotdog_ft.errors import ConfigError


class HorovodStore(mx.kv.KVStoreBase):
    """Sums over the processes that `horovodrun` has started. Raises: ConfigError, where Horovod isn't installed."""

    def __init__(self) -> None:
        try:
            import horovod.mxnet as hvd
        except ImportError as error:
            raise ConfigError(
                f"--kvstore horovod: Horovod can't be imported ({error}).",
                hint="Install it, built for MXNet: docs/scaling.md says how.",
            ) from error
        hvd.init()
        self._hvd = hvd

    @staticmethod
    def is_capable(capability: str) -> bool:
        """It keeps no optimizer."""
        return False

    @property
    def type(self) -> str:
        """What a Trainer asks for `dist` in."""
        return "dist_horovod"

    @property
    def rank(self) -> int:
        """This process's number, from 0."""
        return int(self._hvd.rank())

    @property
    def num_workers(self) -> int:
        """How many processes there are."""
        return int(self._hvd.size())

    def broadcast(self, key: int, value: nd.NDArray, out: Any, priority: int = 0) -> None:
        """The first process's value, into all of `out`."""
        plain = nd.array(value.asnumpy(), dtype=value.dtype)  # it can't read what oneDNN has laid out anew
        sent = self._hvd.broadcast(plain, root_rank=0, name=f"broadcast-{key}", priority=priority)
        for one in _listed(out):
            one[:] = sent.as_in_context(one.context)

    def pushpull(self, key: int, value: Any, out: Any = None, priority: int = 0) -> None:
        """The sum of all values, of all devices of all processes, into all of `out`, or into the values."""
        values = _listed(value)
        total = values[0] if len(values) == 1 else nd.add_n(*(one.as_in_context(values[0].context) for one in values))
        summed = self._hvd.allreduce(total, average=False, name=str(key), priority=priority)
        for one in _listed(value if out is None else out):
            one[:] = summed.as_in_context(one.context)


def _listed(arrays: Any) -> list[nd.NDArray]:
    return list(arrays) if isinstance(arrays, (list, tuple)) else [arrays]
