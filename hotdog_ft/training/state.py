"""All that training changes, gathered to be kept and put back later, perhaps in another process, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hotdog_ft.backend import gluon, nd
from hotdog_ft.errors import DIVERGED_HINT, DivergedError, RunError
from hotdog_ft.training.averaging import WeightAverage
from hotdog_ft.training.group import ALONE, Group
from hotdog_ft.training.scaling import ScaledTrainer

STATISTICS = ("running_mean", "running_var")
"""How the names of BatchNorm's statistics end. In the midst of an epoch each device has gathered its own."""

_HINT = "Train from the start, into another folder."


class TrainingState:
    """A network's values, its trainer's momentum and loss scale, and the average of the weights.

    Values bear the names of their places in the network, which are the same in every process of the group.
    """

    def __init__(
        self,
        net: gluon.HybridBlock,
        trainer: gluon.Trainer,
        average: WeightAverage | None = None,
        group: Group = ALONE,
    ) -> None:
        self.group = group
        self._names = {id(value): name for name, value in net._collect_params_with_prefix().items()}
        self._parameters = [p for p in net.collect_params().values() if not isinstance(p, gluon.Constant)]
        self._trainer = trainer
        self._average = average

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """All values' names and copies. Waits for the devices. The network is itself again, not its average.

        Statistics come once a device, in all processes, `name@1` being the second's. Raises: DivergedError, when they
        aren't all numbers.
        """
        if self._average:
            self._average.take_out()
        for name, values in self._values():
            if name.endswith(STATISTICS):
                arrays = self.group.gather(name, np.stack([value.asnumpy() for value in values]))
                arrays = arrays.reshape(-1, *values[0].shape)
            else:
                arrays = values[0].asnumpy()[np.newaxis]
            if not np.isfinite(arrays).all():
                raise DivergedError(f"{name} is no longer numbers: training has diverged.", hint=DIVERGED_HINT)
            for device, array in enumerate(arrays):
                yield f"{name}@{device}" if device else name, array

    def numbers(self) -> dict[str, Any]:
        """What isn't an array, for JSON."""
        numbers: dict[str, Any] = {}
        if self._average:
            numbers["average_steps"] = self._average.steps
        if isinstance(self._trainer, ScaledTrainer):
            numbers["loss_scale"], numbers["good_steps"] = self._trainer.loss_scale, self._trainer.good_steps
        return numbers

    def put_back(self, arrays: Mapping[str, np.ndarray] | None, numbers: Mapping[str, Any]) -> None:
        """Make everything what `arrays` and `numbers` gave, in all processes; the first one alone has the arrays.

        A device that the checkpoint knows no statistics of gets the first one's. Raises: RunError, when they are
        another training's.
        """
        if arrays is not None:
            self._check_known(arrays)
        for name, values in self._values():
            differ = name.endswith(STATISTICS)
            kept = np.zeros((len(values) * self.group.size if differ else 1, *values[0].shape), values[0].dtype)
            if arrays is not None:
                for device in range(len(kept)):
                    kept[device] = _fitting(arrays.get(f"{name}@{device}", arrays.get(name)), name, values[0])
            kept = self.group.from_first(name, kept)
            own = kept[len(values) * self.group.rank :] if differ else np.repeat(kept, len(values), axis=0)
            for value, array in zip(values, own):
                value[:] = nd.array(array, ctx=value.context, dtype=value.dtype)
        if self._average:
            self._average.steps = numbers["average_steps"]
        if isinstance(self._trainer, ScaledTrainer):
            self._trainer.loss_scale, self._trainer.good_steps = numbers["loss_scale"], numbers["good_steps"]
        nd.waitall()

    def average_statistics(self) -> None:
        """Give every device in all processes the mean of the statistics that each has gathered from its own part."""
        for name, values in self._values():
            if name.endswith(STATISTICS) and len(values) * self.group.size > 1:
                parts = np.stack([value.asnumpy() for value in values])
                mean = self.group.sum(name, parts).sum(axis=0) / (len(values) * self.group.size)
                for value in values:
                    value[:] = nd.array(mean, ctx=value.context, dtype=value.dtype)
        nd.waitall()

    def _check_known(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Raises: RunError, when there is one too many."""
        if unknown := {name.split("@")[0] for name in arrays} - {name for name, _ in self._values()}:
            raise RunError(f"The checkpoint's {min(unknown)} is another network's.", hint=_HINT)

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


def _fitting(array: np.ndarray | None, name: str, value: nd.NDArray) -> np.ndarray:
    """The array, if it can be the value's. Raises: RunError."""
    if array is None or array.shape != value.shape or array.dtype != value.dtype:
        raise RunError(f"The checkpoint's {name} is missing, or another network's.", hint=_HINT)
    return array
