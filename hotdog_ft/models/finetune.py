"""The target network, as the book builds it: all of the source model but its output layer (13.2, Fig. 13.2.1)."""

from __future__ import annotations

import logging

import numpy as np

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.errors import ConfigError, WeightsError
from hotdog_ft.models import imagenet, zoo
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.reading import SourceWeights
from hotdog_ft.models.table import find_network

log = logging.getLogger(__name__)


def target_net(
    name: str,
    source: SourceWeights | None,
    classes: tuple[str, ...],
    devices: list[mx.Context],
    image_size: int | None = None,
    crop_mode: str = "center",
    output_init: str = "xavier",
    output_lr_mult: float = 10.0,
    freeze_features: bool = False,
    freeze_batch_norm: bool = False,
) -> Classifier:
    """The network to train: every layer from the source model (all Xavier without one) but the output layer.

    image_size, crop_mode: as Preprocess.at takes them.
    output_init: `xavier` starts the output layer from random values, `imagenet` from the source's rows for the classes.
    output_lr_mult: how many times faster the output layer learns. freeze_features: train the output layer alone.
    freeze_batch_norm: keep the running statistics, and normalise by them in training too; the rest learns.
    Random values come from MXNet's generator: seed it before. Raises: ConfigError, WeightsError.
    """
    preprocess = find_network(name).preprocess.at(image_size, crop_mode)
    net = zoo.build(name, len(classes), preprocess.image_size)
    # The values are made on the first device and copied, so that every device starts from the same ones.
    net.initialize(mx.init.Xavier(), ctx=devices)
    if source:
        copy_features(net, name, source)
    if output_init == "imagenet":
        copy_output_rows(net, name, source, classes)
    output, features = split_parameters(net, name)
    for parameter in output:
        parameter.lr_mult = output_lr_mult
    if freeze_features:
        for parameter in features:
            parameter.grad_req = "null"
    if freeze_features or freeze_batch_norm:
        net.apply(keep_statistics)
    classifier = Classifier(name, net, preprocess, classes)
    classifier.normalize.initialize(ctx=devices)
    return classifier


def source_model(name: str, source: SourceWeights, devices: list[mx.Context]) -> Classifier:
    """The network that the weights were trained as, with its own output layer, for images of its own size."""
    preprocess = find_network(name).preprocess
    net = zoo.build_source(name, preprocess.image_size, classes=source.units)
    zoo.infer_shapes(net, name, preprocess.image_size)
    net.initialize(ctx=devices)
    for key, parameter in net._collect_params_with_prefix().items():
        parameter.set_data(source.parameters[key].astype(parameter.dtype))
    classes = source.classes or tuple(str(row) for row in range(source.units))
    classifier = Classifier(name, net, preprocess, classes)
    classifier.normalize.initialize(ctx=devices)
    return classifier


def split_parameters(net: gluon.HybridBlock, name: str) -> tuple[list[gluon.Parameter], list[gluon.Parameter]]:
    """The network's parameters: those of the output layer, and all others."""
    parameters = net._collect_params_with_prefix()
    output = [parameters[key] for key in zoo.output_names(name)]
    return output, [p for key, p in parameters.items() if key not in zoo.output_names(name)]


def copy_features(net: gluon.HybridBlock, name: str, source: SourceWeights) -> None:
    """Copy every parameter but the output layer's. Raises WeightsError where images of this size need other shapes."""
    for key, parameter in net._collect_params_with_prefix().items():
        if key in zoo.output_names(name):
            continue
        value = source.parameters[key]
        if value.shape != parameter.shape:
            raise WeightsError(
                f"--image-size: at this size {key} of {name} has shape {parameter.shape}, "
                f"and in {source.origin} {value.shape}.",
                hint="Leave --image-size out, or take a network that ends in global pooling, such as resnet18_v2.",
            )
        parameter.set_data(value.astype(parameter.dtype))


def copy_output_rows(net: gluon.HybridBlock, name: str, source: SourceWeights | None, classes: tuple[str, ...]) -> None:
    """Start the output layer from the source's (the book's last exercise in 13.2), weights and biases alike.

    A class gets the row of the source's class of that name; a class without one gets the mean of the rows of all
    classes that none of `classes` stands for. Raises: ConfigError, when not one class has a row.
    """
    if source is None or source.classes is None:
        has = f"{source.origin} has {source.units}" if source else "random values have none"
        raise ConfigError(
            f"--output-init: imagenet needs ImageNet's 1000 output rows, and {has}.",
            hint="Use it with --weights imagenet, or leave it out.",
        )
    rows = {label: imagenet.find_rows(label, source.classes) for label in classes}
    taken = sorted({row for found in rows.values() for row in found})
    if not taken:
        raise ConfigError(
            f"--output-init: none of the classes ({', '.join(classes)}) is one of ImageNet's.",
            hint="Give a class folder one of ImageNet's English names (hotdog), or leave --output-init out.",
        )
    _tell_rows(rows, source.classes)
    others = np.setdiff1d(np.arange(len(source.classes)), taken)
    parameters = net._collect_params_with_prefix()
    for key, source_key in zip(zoo.output_names(name), zoo.source_output_names(name)):
        values = source.parameters[source_key].asnumpy()
        started = np.stack([values[found or others].mean(axis=0) for found in rows.values()])
        parameters[key].set_data(nd.array(started.reshape(parameters[key].shape)))


def _tell_rows(rows: dict[str, list[int]], names: tuple[str, ...]) -> None:
    """Say which class got which row, and warn of what may not be meant."""
    for label, found in rows.items():
        meant = " and ".join(f"{names[row]} (row {row})" for row in found)
        log.info("%s starts from %s.", label, meant or "the mean of all other rows of ImageNet")
        if len(found) > 1:
            log.warning("%s stands for several of ImageNet's classes: %s. Their rows' mean is taken.", label, meant)
    labels = list(rows)
    for label in (label for i, label in enumerate(labels) if rows[label] in [rows[other] for other in labels[:i]]):
        log.warning("%s starts from the same row as another class, and can't be told from it at first.", label)


def keep_statistics(block: gluon.Block) -> None:
    """Have a BatchNorm layer normalise by its running statistics in training too, and leave them alone."""
    if isinstance(block, gluon.nn.BatchNorm):
        block._kwargs["use_global_stats"] = True
