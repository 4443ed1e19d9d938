"""Where a network looked: gradient-weighted class activation maps (Selvaraju et al. 2017, Grad-CAM), of any network.

A network's graph is cut where its last maps become vectors. What lies in front gives the maps, and what lies behind is
small, so that its gradient costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from hotdog_ft.backend import autograd, memory_for, mx, nd
from hotdog_ft.data.photo import Photo
from hotdog_ft.errors import RunError
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.graph import (
    Entry,
    Node,
    cached_operator,
    in_order,
    read_graph,
    values_on,
    write_graph,
)
from hotdog_ft.models.photo_input import photos_on

SHOWN = 448
"""Pixels along each side of a picture that is explained: more than a network sees, for people."""
GREY, STRONGEST = 0.8, 0.6
"""How bright the photo stays, and how much of it the colour covers where the network looked most."""


class Explainer:
    """Says which parts of photos speak for a class. Computes on one device, with the parameters as they are now.

    Raises: RunError, for a network that has no gradient, or no map.
    """

    def __init__(self, classifier: Classifier, device: mx.Context) -> None:
        self.device = device
        self._preprocess = classifier.preprocess
        self._size = classifier.preprocess.image_size
        self._normalize = classifier.normalize
        values = values_on(device, classifier)
        outputs = read_graph(classifier.net(mx.sym.var("data")), {})
        if any("quantize" in node.op for node in in_order(outputs)):
            raise RunError(
                f"{classifier.architecture} in 8-bit integers can't be explained: integers have no gradient.",
                hint="Explain by the model that it was made from.",
            )
        maps = _last_maps(outputs, (1, 3, self._size, self._size))
        if not maps:
            raise RunError(
                f"{classifier.architecture} can't be explained: none of its layers is a map of the photo.",
                hint="Use a convolutional network.",
            )
        self._maps = cached_operator(write_graph(maps), values)
        names = [f"map{i}" for i in range(len(maps))]
        self._logits = cached_operator(_behind(outputs, maps, names), values, names)

    def explain(self, X: np.ndarray, labels: Sequence[int]) -> np.ndarray:
        """How much each place speaks for a photo's label: float32, shape (batch, height, width), from 0 to 1.

        The place that speaks most has 1; where no place speaks for it, all have 0. What counts is the label's logit
        above the mean of all: a softmax sees nothing else of it. X: photos as preprocessed, uint8, shape (batch,
        height, width, 3). Raises: OutOfMemoryError.
        """
        with memory_for(len(X)):
            maps = self._maps(self._normalize(photos_on(self.device, X)))
            maps = [each.copy() for each in (maps if isinstance(maps, list) else [maps])]
            for each in maps:
                each.attach_grad()
            with autograd.record(train_mode=False):
                logits = self._logits(*maps)
                chosen = nd.pick(logits, nd.array(labels, ctx=self.device), axis=1) - logits.mean(axis=1)
            chosen.backward()
            speaking = sum(self._resized(nd.sum(_weights(each) * each, axis=1).asnumpy()) for each in maps)
        speaking = np.maximum(speaking, 0)
        largest = speaking.max(axis=(1, 2), keepdims=True)
        return np.divide(speaking, largest, out=np.zeros_like(speaking), where=largest > 0)

    def picture(self, photo: Photo, label: int, side: int = SHOWN) -> np.ndarray:
        """What the network sees of a photo, coloured where that speaks for a label: uint8 RGB, shape (side, side, 3).

        Raises: ImageError, OutOfMemoryError.
        """
        (speaking,) = self.explain(self._preprocess.for_test(photo)[np.newaxis], [label])
        return overlay(self._preprocess.at(side).for_test(photo), speaking)

    def _resized(self, maps: np.ndarray) -> np.ndarray:
        size = (self._size, self._size)
        return np.stack([cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) for each in maps])


def overlay(photo: np.ndarray, speaking: np.ndarray) -> np.ndarray:
    """A photo in grey, and over it, from blue to red, where the network looked: uint8 RGB, shape (height, width, 3).

    Food has the colours of heat, and would hide them. photo: uint8 RGB, shape (height, width, 3). speaking: one of
    Explainer.explain's, float32, of any size. What speaks little stays as it is.
    """
    height, width = photo.shape[:2]
    speaking = cv2.resize(speaking, (width, height), interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[:, :, np.newaxis]
    colours = cv2.applyColorMap(np.round(255 * speaking).astype(np.uint8), cv2.COLORMAP_TURBO)[:, :, ::-1]
    covered = STRONGEST * np.sqrt(speaking)[:, :, np.newaxis]
    return np.round(GREY * grey * (1 - covered) + colours * covered).astype(np.uint8)


def _weights(maps: nd.NDArray) -> nd.NDArray:
    """How much each channel speaks for the label: its gradients' sum, so that maps of several sizes go together.

    Shape (batch, channels, 1, 1).
    """
    return nd.sum(maps.grad, axis=(2, 3), keepdims=True)


def _last_maps(outputs: list[Entry], shape: tuple[int, ...]) -> list[Entry]:
    """Where the graph's last maps are, computed from a batch of this shape; none, if that would be the photo itself."""
    shapes = _shapes(write_graph(outputs), shape)
    found: dict[Entry, None] = {}
    seen: set[Node] = set()
    waiting = list(outputs)
    while waiting:
        node, output = waiting.pop()
        if node.name == "data":
            return []
        if _is_map(shapes[node.name][output]):
            found[node, output] = None
        elif node not in seen:
            seen.add(node)
            waiting += node.inputs
    return list(found)


def _shapes(symbol: mx.sym.Symbol, shape: tuple[int, ...]) -> dict[str, list[tuple[int, ...]]]:
    """Of each node's outputs, by its name. shape: the input's."""
    everything = symbol.get_internals()
    _, computed, _ = everything.infer_shape(data=shape)
    shapes: dict[str, list[tuple[int, ...]]] = {}
    for each, its_shape in zip(everything, computed):
        shapes.setdefault(each.name, []).append(its_shape)
    return shapes


def _is_map(shape: tuple[int, ...]) -> bool:
    """Whether (batch, channels, height, width) has several places."""
    return len(shape) == 4 and shape[0] == 1 and shape[2] * shape[3] > 1


def _behind(outputs: list[Entry], maps: list[Entry], names: list[str]) -> mx.sym.Symbol:
    """The graph that computes the outputs from the maps, given by these names."""
    given = {entry: (Node("null", name), 0) for entry, name in zip(maps, names)}
    for node in in_order(outputs):
        node.inputs = [given.get(entry, entry) for entry in node.inputs]
    return write_graph(outputs)
