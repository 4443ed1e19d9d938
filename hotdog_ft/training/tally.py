"""Loss and accuracy without a wait for each batch."""

from __future__ import annotations

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
