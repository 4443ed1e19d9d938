"""Loss and accuracy without a wait for each batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hotdog_ft.backend import mx, nd
from hotdog_ft.training.group import ALONE, Group

_KINDS = ("examples", "losses", "right", "odd")


class Tally:
    """Sums of losses and of right answers, kept on the devices until they are asked for."""

    def __init__(self) -> None:
        self.examples = 0
        self._losses: dict[mx.Context, nd.NDArray] = {}
        self._right: dict[mx.Context, nd.NDArray] = {}
        self._odd: dict[mx.Context, nd.NDArray] = {}

    def add(self, losses: list[nd.NDArray], outputs: list[nd.NDArray], labels: list[nd.NDArray]) -> None:
        """Count one batch: losses (n,), logits (n, classes) and labels (n,) of each device."""
        for values in losses:
            _accumulate(self._losses, values.sum())
        for output, label in zip(outputs, labels):
            self.examples += len(label)
            _accumulate(self._right, (output.argmax(axis=1).astype("int32") == label).astype("float32").sum())
            _accumulate(self._odd, (output - output).sum())  # 0, unless there is a NaN or an infinity

    def sums(self, devices: list[mx.Context], group: Group = ALONE) -> dict[str, Any]:
        """What has been counted so far, for JSON, by the devices of all processes. Waits for the devices."""
        own = np.zeros((len(_KINDS), len(devices)))
        own[0, 0] = self.examples
        for row, kind in enumerate((self._losses, self._right, self._odd), start=1):
            own[row] = [float(kind[device].asscalar()) if device in kind else 0.0 for device in devices]
        parts = group.gather("tally", own)
        return {name: np.concatenate(parts[:, row]).tolist() for row, name in enumerate(_KINDS)}

    @classmethod
    def of(cls, sums: Mapping[str, Any], devices: list[mx.Context], group: Group = ALONE) -> Tally:
        """Go on counting from what `sums` gave, to the last bit; from nothing if that is empty.

        Of another number of devices than there are now, the first one counts for all.
        """
        tally = cls()
        if not sums:
            return tally
        kept = np.array([sums[name] for name in _KINDS])
        if kept.shape[1] != len(devices) * group.size:
            rest = np.zeros((len(_KINDS), len(devices) * group.size - 1))
            kept = np.concatenate([kept.sum(axis=1, keepdims=True), rest], axis=1)
        own = kept[:, len(devices) * group.rank :]
        tally.examples = int(own[0, : len(devices)].sum())
        for values, kind in zip(own[1:], (tally._losses, tally._right, tally._odd)):
            kind.update((device, nd.array([value], ctx=device)) for device, value in zip(devices, values))
        return tally

    def everywhere(self, group: Group) -> Tally:
        """What all processes have counted; alone, this tally. Waits for the devices."""
        if group.size == 1:
            return self
        kinds = (self._losses, self._right, self._odd)
        own = [sum(float(value.asscalar()) for value in kind.values()) for kind in kinds]
        totals = group.sum("totals", [self.examples, *own]).tolist()
        return self.of({name: [total] for name, total in zip(_KINDS, totals)}, [mx.cpu()])

    @property
    def loss(self) -> float:
        """The mean loss. Waits for the devices."""
        return self._mean(self._losses)

    @property
    def finite(self) -> bool:
        """Whether every logit was a number. Waits for the devices."""
        return all(float(value.asscalar()) == 0 for value in self._odd.values())

    @property
    def accuracy(self) -> float:
        """The part that was right. Waits for the devices."""
        return self._mean(self._right)

    def _mean(self, sums: dict[mx.Context, nd.NDArray]) -> float:
        """0, where there was nothing to count: a process's part of a batch can be empty."""
        return sum(float(value.asscalar()) for value in sums.values()) / max(1, self.examples)


def _accumulate(sums: dict[mx.Context, nd.NDArray], value: nd.NDArray) -> None:
    sums[value.context] = sums[value.context] + value if value.context in sums else value
