"""EfficientNet-Lite, which no MXNet zoo has: EfficientNet without squeeze-excite, and with ReLU6 for swish.

Mobile inverted bottlenecks with TensorFlow's "same" padding, as published in tensorflow/tpu's `efficientnet/lite`. The
networks look like those of the Gluon zoo: `features`, which end in a vector for each photo, and `output`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hotdog_ft.backend import gluon
from hotdog_ft.errors import WeightsError

# Pretrained BatchNorm layers divide by sqrt(variance + this).
_EPSILON = 1e-3
# The published networks keep 0.99 of their running statistics at each step, which suits a million photos. In the few
# dozen steps of a fine-tuning on 2,000 the statistics stay far behind the weights: test accuracy fell by 9 points.
_MOMENTUM = 0.9

_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280


class _Stage(NamedTuple):
    """Equal bottlenecks in a row, before width and depth are scaled. The first of them has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis of length `size`, so that a convolution gives ceil(size / stride) values.

    TensorFlow's rule. An odd number of zeros leaves the larger half after the data.
    """
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2D(gluon.nn.Conv2D):
    """A convolution without bias and with TensorFlow's "same" padding, for square images of one size.

    MXNet pads both sides alike. Where one zero more is due after the data, both sides get that many, and the kernel a
    row and a column of zeros before its own. The kernel is small: padding the data instead would move all of them.
    """

    def __init__(
        self, in_channels: int, channels: int, kernel: int, size: int, stride: int = 1, groups: int = 1, **kwargs
    ) -> None:
        before, after = same_padding(size, kernel, stride)
        super().__init__(
            channels, kernel, stride, after, groups=groups, use_bias=False, in_channels=in_channels, **kwargs
        )
        self._shift = after - before
        if self._shift:
            self._kwargs["kernel"] = (kernel + self._shift,) * 2

    def hybrid_forward(self, F, x, weight):
        if self._shift:
            for axis in (2, 3):
                weight = _zeros_before(F, weight, axis, self._shift)
        return super().hybrid_forward(F, x, weight)


def _zeros_before(F, weight, axis: int, count: int):
    """The kernels with `count` zeros in front, along an axis.

    MXNet's own `pad` starts its threads anew for each kernel: in a small batch, it took longer than all convolutions.
    """
    zeros = F.zeros_like(F.slice_axis(weight, axis=axis, begin=0, end=count))
    return F.concat(zeros, weight, dim=axis)


class ReLU6(gluon.HybridBlock):
    """min(max(x, 0), 6).

    `clip` is what ONNX knows as ReLU6, and what MXNet's oneDNN backend fuses into the convolution for prediction.
    """

    def hybrid_forward(self, F, x):
        return F.clip(x, 0, 6)


def _conv_norm(
    in_channels: int, channels: int, kernel: int, size: int, stride: int = 1, groups: int = 1, relu6: bool = True
) -> gluon.nn.HybridSequential:
    """Convolution, BatchNorm and, unless told otherwise, ReLU6."""
    block = gluon.nn.HybridSequential(prefix="")
    block.add(SameConv2D(in_channels, channels, kernel, size, stride, groups))
    block.add(gluon.nn.BatchNorm(momentum=_MOMENTUM, epsilon=_EPSILON, in_channels=channels))
    if relu6:
        block.add(ReLU6())
    return block


class InvertedBottleneck(gluon.HybridBlock):
    """Widen with a 1x1 convolution, filter each channel by itself, narrow with another 1x1; add the input if it fits.

    size: height and width of the input.
    """

    def __init__(
        self, in_channels: int, channels: int, kernel: int, size: int, stride: int, expansion: int, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        wide = in_channels * expansion
        with self.name_scope():
            self.expand = _conv_norm(in_channels, wide, 1, size) if expansion > 1 else None
            self.depthwise = _conv_norm(wide, wide, kernel, size, stride, groups=wide)
            self.project = _conv_norm(wide, channels, 1, math.ceil(size / stride), relu6=False)
        self._residual = stride == 1 and in_channels == channels

    def hybrid_forward(self, F, x):
        y = self.expand(x) if self.expand is not None else x
        y = self.project(self.depthwise(y))
        return x + y if self._residual else y


class EfficientNetLite(gluon.HybridBlock):
    """EfficientNet-Lite for square photos of one size.

    width, depth: factors on the channels and on the number of bottlenecks. Stem and head aren't scaled.
    image_size: the height and width of the photos. The padding follows from it.

    Input: shape (batch, 3, image_size, image_size), RGB as (x - 127) / 128. Output: logits, shape (batch, classes).
    """

    def __init__(
        self, width: float, depth: float, image_size: int, dropout: float = 0.2, classes: int = 1000, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = gluon.nn.HybridSequential(prefix="features_")
            with self.features.name_scope():
                self.features.add(_conv_norm(3, _STEM_CHANNELS, 3, image_size, stride=2))
                channels, size = _STEM_CHANNELS, math.ceil(image_size / 2)
                for stage in _STAGES:
                    is_end = stage in (_STAGES[0], _STAGES[-1])
                    for i in range(stage.repeats if is_end else math.ceil(stage.repeats * depth)):
                        stride = stage.stride if i == 0 else 1
                        wider = _scale_channels(stage.channels, width)
                        self.features.add(
                            InvertedBottleneck(channels, wider, stage.kernel, size, stride, stage.expansion)
                        )
                        channels, size = wider, math.ceil(size / stride)
                self.features.add(_conv_norm(channels, _HEAD_CHANNELS, 1, size))
                self.features.add(gluon.nn.GlobalAvgPool2D())
                self.features.add(gluon.nn.Flatten())
                self.features.add(gluon.nn.Dropout(dropout))
            self.output = gluon.nn.Dense(classes, in_units=_HEAD_CHANNELS)

    def hybrid_forward(self, F, x):
        return self.output(self.features(x))


def _scale_channels(channels: int, width: float) -> int:
    """The multiple of 8 that is nearest to channels x width, but never less than nine tenths of it."""
    wanted = channels * width
    nearest = max(8, int(wanted + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * wanted else nearest + 8


def efficientnet_lite0(classes: int = 1000, image_size: int = 224, **kwargs) -> EfficientNetLite:
    """EfficientNet-Lite0, published for 224 x 224 pixels."""
    return EfficientNetLite(1.0, 1.0, image_size, 0.2, classes, **kwargs)


def efficientnet_lite1(classes: int = 1000, image_size: int = 240, **kwargs) -> EfficientNetLite:
    """EfficientNet-Lite1, published for 240 x 240 pixels."""
    return EfficientNetLite(1.0, 1.1, image_size, 0.2, classes, **kwargs)


def efficientnet_lite2(classes: int = 1000, image_size: int = 260, **kwargs) -> EfficientNetLite:
    """EfficientNet-Lite2, published for 260 x 260 pixels."""
    return EfficientNetLite(1.1, 1.2, image_size, 0.3, classes, **kwargs)


_NORM_NAMES = {"weight": "gamma", "bias": "beta", "running_mean": "running_mean", "running_var": "running_var"}


def torch_names(net: EfficientNetLite) -> dict[str, str]:
    """For each parameter of `net`, by its structured name: the name in efficientnet-lite-pytorch's state dicts."""
    names = {"output.weight": "_fc.weight", "output.bias": "_fc.bias"}

    def add(block: str, conv: str, norm: str) -> None:
        names[f"{block}.0.weight"] = f"{conv}.weight"
        names.update({f"{block}.1.{ours}": f"{norm}.{theirs}" for theirs, ours in _NORM_NAMES.items()})

    add("features.0", "_conv_stem", "_bn0")
    bottlenecks = [i for i, block in enumerate(net.features) if isinstance(block, InvertedBottleneck)]
    for number, i in enumerate(bottlenecks):
        if net.features[i].expand is not None:
            add(f"features.{i}.expand", f"_blocks.{number}._expand_conv", f"_blocks.{number}._bn0")
        add(f"features.{i}.depthwise", f"_blocks.{number}._depthwise_conv", f"_blocks.{number}._bn1")
        add(f"features.{i}.project", f"_blocks.{number}._project_conv", f"_blocks.{number}._bn2")
    add(f"features.{bottlenecks[-1] + 1}", "_conv_head", "_bn1")
    return names


def convert_state_dict(state: dict[str, np.ndarray], net: EfficientNetLite) -> dict[str, np.ndarray]:
    """The state dict of efficientnet-lite-pytorch under this network's structured names, complete and of its shapes.

    Raises: WeightsError, which names the first that don't fit.
    """
    names = torch_names(net)
    shapes = {name: parameter.shape for name, parameter in net._collect_params_with_prefix().items()}
    known = set(names.values())
    wrong = [f"{theirs} is missing" for theirs in names.values() if theirs not in state]
    wrong += [
        f"{theirs} has shape {state[theirs].shape}, not {shapes[ours]}"
        for ours, theirs in names.items()
        if theirs in state and state[theirs].shape != shapes[ours]
    ]
    wrong += [
        f"{name} isn't known" for name in state if name not in known and not name.endswith(".num_batches_tracked")
    ]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise WeightsError(
            f"EfficientNet-Lite weights: {'; '.join(wrong[:3])}{more}",
            hint="Use the weights of this very network; Lite0, Lite1 and Lite2 differ, as do numbers of classes.",
        )
    return {ours: np.array(state[theirs], np.float32, order="C") for ours, theirs in names.items()}
