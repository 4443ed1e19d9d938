"""Give the arrays of a file the names that the network's own structure has for them.

Here names are found, not judged: whoever loads the arrays checks that they are complete and of the right shapes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from hotdog_ft.backend import gluon, mx
from hotdog_ft.models import efficientnet_lite
from hotdog_ft.models.convert.read import FileWeights

TORCHVISION = {
    "resnet18_v1": "resnet18",
    "resnet34_v1": "resnet34",
    "resnet18_v1b": "resnet18",
    "resnet34_v1b": "resnet34",
    "resnet50_v1b": "resnet50",
    "resnet101_v1b": "resnet101",
    "resnet152_v1b": "resnet152",
    "squeezenet1.0": "squeezenet1_0",
    "squeezenet1.1": "squeezenet1_1",
    "vgg11": "vgg11",
    "vgg13": "vgg13",
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "vgg11_bn": "vgg11_bn",
    "vgg13_bn": "vgg13_bn",
    "vgg16_bn": "vgg16_bn",
    "vgg19_bn": "vgg19_bn",
    "densenet121": "densenet121",
    "densenet161": "densenet161",
    "densenet169": "densenet169",
    "densenet201": "densenet201",
    "alexnet": "alexnet",
}
"""Networks of Gluon's and GluonCV's zoos, and torchvision's that compute the same, defined in the same order.

Gluon's resnet50_v1 and larger are not here: their 1x1 convolutions have biases, and the stride in another place.
"""

IMGCLSMOB = {"resnet18_v1": "resnet18", "resnet18_v2": "preresnet18", "squeezenet1.1": "squeezenet_v1_1"}
"""Networks of Gluon's zoo, and those of osmr/imgclsmob, in Gluon files too, that compute the same in the same order."""

# Parts of a norm layer: PyTorch's names and Gluon's.
_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "running_mean", "running_var": "running_var"}

# Gluon's resnet18_v2 begins with a norm layer of 3 channels, which preresnet18 lacks. This one changes nothing: MXNet
# ignores its gamma, and adds 1e-5 to the variance.
_NEUTRAL_NORM = {
    "neutral.gamma": np.ones(3, np.float32),
    "neutral.beta": np.zeros(3, np.float32),
    "neutral.running_mean": np.zeros(3, np.float32),
    "neutral.running_var": np.full(3, 1 - 1e-5, np.float32),
}

# Of what torchvision's names of layers in TORCHVISION consist, numbers aside. "" is a number alone.
_TORCHVISION_STEMS = {"", *"conv bn layer downsample fc features classifier squeeze expand1x expand3x".split()}
_TORCHVISION_STEMS |= {*"norm denseblock denselayer transition".split()}


def by_structure(weights: FileWeights, network: str, net: gluon.HybridBlock) -> dict[str, np.ndarray]:
    """The file's arrays under the structured names (`net._collect_params_with_prefix()`) of `net`.

    network: its name in the zoo. net: has 1000 outputs; shapes may be unknown, and no values are needed.
    What can't be placed keeps the file's own name.
    """
    arrays = weights.arrays
    parameters = net._collect_params_with_prefix()
    # All of them, since PyTorch's names can coincide with some: `features.0.weight`, `layer1.0.conv1.weight`.
    if set(parameters) <= set(arrays):
        return arrays
    if weights.format in ("torch", "safetensors"):
        if all(name.startswith("module.") for name in arrays):  # as DataParallel names them
            arrays = {name.removeprefix("module."): array for name, array in arrays.items()}
        tracked = [name for name in arrays if name.endswith("num_batches_tracked")]  # a counter, which Gluon lacks
        arrays = {name: array for name, array in arrays.items() if name not in tracked}
        return _renamed(arrays, _from_torch(arrays, weights.format == "torch", network, net))
    names = _by_flat_name(arrays, net)
    if len(names) < len(parameters) and weights.in_graph_order:
        names = _by_graph_order(arrays, net) or names
    if not names and weights.format == "gluon" and network in IMGCLSMOB:
        arrays = {**(_NEUTRAL_NORM if network == "resnet18_v2" else {}), **arrays}
        names = _by_layer(arrays, True, net)
    return _renamed(arrays, names)


def _renamed(arrays: dict[str, np.ndarray], names: Mapping[str, str]) -> dict[str, np.ndarray]:
    """names: the file's name of a structured one. GoogLeNet has two for its output layer, which a file holds once."""
    placed = set(names.values())
    left = {name: array for name, array in arrays.items() if name not in placed}
    if left.keys() & names.keys():  # something else has a name that would be given: these are other names after all
        return arrays
    return {**left, **{ours: arrays[theirs] for ours, theirs in names.items()}}


def _by_flat_name(arrays: Mapping[str, np.ndarray], net: gluon.HybridBlock) -> dict[str, str]:
    """Match `resnetv20_stage1_conv0_weight`, as `collect_params().save`, `net.export` and MXNet's ONNX files have it.

    Such names are made from the structure, after a prefix of the whole network, which counts the networks that its
    process made. The file's prefix, or none, is what its first name begins with and most names match with.
    """
    flat = {ours: parameter.name[len(net.prefix) :] for ours, parameter in net._collect_params_with_prefix().items()}
    first = next(iter(arrays), "")
    prefixes = [""] + [first[: underscore.end()] for underscore in re.finditer("_", first)]
    matches = ({ours: prefix + name for ours, name in flat.items() if prefix + name in arrays} for prefix in prefixes)
    return max(matches, key=len)


