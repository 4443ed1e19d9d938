"""Several networks as one, `efficientnet_lite0+efficientnet_lite2`: the features of all, and one output layer."""

from __future__ import annotations

from collections.abc import Sequence

from hotdog_ft.backend import gluon


class Together(gluon.HybridBlock):
    """The features of several networks side by side, in front of one dense output layer.

    parts: networks with `features`, as the zoos build them. Input: shape (batch, 3, height, width). Output: logits,
    shape (batch, classes).
    """

    def __init__(self, parts: Sequence[gluon.HybridBlock], classes: int) -> None:
        super().__init__(prefix="")
        self.parts = gluon.nn.HybridSequential(prefix="")
        self.parts.add(*(part.features for part in parts))
        self.output = gluon.nn.Dense(classes, prefix="together_output_")

    def hybrid_forward(self, F, x):
        # Some features end in a map of height and width 1.
        return self.output(F.concat(*(F.flatten(part(x)) for part in self.parts), dim=1))
