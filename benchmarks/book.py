"""The baseline: what the book's section does, on this machine, as a reader would run it.

Gluon's DataLoader with its transforms in the main process, a network that is not hybridized, MXNet's own choice of
threads, and a wait for the numbers after each batch (Dive into Deep Learning 13.2 and 13.1, train_batch_ch13). Run as a
process of its own: `python -m benchmarks.book --data FOLDER …` prints one line of JSON.
"""

from __future__ import annotations

import os
from functools import partial

import numpy

if "bool" not in vars(numpy):  # without this MXNet 1.9.1 can't be imported at all
    numpy.bool = bool

from mxnet import autograd, cpu, gluon, init, npx

from benchmarks.measure import arguments, report, timed

npx.set_np()


def main() -> None:
    options = arguments()
    transforms = gluon.data.vision.transforms
    augmentation = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomFlipLeftRight(),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    photos = gluon.data.vision.ImageFolderDataset(os.path.join(options.data, "train"))
    train_iter = gluon.data.DataLoader(photos.transform_first(augmentation), options.batch_size, shuffle=True)
    net = gluon.model_zoo.vision.get_model(options.model, classes=2)
    net.initialize(init.Xavier(), ctx=cpu())
    net.output.collect_params().setattr("lr_mult", 10)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01, "wd": 0.001})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()

    def step(X, y):
        X, y = (gluon.utils.split_and_load(part, [cpu()], even_split=False)[0] for part in (X, y))
        with autograd.record():
            output = net(X)
            losses = loss(output, y)
        losses.backward()
        trainer.step(len(X))
        float(losses.sum())
        float((output.argmax(axis=1).astype(y.dtype) == y).sum())

    report(timed((partial(step, X, y) for X, y in train_iter), options))


if __name__ == "__main__":
    main()
