"""The book's section, top to bottom: `train`, and `scratch`, which is the same from random values."""

from __future__ import annotations

from collections.abc import Callable

from hotdog_ft import training
from hotdog_ft.backend import cores, mx, nd
from hotdog_ft.config import TrainConfig
from hotdog_ft.data.augment import for_training
from hotdog_ft.data.download import Progress
from hotdog_ft.data.folder import ImageFolder, Split
from hotdog_ft.data.loader import PhotoLoader
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import DivergedError, InterruptedRunError
from hotdog_ft.files import replacing
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.weights import find_weights
from hotdog_ft.report.plots import draw_curves
from hotdog_ft.runs import Run


def fine_tune(
    config: TrainConfig,
    command: str = "train",
    on_epoch: Callable[[training.EpochResult], None] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Fine-tune as Dive into Deep Learning 13.2 does. Returns the finished run, its model saved after each epoch.

    on_epoch: called with each epoch's result. progress: tqdm, or what takes its arguments.
    Raises: ConfigError, DataError, DeviceError, DownloadError, WeightsError, RunError; DivergedError and
    InterruptedRunError, after which the model of the last whole epoch is kept.
    """
    devices = training.find_devices(config.devices)
    data = open_source(config.data, config.seed, config.val_split, progress)
    source = find_weights(config.model, config.weights, progress)
    mx.random.seed(training.epoch_seed(config.seed, 0))
    net = target_net(
        config.model,
        source,
        data.classes,
        devices,
        image_size=config.image_size,
        output_init=config.output_init,
        output_lr_mult=config.output_lr_mult,
        freeze_features=config.freeze_features,
        freeze_batch_norm=config.freeze_batch_norm,
    )
    train_iter, val_iter, test_iter = loaders(data, net.preprocess, config)
    fingerprint = data.fingerprint()

    run = Run.create(command, config)
    results = training.train_fine_tuning(
        net,
        train_iter,
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
    )
    try:
        for result in results:
            run.record(result)
            run.save_model(net, source, fingerprint)
            if on_epoch:
                on_epoch(result)
    except DivergedError as error:
        raise DivergedError(f"{error.message} {_kept(run)}", hint=error.hint) from error
    except KeyboardInterrupt:
        nd.waitall()
        raise InterruptedRunError(
            f"Interrupted in epoch {len(run.results) + 1}. {_kept(run)}",
            hint="Run the same command to start again"
            + (", with another --out." if config.out and run.results else "."),
        ) from None
    run.skipped = sum(len(loader.broken) for loader in (train_iter, val_iter, test_iter) if loader)
    with replacing(run.folder / "curves.png") as path:
        draw_curves(run.results, path)
    return run


def loaders(
    data: ImageFolder, preprocess: Preprocess, config: TrainConfig
) -> tuple[PhotoLoader, PhotoLoader | None, PhotoLoader]:
    """The training, validation and test photos in batches. Raises: ImageError, with `strict`."""
    workers = config.workers or cores()

    def still(split: Split) -> PhotoLoader:
        return PhotoLoader(split, preprocess.for_test, config.batch_size, workers)

    train = PhotoLoader(
        data.train, for_training(preprocess), config.batch_size, workers, shuffle=True, seed=config.seed
    )
    if config.epochs == 0:
        train = still(data.train)  # nothing is trained: they are judged like the others
    validation = still(data.validation) if data.validation else None
    test = still(data.test)
    if config.strict:
        for loader in (train, validation, test):
            if loader:
                loader.check()
    return train, validation, test


def _kept(run: Run) -> str:
    """What is left of a run that ended early; its folder is removed when that is nothing."""
    if not run.results:
        run.discard()
        return "No epoch was finished, so there is no model."
    return f"The model after epoch {len(run.results)} is in {run.folder}."
