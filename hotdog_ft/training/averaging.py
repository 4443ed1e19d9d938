"""An exponential moving average of the weights, which is often better than the weights of the last step."""

from __future__ import annotations

from collections.abc import Iterator

from hotdog_ft.backend import gluon, nd


class WeightAverage:
    """Of all a network's values that training changes, running statistics among them (Polyak and Juditsky 1992).

    decay: how much of itself the average keeps at each step. The first steps keep less, (1 + steps) / (10 + steps) at
    most, as in TensorFlow's ExponentialMovingAverage, so that the start is soon forgotten.
    """

    def __init__(self, net: gluon.HybridBlock, decay: float) -> None:
        self._decay = decay
        self.steps = 0
        self._is_in = False
        self._parameters = [p for p in net.collect_params().values() if not isinstance(p, gluon.Constant)]
        self._averages = [[value.copy() for value in p.list_data()] for p in self._parameters]

    def update(self) -> None:
        """Take the weights after a step in."""
        self.steps += 1
        decay = min(self._decay, (1 + self.steps) / (10 + self.steps))
        for parameter, averages in zip(self._parameters, self._averages):
            for average, value in zip(averages, parameter.list_data()):
                average *= decay
                average += (1 - decay) * value

    def items(self) -> Iterator[tuple[gluon.Parameter, list[nd.NDArray]]]:
        """Each parameter and its averages, one a device; they are the network's own weights while it is the average."""
        return zip(self._parameters, self._averages)

    def put_in(self) -> None:
        """Make the network the average."""
        self._swap(True)

    def take_out(self) -> None:
        """Give the network its own weights back, if it is the average."""
        self._swap(False)

    def _swap(self, put_in: bool) -> None:
        if put_in == self._is_in:
            return
        for parameter, averages in zip(self._parameters, self._averages):
            for average, value in zip(averages, parameter.list_data()):
                kept = value.copy()
                value[:] = average
                average[:] = kept
        nd.waitall()
        self._is_in = put_in
