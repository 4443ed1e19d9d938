"""A network as it answers fastest on a CPU: convolution, BatchNorm and activation computed as one operator.

oneDNN folds a BatchNorm's running statistics into the convolution before it, and clips while the result is still in the
processor's registers. Networks of depthwise convolutions gain most, since most of their time goes into moving data.
"""

from __future__ import annotations

import logging

import numpy as np

from hotdog_ft.backend import mx, nd, onednn_enabled
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.graph import Forward, cached_operator, values_on
from hotdog_ft.models.photo_input import normalized_first

log = logging.getLogger(__name__)

FUSE_FROM = 16
"""Photos. Fusing and checking cost about as much as a few photos, which one photo alone never earns back."""
CHECKED_PHOTOS = 2
TOLERANCE = 1e-4
"""How far what it gives fused may be from what it gives plain, as a part of the largest number."""


class FusedNetwork:
    """What a network gives on one device: by itself at first, and fused from photo number `fuse_from` on.

    The fused network is checked against the plain one once, on the first photos that it gets. The plain one stays where
    the fused one differs, can't be made, or wouldn't be on a CPU. When parameters have changed, make another of this.
    """

    def __init__(self, net: Classifier, device: mx.Context, fuse_from: int = FUSE_FROM) -> None:
        self._net = net
        self.device = device
        self._compute: Forward = net
        self._fuse_from = fuse_from
        self._seen = 0
        self._undecided = device.device_type == "cpu" and onednn_enabled()

    def __call__(self, X: nd.NDArray) -> nd.NDArray:
        """Logits, or whatever the network gives: float32, shape (batch, outputs), not yet waited for.

        X: uint8, shape (batch, height, width, 3), on the device. With static memory, the next call writes where this
        one's result is.
        """
        self._seen += len(X)
        if self._undecided and self._seen >= self._fuse_from:
            self._undecided = False
            self._compute = self._fused(X[:CHECKED_PHOTOS])
        return self._compute(X)

    def _fused(self, X: nd.NDArray) -> Forward:
        """The fused network if it gives what the plain one gives for X, else the plain one."""
        try:
            fused = fuse(self._net, self.device)
            found = fused(X).asnumpy()
        except mx.MXNetError as error:
            log.debug("The network can't be fused: %s", error)
            return self._net
        expected = self._net(X).asnumpy()
        with np.errstate(invalid="ignore"):  # infinite numbers
            difference, scale = np.abs(found - expected).max(), np.abs(expected).max()
        if not difference <= TOLERANCE * scale:  # neither where one of them is no number
            log.debug("The fused network differs by %g of %g.", difference, scale)
            return self._net
        return fused


def fuse(net: Classifier, device: mx.Context) -> Forward:
    """The fused network on a CPU, with static memory, and the parameters as they are when it is first called.

    Raises: MXNetError, here or when the result is read.
    """
    graph = net.net(mx.sym.var("data")).get_backend_symbol("MKLDNN")
    return normalized_first(net, lambda device: cached_operator(graph, values_on(device, net)), [device])