def _by_graph_order(arrays: Mapping[str, np.ndarray], net: gluon.HybridBlock) -> dict[str, str]:
    """Match the i-th array that the file's graph uses with the i-th that the network's does.

    The same network gives the same graph, and both are written down inputs first, in one order. Another network's graph
    has another number of arrays, or other shapes somewhere; then nothing is matched.
    """
    output = net(mx.sym.var("data"))
    graph = mx.sym.Group(list(output)) if isinstance(output, (list, tuple)) else output  # NASNet gives a tuple
    parameters = net.collect_params()
    order = [name for name in graph.list_inputs() if name in parameters]
    fits = len(order) == len(arrays) and all(
        _fits(array, parameters[name].shape) for name, array in zip(order, arrays.values())
    )
    if not fits:
        return {}
    theirs = dict(zip(order, arrays))
    return {
        ours: theirs[parameter.name]
        for ours, parameter in net._collect_params_with_prefix().items()
        if parameter.name in theirs
    }


def _fits(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether the array can have this shape, in which 0 and -1 are not known yet."""
    return array.ndim == len(shape) and all(want in (0, -1, have) for have, want in zip(array.shape, shape))


def _from_torch(
    arrays: Mapping[str, np.ndarray], in_order: bool, network: str, net: gluon.HybridBlock
) -> dict[str, str]:
    """Match a PyTorch state dict. in_order: the arrays come as the network's layers were defined."""
    if isinstance(net, efficientnet_lite.EfficientNetLite):
        return {ours: theirs for ours, theirs in efficientnet_lite.torch_names(net).items() if theirs in arrays}
    if network in TORCHVISION:
        return _by_layer(arrays, in_order, net)
    return {}


_Layers = dict[str, dict[str, str]]  # by a layer's name, and Gluon's name of one of its parts: the array's whole name


def _by_layer(arrays: Mapping[str, np.ndarray], in_order: bool, net: gluon.HybridBlock) -> dict[str, str]:
    """Match the i-th convolution or dense layer with the network's i-th, and the i-th norm with its i-th.

    The networks of TORCHVISION define the same layers in the same order, and a state dict lists them so. Another
    network has other parts or shapes somewhere; then nothing is matched. If layers are missing at the end, the others
    are matched all the same, and the last layer's shape isn't asked: that is what the user should then be told.
    """
    parameters = net._collect_params_with_prefix()
    theirs, ours = _layers(arrays), _layers(parameters)
    theirs = _in_order_of_definition(theirs) or (theirs if in_order else {})
    pairs = []
    for is_norm in (True, False):
        both = ([parts for parts in layers.values() if ("gamma" in parts) is is_norm] for layers in (theirs, ours))
        pairs += list(zip(*both))
    if any(set(their_parts) != set(our_parts) for their_parts, our_parts in pairs):
        return {}
    names = {our_parts[part]: their_parts[part] for their_parts, our_parts in pairs for part in our_parts}
    last = set(list(ours.values())[-1].values())
    fits = all(_fits(arrays[name], parameters[our].shape) for our, name in names.items() if our not in last)
    return names if fits else {}


def _layers(names: Mapping[str, object]) -> _Layers:
    """Group `layer1.0.bn1.weight` and the like by what stands before the last dot. What is no layer is left out."""
    layers: _Layers = {}
    for name in names:
        layer, _, part = name.rpartition(".")
        layers.setdefault(layer, {})[part] = name
    known = ({"weight"}, {"weight", "bias"}, set(_NORM), set(_NORM.values()))
    return {
        layer: {_NORM[part]: name for part, name in parts.items()} if set(parts) == set(_NORM) else parts
        for layer, parts in layers.items()
        if set(parts) in known
    }


def _in_order_of_definition(layers: _Layers) -> _Layers:
    """Sort torchvision's layers, which safetensors keeps alphabetically. None are left if a name isn't torchvision's.

    Within a module, what has a number goes by it (`conv1`, `layer1`, `layer2`), after `features` and `squeeze`, which
    have none, and before `downsample`, which is defined last, and what follows all features.
    """
    places = {layer: [_place_in_module(word) for word in layer.split(".")] for layer in layers}
    if any(stem not in _TORCHVISION_STEMS for place in places.values() for _, stem in place):
        return {}
    return {layer: layers[layer] for layer in sorted(layers, key=places.__getitem__)}


def _place_in_module(word: str) -> tuple[float, str]:
    """`layer2` -> (2, "layer"), `fc` -> (inf, "fc"), `expand1x1` -> (1, "expand1x")."""
    stem = re.sub(r"[0-9]{1,4}$", "", word)
    if stem in ("downsample", "classifier", "fc"):
        return math.inf, stem
    return int(word[len(stem) :] or -1), stem
