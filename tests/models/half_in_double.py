"""A program: what SqueezeNet gives and learns with double in place of half precision, beside what it does plainly.

A line for the logits and for each gradient, on each of two devices: the device, the dtype, the largest value, and the
largest difference.
"""

from __future__ import annotations

import numpy as np

from hotdog_ft.backend import autograd, mx, nd
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.graph import Forward
from hotdog_ft.models.half import mixed_network

DEVICES = [mx.cpu(0), mx.cpu(1)]


def values(net: Classifier, network: Forward, device: mx.Context) -> list[np.ndarray]:
    """Logits of two photos, and the gradients of their sum."""
    X = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    with autograd.record(train_mode=False):  # without Dropout
        logits = network(nd.array(X, ctx=device, dtype="uint8"))
    logits.backward()
    gradients = [p.grad(device).asnumpy() for p in net.collect_params().values() if p.grad_req != "null"]
    return [logits.asnumpy(), *gradients]


def main() -> None:
    mx.random.seed(0)
    net = target_net("squeezenet1.1", None, ("no", "yes"), DEVICES, image_size=64)
    doubled = mixed_network(net, DEVICES, half="float64")
    for device in DEVICES:
        for expected, found in zip(values(net, net, device), values(net, doubled, device)):
            print(device, found.dtype, np.abs(expected).max(), np.abs(found - expected).max())


if __name__ == "__main__":
    main()
