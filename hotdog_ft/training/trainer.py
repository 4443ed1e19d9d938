"""Fine-tuning as the book does it (Dive into Deep Learning 13.2, train_fine_tuning), on any number of devices.

    train_fine_tuning > train_epoch > train_step > train_batch

MXNet computes behind Python's back: a step returns before it is done. Sums of loss and of right answers therefore stay
on the devices and are read a few times a second at most, and the loop runs at most two batches ahead.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from hotdog_ft.backend import autograd, gluon, mx, nd
from hotdog_ft.data.download import Progress
from hotdog_ft.data.loader import Batch, PhotoLoader, photo_bar, split_batch
from hotdog_ft.data.soften import SoftLoader
from hotdog_ft.errors import DIVERGED_HINT, DivergedError
from hotdog_ft.models.fused import FusedNetwork
from hotdog_ft.models.graph import Forward
from hotdog_ft.models.half import mixed_network
from hotdog_ft.models.photo_input import photos_on
from hotdog_ft.models.training_graph import training_network
from hotdog_ft.training.averaging import WeightAverage
from hotdog_ft.training.checkpoint import Checkpoints
from hotdog_ft.training.course import Course
from hotdog_ft.training.group import ALONE, Group
from hotdog_ft.training.scaling import ScaledTrainer, all_finite
from hotdog_ft.training.schedule import learning_rates
from hotdog_ft.training.state import TrainingState
from hotdog_ft.training.tally import Tally

SECONDS_BETWEEN_READS = 0.5


@dataclass(frozen=True)
class EpochResult:
    """What an epoch came to. Accuracies lie between 0 and 1; None where it wasn't measured."""

    epoch: int
    """From 1; 0 is the network as it starts, judged on the training examples as they are."""
    loss: float
    """Mean over the epoch's training examples, while it trained."""
    train_acc: float
    """On the training examples as augmented, while it trained."""
    val_acc: Optional[float]
    test_acc: Optional[float]
    examples_per_sec: float
    """Training alone, over all epochs so far, as the book counts it."""
    seconds: float
    """The epoch, with its evaluation."""
    devices: str
    lr: float
    """The learning rate of the epoch's last step."""

    def line(self) -> str:
        """The book's first closing line, for this epoch."""
        named = (("train", self.train_acc), ("val", self.val_acc), ("test", self.test_acc))
        accuracies = ", ".join(f"{name} acc {value:.3f}" for name, value in named if value is not None)
        return f"loss {self.loss:.3f}, {accuracies}"

    def speed(self) -> str:
        """The book's second closing line."""
        return f"{self.examples_per_sec:.1f} examples/sec on {self.devices}"


