"""The target network, as the book builds it: all of the source model but its output layer (13.2, Fig. 13.2.1)."""

from __future__ import annotations

from hotdog_ft.backend import gluon, mx
from hotdog_ft.errors import WeightsError
from hotdog_ft.models import zoo
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.table import find_network
from hotdog_ft.models.weights import SourceWeights


def target_net(
    name: str,
    source: SourceWeights | None,
    classes: tuple[str, ...],
    devices: list[mx.Context],
    image_size: int | None = None,
    output_lr_mult: float = 10.0,
    freeze_features: bool = False,
    freeze_batch_norm: bool = False,
) -> Classifier:
    """The network to train: `features` from the source model (all Xavier without one), `output` fresh with Xavier.

    output_lr_mult: how many times faster the output layer learns. freeze_features: train the output layer alone.
    freeze_batch_norm: keep the running statistics, and normalise by them in training too; the rest learns.
    Random values come from MXNet's generator: seed it before. Raises: ConfigError, WeightsError.
    """
    preprocess = find_network(name).preprocess.at(image_size)
    net = zoo.build(name, len(classes), preprocess.image_size)
    # The values are made on the first device and copied, so that every device starts from the same ones.
    net.initialize(mx.init.Xavier(), ctx=devices)
    if source:
        copy_features(net, name, source)
    net.output.collect_params().setattr("lr_mult", output_lr_mult)
    if freeze_features:
        net.features.collect_params().setattr("grad_req", "null")
    if freeze_features or freeze_batch_norm:
        net.features.apply(keep_statistics)
    classifier = Classifier(name, net, preprocess, classes)
    classifier.normalize.initialize(ctx=devices)
    return classifier


def copy_features(net: gluon.HybridBlock, name: str, source: SourceWeights) -> None:
    """Copy every parameter but the output layer's. Raises WeightsError unless all fit, with none left over."""
    target = {key: p for key, p in net._collect_params_with_prefix().items() if not _of_output(key)}
    given = {key: value for key, value in source.parameters.items() if not _of_output(key)}
    problems = [f"{key} is missing" for key in target if key not in given]
    problems += [f"{key} is not in the network" for key in given if key not in target]
    problems += [
        f"{key} has shape {given[key].shape}, not {p.shape}"
        for key, p in target.items()
        if key in given and given[key].shape != p.shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsError(
            f"{source.origin}: doesn't fit {name}: {'; '.join(problems[:3])}{more}.",
            hint="Give --model the network that the weights were trained for, and leave --image-size out.",
        )
    for key, parameter in target.items():
        parameter.set_data(given[key].astype(parameter.dtype))


def keep_statistics(block: gluon.Block) -> None:
    """Have a BatchNorm layer normalise by its running statistics in training too, and leave them alone."""
    if isinstance(block, gluon.nn.BatchNorm):
        block._kwargs["use_global_stats"] = True


def _of_output(key: str) -> bool:
    return key.split(".", 1)[0] == "output"
