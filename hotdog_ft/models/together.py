"""Several networks as one, `efficientnet_lite0+efficientnet_lite2`: the features of all, and one output layer.

A network that ends in a map gives two vectors of it: the mean, as it was made for, and the maximum, in which a small
thing shows as well as a large one (concatenated pooling, as fastai has it).
"""

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
        self._are_maps = []
        for part in parts:
            features, is_map = _before_pooling(part.features)
            self.parts.add(features)
            self._are_maps.append(is_map)
        self.output = gluon.nn.Dense(classes, prefix="together_output_")

    def hybrid_forward(self, F, x):
        seen = []
        for part, is_map in zip(self.parts, self._are_maps):
            features = part(x)
            if is_map:
                seen += [
                    F.Pooling(features, global_pool=True, kernel=(1, 1), pool_type=kind) for kind in ("avg", "max")
                ]
            else:
                seen.append(features)
        return self.output(F.concat(*map(F.flatten, seen), dim=1))


def _before_pooling(features: gluon.nn.HybridSequential) -> tuple[gluon.nn.HybridSequential, bool]:
    """A network's layers up to its last map, and that it is one; some, as VGG, end in a vector, and stay whole."""
    end = len(features)
    while isinstance(features[end - 1], (gluon.nn.Flatten, gluon.nn.Dropout)):
        end -= 1
    if isinstance(features[end - 1], (gluon.nn.GlobalAvgPool2D, gluon.nn.AvgPool2D)):
        return features[: end - 1], True
    return features, False
