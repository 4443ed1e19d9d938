"""The book's section, top to bottom: `train`, and `scratch`, which is the same from random values."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from hotdog_ft import training
from hotdog_ft.backend import cores, mx
from hotdog_ft.config import TrainConfig
from hotdog_ft.data.augment import Transform, for_training
from hotdog_ft.data.cache import open_cache
from hotdog_ft.data.check import warn_about
from hotdog_ft.data.download import Progress
from hotdog_ft.data.folder import ImageFolder, Split
from hotdog_ft.data.loader import WHOLE, Part, PhotoLoader
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.data.soften import SoftLoader
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import ConfigError, RunError
from hotdog_ft.files import replacing
from hotdog_ft.inference.evaluate import evaluate
from hotdog_ft.inference.explain import Explainer
from hotdog_ft.inference.metrics import best_temperature
from hotdog_ft.inference.outcome import Outcome, answer
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.weights import find_weights
from hotdog_ft.recipes.probe import Prober
from hotdog_ft.recipes.resume import opened, what_began
from hotdog_ft.report.page import write_report
from hotdog_ft.report.plots import draw_curves
from hotdog_ft.report.tracking import check_tracker, tracking
from hotdog_ft.runs import Run

log = logging.getLogger(__name__)


def fine_tune(
    config: TrainConfig,
    command: str = "train",
    on_epoch: Callable[[training.EpochResult], None] | None = None,
    progress: Progress | None = None,
    test: bool = True,
    check: bool = True,
    resume: Path | None = None,
    stop: training.StopRequest | None = None,
    resumable: bool = True,
    group: training.Group = training.ALONE,
) -> Run:
    """Fine-tune as Dive into Deep Learning 13.2 does. Returns the finished run, its model saved after each epoch.

    on_epoch: called with each epoch's result. progress: tqdm, or what takes its arguments. test: whether to look at the
    test photos at all; without them there is no picture and no report. check: warn of what is wrong with the data.
    resume: the folder of a run with this configuration, as recipes.resume gives it, to go on from its last checkpoint.
    stop: set by who wants the training to end once it is saved. resumable: whether to keep checkpoints. group: the
    processes that do the same at the same time; the first one alone writes the run, and gives the test's answers.
    Raises: ConfigError, DataError, DeviceError, DownloadError, WeightsError, RunError; DivergedError and
    InterruptedRunError, after which the model of the last whole epoch is kept.
    """
    check_tracker(config.track)
    check_method(config)
    config = for_group(config, group)
    devices = training.find_devices(config.devices)
    data = open_source(config.data, config.seed, config.val_split, progress)
    if config.keep == "best" and data.validation is None:
        raise ConfigError(
            "--keep best: there are no validation photos to choose by.",
            hint="Give --val-split 0.2, or photos in val/. Nothing is chosen on test/, lest it judge unfairly.",
        )
    if check:
        warn_about(data, config.data)
    source = find_weights(config.model, config.weights, progress)
    mx.random.seed(training.derived_seed(config.seed, 0))
    net = target_net(
        config.model,
        source,
        data.classes,
        devices,
        image_size=config.image_size,
        crop_mode=config.crop_mode,
        output_init=config.output_init,
        output_lr_mult=config.output_lr_mult,
        freeze_features=config.freeze_features,
        freeze_batch_norm=config.freeze_batch_norm,
    )
    train_iter, val_iter, test_iter = loaders(data, net.preprocess, config, group.part)
    prober = Prober(net, source, data.root, devices[0], progress) if source and config.method != "finetune" else None
    fingerprint = data.fingerprint()
    begun = what_began(command, config, fingerprint, source, group)

    with opened(begun, config, resume, stop, resumable, group) as (run, checkpoints):
        # With --keep best the test photos see the chosen model alone.
        judge = test_iter if test and config.keep != "best" else None
        results = train(config, net, prober, train_iter, val_iter, judge, devices, progress, checkpoints, group)
        with tracking("none" if group.rank else config.track, run.folder, dataclasses.asdict(config)) as track:
            for result in results:
                if run.record(result):
                    run.save_model(net, source, fingerprint)
                track(result)
                if on_epoch:
                    on_epoch(result)
        for loader in (train_iter, val_iter, test_iter):
            if loader:
                loader.broken = group.union("broken", loader.broken, len(loader.split))
        if group.rank:
            return run
        if run.result is not run.results[-1]:
            net.net.load_parameters(str(run.folder / "model" / "net.params"), ctx=devices)
        probed = prober if config.method == "probe" else None
        ask = probed.answers if probed else partial(answers, net, device=devices[0], progress=progress)
        unseen = ask(val_iter) if val_iter else probed.held_out_answers(train_iter) if probed else None
        if unseen:
            net.temperature = best_temperature(unseen)
            run.save_model(net, source, fingerprint)
        run.skipped = sum(len(loader.broken) for loader in (train_iter, val_iter) if loader)
        if not test:
            return run
        evaluation = evaluate(ask(test_iter), net.temperature)
        run.record_test(evaluation.right, evaluation.total)
        run.skipped += len(data.test) - evaluation.total
        with replacing(run.folder / "curves.png") as path:
            draw_curves(run.results, path, evaluation.total)
        explainer = explainer_of(net, devices[0]) if evaluation.worst_mistakes else None
        write_report(run.folder / "report.html", command, config, run, evaluation, data, source, fingerprint, explainer)
    return run


def explainer_of(net: Classifier, device: mx.Context) -> Explainer | None:
    """What shows in the report where the network looked. A report without that is better than a run that fails."""
    try:
        return Explainer(net, device)
    except RunError as error:
        log.info("report.html shows no heat maps: %s", error.message)
        return None


def train(
    config: TrainConfig,
    net: Classifier,
    prober: Prober | None,
    train_iter: PhotoLoader,
    val_iter: PhotoLoader | None,
    test_iter: PhotoLoader | None,
    devices: list[mx.Context],
    progress: Progress | None = None,
    checkpoints: training.Checkpoints | None = None,
    group: training.Group = training.ALONE,
) -> Iterator[training.EpochResult]:
    """One result an epoch, by the method that the configuration names: a probe, all layers, or one after the other.

    lp-ft's probe is epoch 0, so that --keep best can keep it. Where there are checkpoints, training goes on from them.
    """
    labels, classes = train_iter.split.labels, len(net.classes)
    class_weights = training.balanced_weights(labels, classes) if config.class_weights == "balanced" else None
    if prober and not (checkpoints and checkpoints.exist):
        probed = prober.fit(train_iter, val_iter, test_iter, class_weights, config.seed)
        yield probed if config.method == "probe" else dataclasses.replace(probed, epoch=0)
        if config.method == "probe" or config.epochs == 0:
            return
    softens = bool(config.epochs and (config.label_smoothing or config.mixup))
    yield from training.train_fine_tuning(
        net,
        SoftLoader(train_iter, classes, config.label_smoothing, config.mixup) if softens else train_iter,
        test_iter,
        devices,
        val_iter,
        num_epochs=config.epochs,
        lr=config.lr,
        wd=config.wd,
        momentum=config.momentum,
        schedule=config.schedule,
        seed=config.seed,
        progress=progress,
        class_weights=class_weights,
        accumulate=config.accumulate,
        ema=config.ema,
        half=training.can_halve(devices, config.amp),
        checkpoints=checkpoints if config.epochs else None,
        group=group,
    )


def for_group(config: TrainConfig, group: training.Group) -> TrainConfig:
    """What the group trains with, which config.yaml is to say: with --scale-lr, N times the batch and the rate.

    Raises: ConfigError, for what one process does alone.
    """
    if group.size == 1:
        return dataclasses.replace(config, scale_lr=False)
    if config.method != "finetune":
        raise ConfigError(
            f"--method {config.method}: a probe is computed by one process, and these are {group.size}.",
            hint="Leave it out, or train in one process, which takes seconds.",
        )
    if not config.scale_lr:
        return config
    scaled = dataclasses.replace(
        config, scale_lr=False, batch_size=config.batch_size * group.size, lr=config.lr * group.size
    )
    if group.rank == 0:
        each = f"{config.batch_size} for each of {group.size} processes"
        log.info("--scale-lr: batches of %d (%s), learning rate %g.", scaled.batch_size, each, scaled.lr)
    return scaled


def check_method(config: TrainConfig) -> None:
    """Raise ConfigError for a method that has nothing to work with."""
    if config.method == "finetune":
        return
    if config.weights == "none":
        raise ConfigError(
            f"--method {config.method}: random values see nothing in photos that a probe could use.",
            hint="Give --weights imagenet or a file, or leave --method out.",
        )
    if config.output_init == "imagenet":
        raise ConfigError(
            f"--output-init imagenet: --method {config.method} fits the output layer anew, wherever it starts.",
            hint="Leave one of them out.",
        )


def answers(net: Classifier, loader: PhotoLoader, device: mx.Context, progress: Progress | None = None) -> Outcome:
    """What the network says of a loader's photos, without those that the loader has found to be broken and told."""
    photos = loader.split.take(loader.good)
    return answer(net, photos, device, loader.batch_size, loader.workers, progress, strict=loader.strict)


def loaders(
    data: ImageFolder, preprocess: Preprocess, config: TrainConfig, part: Part = WHOLE
) -> tuple[PhotoLoader, PhotoLoader | None, PhotoLoader]:
    """The training, validation and test photos in batches, or a part of each. Raises: ImageError, with `strict`."""
    workers = config.workers or cores()
    cache = open_cache(config.cache, data.root)

    def batches(split: Split, transform: Transform, shuffle: bool = False) -> PhotoLoader:
        return PhotoLoader(
            split, transform, config.batch_size, workers, shuffle, config.seed, cache, part, config.strict
        )

    def still(split: Split) -> PhotoLoader:
        return batches(split, preprocess.for_test)

    # With no epochs nothing is trained: the photos are judged like the others.
    train = batches(data.train, for_training(preprocess), shuffle=True) if config.epochs else still(data.train)
    validation = still(data.validation) if data.validation else None
    test = still(data.test)
    if config.strict:
        for loader in (train, validation, test):
            if loader:
                loader.check()
    return train, validation, test
