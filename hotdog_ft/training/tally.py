"""Loss and accuracy without a wait for each batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotdog_ft.backend import mx, nd


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

    def sums(self) -> dict[str, Any]:
        """What has been counted so far, for JSON, by the devices' places. Waits for the devices."""
        kinds = {"losses": self._losses, "right": self._right, "odd": self._odd}
        sums = {name: [float(value.asscalar()) for value in kind.values()] for name, kind in kinds.items()}
        return {"examples": self.examples, **sums}

    @classmethod
    def of(cls, sums: Mapping[str, Any], devices: list[mx.Context]) -> Tally:
        """Go on counting from what `sums` gave, to the last bit; from nothing if that is empty."""
        tally = cls()
        if sums:
            tally.examples = sums["examples"]
            for name, kind in (("losses", tally._losses), ("right", tally._right), ("odd", tally._odd)):
                kind.update((device, nd.array([value], ctx=device)) for device, value in zip(devices, sums[name]))
        return tally

    @property
    def loss(self) -> float:
        """The mean loss. Waits for the devices."""
        return sum(float(value.asscalar()) for value in self._losses.values()) / self.examples

    @property
    def finite(self) -> bool:
        """Whether every logit was a number. Waits for the devices."""
        return all(float(value.asscalar()) == 0 for value in self._odd.values())

    @property
    def accuracy(self) -> float:
        """The part that was right. Waits for the devices."""
        return sum(float(value.asscalar()) for value in self._right.values()) / self.examples


def _accumulate(sums: dict[mx.Context, nd.NDArray], value: nd.NDArray) -> None:
    sums[value.context] = sums[value.context] + value if value.context in sums else value
