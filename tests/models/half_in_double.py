"""A program: what SqueezeNet gives and learns with double in place of half precision, beside what it does plainly.

A line for the logits and for each gradient, on each of two devices: the device, the dtype, the largest value, and the
largest difference.
"""

from __future__ import annotations

import numpy as np

from hotdog_ft.backend import autograd, mx, nd
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.graph import Forward
from hotdog_ft.models.half import mixed_network
from hotdog_ft.models.zoo import build

DEVICES = [mx.cpu(0), mx.cpu(1)]


def classifier(name: str, size: int) -> Classifier:
    """With random values."""
    mx.random.seed(0)
    net = Classifier(name, build(name, 2, size), Preprocess(image_size=size, resize=size), ("no", "yes"))
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, size, size, 3), dtype="uint8"))
    return net


def values(net: Classifier, network: Forward, device: mx.Context) -> list[np.ndarray]:
    """Logits of two photos, and the gradients of their sum."""
    X = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    with autograd.record(train_mode=False):  # without Dropout
        logits = network(nd.array(X, ctx=device, dtype="uint8"))
    logits.backward()
    gradients = [p.grad(device).asnumpy() for p in net.collect_params().values() if p.grad_req != "null"]
    return [logits.asnumpy(), *gradients]


def main() -> None:
    net = classifier("squeezenet1.1", 64)
    net.collect_params().reset_ctx(DEVICES)
    doubled = mixed_network(net, DEVICES, half="float64")
    for device in DEVICES:
        for expected, found in zip(values(net, net, device), values(net, doubled, device)):
            print(device, found.dtype, np.abs(expected).max(), np.abs(found - expected).max())


if __name__ == "__main__":
    main()