def train_fine_tuning(
    net: gluon.HybridBlock,
    train_iter: PhotoLoader | SoftLoader,
    test_iter: PhotoLoader | None,
    devices: list[mx.Context],
    val_iter: PhotoLoader | None = None,
    num_epochs: int = 5,
    lr: float = 0.01,
    wd: float = 0.001,
    momentum: float = 0.0,
    schedule: str = "constant",
    seed: int = 0,
    progress: Progress | None = None,
    class_weights: np.ndarray | None = None,
    accumulate: int = 1,
    ema: float = 0.0,
    half: bool = False,
    checkpoints: Checkpoints | None = None,
    group: Group = ALONE,
) -> Iterator[EpochResult]:
    """Train by stochastic gradient descent; yield an EpochResult after each epoch.

    With val_iter, epochs are judged by that, and test_iter is used once, after the last epoch; without test_iter not at
    all. With num_epochs = 0 the network is judged as it is, on train_iter too: one EpochResult, of epoch 0. progress:
    tqdm, or what takes its arguments. class_weights: as in train_step. accumulate: batches in a step. ema: how much of
    itself the average of the weights keeps at a step; with each EpochResult the network is that average. half: train in
    mixed precision, which takes GPUs. checkpoints: where to go on from, and what to save to; an epoch is saved when the
    next result is asked for, so that what the caller writes of it is there before. group: the processes that do the
    same at the same time, with loaders that give each its part; their results are the same.
    Raises: DivergedError; DataError, when no photo can be read; Stopped, with a checkpoint saved, if asked to;
    RunError, when a checkpoint is another network's.
    """
    net.hybridize(static_alloc=True, static_shape=True)
    if num_epochs == 0:
        yield judge(net, train_iter, test_iter, devices, val_iter, progress, group)
        return
    trainer = make_trainer(net, lr, wd, momentum, adds=accumulate > 1, half=half, group=group)
    network = mixed_network(net, devices) if half else training_network(net, devices)
    average = WeightAverage(net, ema) if ema else None
    course = Course(TrainingState(net, trainer, average, group), checkpoints, devices)
    steps = -(-len(train_iter) // accumulate)
    rates = learning_rates(schedule, lr, num_epochs * steps)
    with checkpoints.listening() if checkpoints else contextlib.nullcontext():
        for epoch in range(course.place.epoch, num_epochs + 1):
            if not course.place.trained:
                if average:
                    average.take_out()
                batches = course.in_step(train_iter.epoch(epoch, course.place.batches))
                batches = seeded(net, batches, seed, epoch, group.rank)
                rates_now = rates[(epoch - 1) * steps + course.place.steps : epoch * steps]
                with photo_bar(progress, f"epoch {epoch}/{num_epochs}", len(train_iter.split)) as bar:
                    groups = in_groups(batches, accumulate)
                    train_epoch(network, groups, trainer, devices, rates_now, bar, class_weights, average, course)
                course.trained()
            _check_parameters(net, trainer)
            judged = test_iter if epoch == num_epochs or not val_iter else None
            if average:
                average.put_in()
            val_acc = evaluate_accuracy(net, course.judging(val_iter.epoch()), devices, group) if val_iter else None
            test_acc = evaluate_accuracy(net, course.judging(judged.epoch()), devices, group) if judged else None
            yield EpochResult(
                epoch=epoch,
                loss=course.tally.loss,
                train_acc=course.tally.accuracy,
                val_acc=val_acc,
                test_acc=test_acc,
                examples_per_sec=course.examples_per_sec,
                seconds=course.seconds,
                devices=str(devices),
                lr=rates[epoch * steps - 1],
            )
            course.next_epoch()
    if average:
        average.put_in()


def judge(
    net: gluon.HybridBlock,
    train_iter: PhotoLoader | SoftLoader,
    test_iter: PhotoLoader | None,
    devices: list[mx.Context],
    val_iter: PhotoLoader | None,
    progress: Progress | None = None,
    group: Group = ALONE,
) -> EpochResult:
    """How good the network is before any training: the EpochResult of epoch 0, whose speed is that of prediction."""
    start = time.perf_counter()
    with photo_bar(progress, "train", len(train_iter.split)) as bar:
        tally = evaluate(net, group.in_step(train_iter.epoch()), devices, cross_entropy(), bar, group)
    seconds = time.perf_counter() - start
    return EpochResult(
        epoch=0,
        loss=tally.loss,
        train_acc=tally.accuracy,
        val_acc=evaluate_accuracy(net, group.in_step(val_iter.epoch()), devices, group) if val_iter else None,
        test_acc=evaluate_accuracy(net, group.in_step(test_iter.epoch()), devices, group) if test_iter else None,
        examples_per_sec=tally.examples / seconds,
        seconds=time.perf_counter() - start,
        devices=str(devices),
        lr=0.0,
    )


@functools.cache
def cross_entropy(soft: bool = False) -> gluon.loss.Loss:
    """The softmax cross-entropy loss, of labels or, when soft, of probabilities of each class."""
    loss = gluon.loss.SoftmaxCrossEntropyLoss(sparse_label=not soft)
    loss.hybridize(static_alloc=True, static_shape=True)
    return loss


def make_trainer(
    net: gluon.HybridBlock,
    lr: float,
    wd: float,
    momentum: float,
    adds: bool = False,
    half: bool = False,
    group: Group = ALONE,
) -> gluon.Trainer:
    """A Trainer whose devices, in all processes, have already agreed on the starting values, and update their own.

    Left to itself it copies the first device's values to the others after the first backward pass, BatchNorm's running
    statistics among them, which that pass may still be changing; and updating in the key-value store it would do so
    again, and forget the momentum, whenever the statistics are averaged. Results then differ from run to run.
    adds: backward passes add to the gradients, for train_step with several batches. half: the trainer scales the loss.
    """
    for parameter in net.collect_params().values():
        if adds and parameter.grad_req != "null":
            parameter.grad_req = "add"
    options = {"learning_rate": lr, "wd": wd, "momentum": momentum}
    make = ScaledTrainer if half else gluon.Trainer
    kvstore = group.kvstore or "device"
    trainer = make(net.collect_params(), "sgd", options, kvstore=kvstore, update_on_kvstore=False)
    trainer._init_kvstore()
    trainer._init_params()
    nd.waitall()
    return trainer


def train_epoch(
    network: Forward,
    groups: Iterable[Sequence[Batch]],
    trainer: gluon.Trainer,
    devices: list[mx.Context],
    rates: Sequence[float],
    bar: Any = None,
    class_weights: np.ndarray | None = None,
    average: WeightAverage | None = None,
    course: Course | None = None,
) -> None:
    """One pass over the batches.

    network: the network, or what computes it in training. groups: of the batches of each step. rates: each step's
    learning rate. course: counts what is done. Raises: DivergedError, Stopped.
    """
    tally = course.tally if course else Tally()
    if bar is not None:
        bar.update(tally.examples)
    previous: list[nd.NDArray] = []
    last_read = time.perf_counter()
    step = 0
    for step, (batches, rate) in enumerate(zip(groups, rates), start=1):
        trainer.set_learning_rate(rate)
        losses = train_step(network, batches, trainer, devices, class_weights, tally)
        if average:
            average.update()
        for value in previous:
            value.wait_to_read()  # else the queue would hold every batch of the epoch
        previous = losses
        if course:
            course.step_done(batches)
        if bar is not None:
            bar.update(sum(batch.photos for batch in batches))
        if time.perf_counter() - last_read > SECONDS_BETWEEN_READS:
            _check_finite(tally.loss, step, trainer)
            if bar is not None:
                bar.set_postfix_str(f"loss {tally.loss:.3f}, train acc {tally.accuracy:.3f}")
            last_read = time.perf_counter()
    nd.waitall()  # running statistics are not among what the loss waits for
    _check_finite(tally.loss, step, trainer)


def train_step(
    network: Forward,
    batches: Sequence[Batch],
    trainer: gluon.Trainer,
    devices: list[mx.Context],
    class_weights: np.ndarray | None = None,
    tally: Tally | None = None,
) -> list[nd.NDArray]:
    """One step on the mean gradient of all examples, however many batches, devices and processes share them.

    More than one batch needs a trainer that adds. class_weights: how much an example of each class counts in the
    gradient, float32, shape (classes,); all the same unless given. Returns the last batch's losses, one array a device,
    not yet waited for; they are not weighted, so that they compare.
    """
    adds = any(parameter.grad_req == "add" for parameter in trainer._params)
    if adds:
        _clear_gradients(trainer, devices)
    loss_scale = trainer.loss_scale if isinstance(trainer, ScaledTrainer) else 1.0
    for batch in batches:
        losses, outputs, labels = train_batch(network, batch, devices, class_weights, loss_scale)
        if tally:
            tally.add(losses, outputs, labels)
    if not adds:
        _clear_gradients(trainer, devices[len(losses) :])
    trainer.step(sum(batch.photos for batch in batches))
    return losses


def train_batch(
    network: Forward,
    batch: Batch,
    devices: list[mx.Context],
    class_weights: np.ndarray | None = None,
    loss_scale: float = 1.0,
) -> tuple[list[nd.NDArray], list[nd.NDArray], list[nd.NDArray]]:
    """The gradient of a batch's summed loss, `loss_scale` times, into the parameters. class_weights: as in train_step.

    Returns losses (n,), logits (n, classes) and labels (n,) of each device that got a part, not yet waited for.
    """
    if not len(batch.X):
        return [], [], []
    inputs = _share_out(batch.X, devices, photos_on)
    labels = _share_out(batch.y, devices, _array_on)
    targets = labels if batch.targets is None else _share_out(batch.targets, devices, _array_on)
    loss = cross_entropy(soft=batch.targets is not None)
    with autograd.record():
        outputs = [network(x) for x in inputs]
        losses = [loss(output, target) for output, target in zip(outputs, targets)]
    autograd.backward(losses, _head_gradients(targets, class_weights, loss_scale))
    return losses, outputs, labels


def balanced_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """examples / (classes x examples of the class), as scikit-learn's `balanced`: float32, shape (num_classes,)."""
    return (len(labels) / (num_classes * np.bincount(labels, minlength=num_classes))).astype(np.float32)


def _head_gradients(
    targets: list[nd.NDArray], class_weights: np.ndarray | None, loss_scale: float
) -> list[nd.NDArray] | None:
    """What each example's loss weighs in the sum that is differentiated; None where that is 1."""
    if class_weights is None:
        return None if loss_scale == 1 else [nd.full(len(of), loss_scale, ctx=of.context) for of in targets]
    weights = [nd.array(loss_scale * class_weights, ctx=of.context) for of in targets]
    return [w.take(of) if of.ndim == 1 else nd.dot(of, w) for w, of in zip(weights, targets)]


def in_groups(batches: Iterable[Batch], count: int) -> Iterator[list[Batch]]:
    """Lists of `count` batches; the last may be shorter."""
    batches = iter(batches)
    while group := list(itertools.islice(batches, count)):
        yield group


def _share_out(
    X: np.ndarray, devices: list[mx.Context], put: Callable[[mx.Context, np.ndarray], nd.NDArray]
) -> list[nd.NDArray]:
    """Each device's part of an array; the last devices get none of a batch that is smaller than they are many."""
    parts = [part for part in split_batch(len(X), len(devices)) if part.start < part.stop]
    return [put(device, X[part]) for part, device in zip(parts, devices)]


def _array_on(device: mx.Context, X: np.ndarray) -> nd.NDArray:
    return nd.array(X, ctx=device, dtype=X.dtype)


def _clear_gradients(trainer: gluon.Trainer, devices: list[mx.Context]) -> None:
    """No gradients yet, and none that the trainer would take for forgotten.

    A device without a part of a batch would else add the last one's again.
    """
    for parameter in trainer._params if devices else ():
        if parameter.grad_req != "null":
            for device in devices:
                parameter.grad(device)[:] = 0
                parameter.data(device)._fresh_grad = True


def evaluate_accuracy(
    net: gluon.HybridBlock, batches: Iterable[Batch], devices: list[mx.Context], group: Group = ALONE
) -> float:
    """The part of the examples that the network gets right. Raises: DivergedError, when it gives no numbers."""
    return evaluate(net, batches, devices, group=group).accuracy


def evaluate(
    net: gluon.HybridBlock,
    batches: Iterable[Batch],
    devices: list[mx.Context],
    loss: gluon.loss.Loss | None = None,
    bar: Any = None,
    group: Group = ALONE,
) -> Tally:
    """Accuracy, and the mean of `loss` if one is given, over all processes' parts of the batches.

    Raises: DivergedError, when the network gives no numbers.
    """
    tally = Tally()
    networks = [FusedNetwork(net, device) for device in devices]
    previous: list[nd.NDArray] = []
    for batch in batches:
        inputs = _share_out(batch.X, devices, photos_on)
        labels = _share_out(batch.y, devices, _array_on)
        outputs = [network(x) for network, x in zip(networks, inputs)]
        losses = [loss(output, label) for output, label in zip(outputs, labels)] if loss else []
        tally.add(losses, outputs, labels)
        for value in previous:
            value.wait_to_read()
        previous = outputs
        if bar is not None:
            bar.update(batch.photos)
    tally = tally.everywhere(group)
    if not tally.finite:
        raise DivergedError("The network's outputs are no longer numbers: training has diverged.", hint=DIVERGED_HINT)
    return tally


def seeded(net: gluon.HybridBlock, batches: Iterable[Batch], seed: int, epoch: int, rank: int = 0) -> Iterator[Batch]:
    """The batches, MXNet's generator being seeded before each if the network draws from it, as Dropout does.

    That takes 2 ms, and lets an epoch be taken up in its midst, for MXNet doesn't give its generator's state away.
    """
    draws = has_dropout(net)
    for batch in batches:
        if draws:
            mx.random.seed(derived_seed(seed, epoch, batch.number, rank))
        yield batch


def has_dropout(net: gluon.Block) -> bool:
    """Whether a network has a layer that draws random numbers; Dropout is the only kind in the zoos."""
    return isinstance(net, gluon.nn.Dropout) or any(map(has_dropout, net._children.values()))


def derived_seed(*numbers: int) -> int:
    """A seed for MXNet's generator, made of several; that of (seed, 0) is of the initial values."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0] >> 1)


def _check_finite(loss: float, step: int, trainer: gluon.Trainer) -> None:
    if not math.isfinite(loss):
        raise _diverged(f"The loss is {loss} by step {step} of the epoch", trainer)


def _check_parameters(net: gluon.HybridBlock, trainer: gluon.Trainer) -> None:
    """The epoch's last step can spoil the parameters, and no loss shows it."""
    if not all_finite([parameter.list_data()[0] for parameter in net.collect_params().values()]):
        raise _diverged("Parameters are no longer numbers at the end of the epoch", trainer)


def _diverged(what: str, trainer: gluon.Trainer) -> DivergedError:
    return DivergedError(
        f"{what}, at a learning rate of {trainer.learning_rate:g}: training has diverged.",
        hint=DIVERGED_HINT,
    )
