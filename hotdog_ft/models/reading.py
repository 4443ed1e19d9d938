"""Read a file of weights of any known format into a network, or say which network it fits."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np

from hotdog_ft.backend import mx, nd
from hotdog_ft.errors import ConfigError, WeightsError
from hotdog_ft.files import sha256
from hotdog_ft.models import imagenet, zoo
from hotdog_ft.models.convert.naming import by_structure
from hotdog_ft.models.convert.read import FileWeights, read_weights
from hotdog_ft.models.table import find_network, networks


@dataclass(frozen=True)
class SourceWeights:
    """A source model's parameters, complete and of the network's shapes, with where they came from."""

    parameters: dict[str, mx.nd.NDArray]
    """By structured name (`features.0.gamma`), as `net.save_parameters` writes them."""
    origin: str
    sha256: str
    units: int
    """The number of output rows."""
    classes: Optional[tuple[str, ...]] = None
    """The names of the output rows: ImageNet's, where there are 1000."""


def read_file(name: str, path: Path, origin: str | None = None) -> SourceWeights:
    """The parameters in a file of any known format, checked to be this network's: all there, none left over.

    Raises: WeightsError, with the first that don't fit and the networks that the file does fit.
    """
    found = read_weights(path)
    arrays, problems = fit(name, found)
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsError(
            f"{origin or path}: doesn't fit {name}: {'; '.join(problems[:3])}{more}.",
            hint=_advice(fitting(found, name)),
        )
    parameters = {key: nd.array(values, dtype=values.dtype) for key, values in arrays.items()}
    units = arrays[zoo.source_output_names(name)[0]].shape[0]
    classes = imagenet.class_names() if units == 1000 else None
    return SourceWeights(parameters, origin or str(path.absolute()), sha256(path), units, classes)


def fit(name: str, found: FileWeights) -> tuple[dict[str, np.ndarray], list[str]]:
    """The file's arrays by the network's structured names, and what doesn't fit. The number of outputs is free."""
    size = find_network(name).preprocess.image_size
    net = zoo.build_source(name, size)
    zoo.infer_shapes(net, name, size)
    expected = {key: parameter.shape for key, parameter in net._collect_params_with_prefix().items()}
    output = zoo.source_output_names(name)
    given = dict(found.arrays)
    for ours, target in zip(output, zoo.output_names(name)):  # SqueezeNet's with a dense output layer, as we train it
        if ours != target and target in given:
            values = given.pop(target)
            given[ours] = values.reshape(values.shape + (1,) * (len(expected[ours]) - values.ndim))
    arrays = by_structure(dataclasses.replace(found, arrays=given), name, net)
    units = next((arrays[key].shape[:1] for key in output if key in arrays), ())
    expected.update({key: (*units, *expected[key][1:]) for key in output})
    problems = [f"{key} is missing" for key in expected if key not in arrays]
    problems += [f"{key} is not in the network" for key in arrays if key not in expected]
    problems += [
        f"{key} has shape {arrays[key].shape}, not {shape}"
        for key, shape in expected.items()
        if key in arrays and (arrays[key].shape != shape or 0 in shape)
    ]
    problems += [f"{key} has values that are not numbers" for key in expected if not _finite(arrays.get(key))]
    return arrays, problems


def _finite(array: np.ndarray | None) -> bool:
    """No NaN and no infinity: a ReLU would make a 0 of NaN, so that outputs don't show it."""
    return array is None or bool(np.isfinite(array).all())


def fitting(found: FileWeights, but: str) -> list[str]:
    """The networks other than `but` that a file fits, looked for among those with the nearest number of parameters."""
    values = [a for key, a in found.arrays.items() if not key.endswith(("running_mean", "running_var", "_tracked"))]
    count = sum(math.prod(array.shape) for array in values)
    near = sorted(
        (network for network in networks().values() if not network.refused and network.name != but),
        key=lambda network: abs(network.parameters - count),
    )
    fits = []
    for network in near[:8]:
        try:
            if not fit(network.name, found)[1]:
                fits.append(network.name)
        except ConfigError:  # one of GluonCV's, and that isn't installed
            continue
    return fits


def _advice(fits: list[str]) -> str:
    if not fits:
        return "It fits no network of the table as it is; `hotdog-ft models` lists them."
    return f"It fits {' and '.join(fits)}: give --model {fits[0]}."
