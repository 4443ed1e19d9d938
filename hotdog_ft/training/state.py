"""All that training changes, gathered to be kept and put back later, perhaps in another process, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hotdog_ft.backend import gluon, nd
from hotdog_ft.errors import DIVERGED_HINT, DivergedError, RunError
from hotdog_ft.training.averaging import WeightAverage
from hotdog_ft.training.scaling import ScaledTrainer

STATISTICS = ("running_mean", "running_var")
"""How the names of BatchNorm's statistics end. In the midst of an epoch each device has gathered its own."""

_HINT = "Train from the start, into another folder."


class TrainingState:
    """A network's values, its trainer's momentum and loss scale, and the average of the weights.

    Values bear the names of their places in the network, which are the same in every process.
    """

    def __init__(self, net: gluon.HybridBlock, trainer: gluon.Trainer, average: WeightAverage | None = None) -> None:
        self._names = {id(value): name for name, value in net._collect_params_with_prefix().items()}
        self._parameters = [p for p in net.collect_params().values() if not isinstance(p, gluon.Constant)]
        self._trainer = trainer
        self._average = average

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """All values' names and copies. Waits for the devices. The network is itself again, not its average.

        Raises: DivergedError, when they aren't all numbers.
        """
        if self._average:
            self._average.take_out()
        for name, values in self._values():
            for key, value in _distinct(name, values):
                array = value.asnumpy()
                if not np.isfinite(array).all():
                    raise DivergedError(f"{key} is no longer numbers: training has diverged.", hint=DIVERGED_HINT)
                yield key, array

    def numbers(self) -> dict[str, Any]:
        """What isn't an array, for JSON."""
        numbers: dict[str, Any] = {}
        if self._average:
            numbers["average_steps"] = self._average.steps
        if isinstance(self._trainer, ScaledTrainer):
            numbers["loss_scale"], numbers["good_steps"] = self._trainer.loss_scale, self._trainer.good_steps
        return numbers

    def put_back(self, arrays: Mapping[str, np.ndarray], numbers: Mapping[str, Any]) -> None:
        """Make everything what `arrays` and `numbers` gave. Raises: RunError, when they are another training's."""
        unknown = set(arrays)
        for name, values in self._values():
            kept = {key: arrays.get(key) for key, _ in _distinct(name, values)}
            for device, value in enumerate(values):
                array = kept.get(f"{name}@{device}", kept[name])
                if array is None or array.shape != value.shape or array.dtype != value.dtype:
                    raise RunError(f"The checkpoint's {name} is missing, or another network's.", hint=_HINT)
                value[:] = nd.array(array, ctx=value.context, dtype=array.dtype)
            unknown -= set(kept)
        if unknown:
            raise RunError(f"The checkpoint's {min(unknown)} is another network's.", hint=_HINT)
        if self._average:
            self._average.steps = numbers["average_steps"]
        if isinstance(self._trainer, ScaledTrainer):
            self._trainer.loss_scale, self._trainer.good_steps = numbers["loss_scale"], numbers["good_steps"]
        nd.waitall()

    def _values(self) -> Iterator[tuple[str, list[nd.NDArray]]]:
        """Each value's name, and its copies, one a device."""
        for parameter in self._parameters:
            yield self._names[id(parameter)], parameter.list_data()
        if self._average:
            for parameter, averages in self._average.items():
                yield f"average/{self._names[id(parameter)]}", averages
        for index, parameter in enumerate(self._trainer._params):
            if parameter.grad_req == "null" or not self._trainer._optimizer.momentum:
                continue
            yield f"momentum/{self._names[id(parameter)]}", self._momentum(index, parameter)

    def _momentum(self, index: int, parameter: gluon.Parameter) -> list[nd.NDArray]:
        """The momentum of a parameter's gradients on each device: zeros, as Gluon makes them, before the first step."""
        for updater, value in zip(self._trainer._updaters, parameter.list_data()):
            if index not in updater.states:
                updater.states[index] = self._trainer._optimizer.create_state_multi_precision(index, value)
                updater.states_synced[index] = True
        return [updater.states[index] for updater in self._trainer._updaters]


def _distinct(name: str, values: list[nd.NDArray]) -> Iterator[tuple[str, nd.NDArray]]:
    """Of a value's copies those that may differ, with a name each: of statistics all, else the first."""
    yield name, values[0]
    if name.endswith(STATISTICS):
        for device, value in enumerate(values[1:], start=1):
            yield f"{name}@{device}", value
