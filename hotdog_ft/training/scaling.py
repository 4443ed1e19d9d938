"""Steps whose gradients were computed in half precision, where small ones would vanish unless the loss is scaled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hotdog_ft.backend import gluon, nd

START = 2.0**16
STEPS_BEFORE_DOUBLING = 2000


class ScaledTrainer(gluon.Trainer):
    """A Trainer for gradients that are `loss_scale` times too large (Micikevicius et al. 2018, section 3.2).

    A step whose gradients aren't all finite is left out, and the scale halved; after 2,000 good ones it is doubled.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.loss_scale = START
        self.good_steps = 0

    def step(self, batch_size: int, ignore_stale_grad: bool = False) -> None:
        """Divide by the scale and step, or leave it out. batch_size: the examples whose loss was summed."""
        self.allreduce_grads()
        learning = [parameter for parameter in self._params if parameter.grad_req != "null"]
        if not all_finite([parameter.list_grad()[0] for parameter in learning]):  # the same on all devices by now
            self.loss_scale = max(1.0, self.loss_scale / 2)
            self.good_steps = 0
            return
        self.update(batch_size * self.loss_scale, ignore_stale_grad)
        self.good_steps += 1
        if self.good_steps % STEPS_BEFORE_DOUBLING == 0:
            self.loss_scale *= 2


def all_finite(values: Sequence[nd.NDArray]) -> bool:
    """Whether all numbers of arrays on one device are finite."""
    # multi_all_finite takes 200 arrays at most, and writes beyond its memory when it gets more.
    parts = [values[i : i + 100] for i in range(0, len(values), 100)]
    checks = [nd.multi_all_finite(*part, num_arrays=len(part)) for part in parts]
    return all(check.asscalar() for check in checks)
