"""The tool's own training, by the functions that `hotdog-ft train` calls. Run as `python -m benchmarks.tool`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.measure import arguments, report, timed
from hotdog_ft.backend import cores, gluon, mx, nd
from hotdog_ft.data.augment import for_training
from hotdog_ft.data.folder import read_folder
from hotdog_ft.data.loader import PhotoLoader
from hotdog_ft.models.finetune import target_net
from hotdog_ft.training.tally import Tally
from hotdog_ft.training.trainer import make_trainer, train_batch


def main() -> None:
    options = arguments()
    devices = [mx.cpu()]
    data = read_folder(Path(options.data))
    net = target_net(options.model, None, data.classes, devices)
    train_iter = PhotoLoader(data.train, for_training(net.preprocess), options.batch_size, cores(), shuffle=True)
    net.hybridize(static_alloc=True, static_shape=True)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    loss.hybridize(static_alloc=True, static_shape=True)
    trainer = make_trainer(net, lr=0.01, wd=0.001, momentum=0.0)
    tally = Tally()

    def step(batch):
        tally.add(*train_batch(net, batch.X, batch.y, loss, trainer, devices))
        nd.waitall()

    report(timed((partial(step, batch) for batch in train_iter.epoch()), options))


if __name__ == "__main__":
    main()
