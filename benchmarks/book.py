"""The baseline: what the book's section does, on this machine, as a reader would run it.

Gluon's DataLoader with its transforms in the main process, a network that is not hybridized, MXNet's own choice of
threads, and a wait for the numbers after each batch (Dive into Deep Learning 13.2 and 13.1, train_batch_ch13). Run as a
process of its own: `python -m benchmarks.book --data FOLDER …` prints one line of JSON.
"""

from __future__ import annotations

import os

import numpy

if "bool" not in vars(numpy):  # without this MXNet 1.9.1 can't be imported at all
    numpy.bool = bool

from mxnet import autograd, cpu, gluon, init, npx

from benchmarks.measure import argument_parser, endless, report, timed

npx.set_np()


def load_photos(data: str, batch_size: int) -> gluon.data.DataLoader:
    """Float32 batches of the photos in train/, augmented."""
    transforms = gluon.data.vision.transforms
    augmentation = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomFlipLeftRight(),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    photos = gluon.data.vision.ImageFolderDataset(os.path.join(data, "train"))
    return gluon.data.DataLoader(photos.transform_first(augmentation), batch_size, shuffle=True)


def main() -> None:
    parser = argument_parser()
    parser.add_argument("--epochs", type=int, help="say how long as many would take at the measured speed")
    options = parser.parse_args()
    train_iter = load_photos(options.data, options.batch_size)
    net = gluon.model_zoo.vision.get_model(options.model, classes=2)
    net.initialize(init.Xavier(), ctx=cpu())
    net.output.collect_params().setattr("lr_mult", 10)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01, "wd": 0.001})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()

    def train(batches):
        for X, y in batches:
            X, y = (gluon.utils.split_and_load(part, [cpu()], even_split=False)[0] for part in (X, y))
            with autograd.record():
                output = net(X)
                losses = loss(output, y)
            losses.backward()
            trainer.step(len(X))
            float(losses.sum())
            float((output.argmax(axis=1).astype(y.dtype) == y).sum())

    batches = endless(lambda epoch: train_iter, lambda batch: len(batch[0]), options.batch_size)
    speed = timed(batches, train, options)
    report(speed, **({"wall_seconds": options.epochs * len(train_iter._dataset) / speed} if options.epochs else {}))


if __name__ == "__main__":
    main()
