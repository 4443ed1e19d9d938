"""The tool's own training loop, by the functions that `hotdog-ft train` calls, on photos or on one resident batch."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from benchmarks.flops import training_flops
from benchmarks.measure import argument_parser, endless, report, timed
from hotdog_ft.backend import cores, mx
from hotdog_ft.data.augment import for_training
from hotdog_ft.data.folder import read_folder
from hotdog_ft.data.loader import Batch, PhotoLoader
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.training_graph import training_network
from hotdog_ft.training.trainer import in_groups, make_trainer, train_epoch

LR = 1e-4  # from random values, SqueezeNet diverges at the book's


def main() -> None:
    parser = argument_parser()
    parser.add_argument("--synthetic", action="store_true", help="one batch of random pixels, over and over")
    options = parser.parse_args()
    devices = [mx.cpu()]
    net = target_net(options.model, None, ("hotdog", "not-hotdog"), devices)
    net.hybridize(static_alloc=True, static_shape=True)
    trainer = make_trainer(net, lr=LR, wd=0.001, momentum=0.0)
    network = training_network(net, devices)
    if options.synthetic:
        batches = itertools.repeat(random_batch(options.batch_size, net.preprocess.image_size))
    else:
        photos = read_folder(Path(options.data)).train
        loader = PhotoLoader(photos, for_training(net.preprocess), options.batch_size, cores(), shuffle=True)
        batches = endless(loader.epoch, lambda batch: len(batch.X), options.batch_size)

    def train(batches):
        train_epoch(network, in_groups(batches, 1), trainer, devices, itertools.repeat(LR))

    speed = timed(batches, train, options)
    report(speed, flops=speed * training_flops(options.model))


def random_batch(batch_size: int, image_size: int) -> Batch:
    """Pixels and labels of no meaning."""
    X = np.random.default_rng(0).integers(0, 256, (batch_size, image_size, image_size, 3), dtype=np.uint8)
    return Batch(X, np.arange(batch_size, dtype=np.int32) % 2)


if __name__ == "__main__":
    main()
