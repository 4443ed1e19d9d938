"""What people would use instead: torchvision's recipe for training on a CPU, in channels_last."""

from __future__ import annotations

import os

import torch
from torchvision import datasets, io
from torchvision.transforms import v2

from benchmarks.measure import argument_parser, endless, report, timed
from benchmarks.torch_networks import VERSIONS, build
from hotdog_ft.machine import cores

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def decode(path: str) -> torch.Tensor:
    """uint8 RGB, shape (3, height, width)."""
    return io.decode_image(path, io.ImageReadMode.RGB)


def loader(folder: str, transforms: list, batch_size: int, shuffle: bool) -> torch.utils.data.DataLoader:
    """Normalised float32 batches of a folder of class folders, made by as many processes as there are cores."""
    scale = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    photos = datasets.ImageFolder(folder, v2.Compose([*transforms, *scale]), loader=decode)
    return torch.utils.data.DataLoader(
        photos, batch_size, shuffle, num_workers=cores(), persistent_workers=True, drop_last=True
    )


def main() -> None:
    options = argument_parser().parse_args()
    torch.set_num_threads(cores())
    augmentation = [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()]
    train_iter = loader(os.path.join(options.data, "train"), augmentation, options.batch_size, shuffle=True)
    net = build(options.model).train()
    loss = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, weight_decay=0.001)

    def train(batches):
        for X, y in batches:
            optimizer.zero_grad()
            loss(net(X.to(memory_format=torch.channels_last)), y).backward()
            optimizer.step()

    batches = endless(lambda epoch: train_iter, lambda batch: len(batch[0]), options.batch_size)
    report(timed(batches, train, options), versions=VERSIONS)


if __name__ == "__main__":
    main()
