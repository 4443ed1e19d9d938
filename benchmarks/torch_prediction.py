"""Prediction in PyTorch, eager and in channels_last: of a folder's photos, or of a resident batch."""

from __future__ import annotations

import os

import torch
from torchvision.transforms import v2

from benchmarks.measure import argument_parser, best_batch, endless, report, timed
from benchmarks.torch_networks import VERSIONS, build
from benchmarks.torch_training import loader
from hotdog_ft.machine import cores


def main() -> None:
    parser = argument_parser()
    parser.add_argument("--resident", action="store_true", help="random pixels, at the best of several batch sizes")
    options = parser.parse_args()
    torch.set_num_threads(cores())
    net = build(options.model).eval()

    def predict(X):
        with torch.inference_mode():
            return net(X.to(memory_format=torch.channels_last)).softmax(dim=1).tolist()

    if options.resident:
        images = torch.rand(128, 3, 224, 224).to(memory_format=torch.channels_last)
        report(**best_batch(lambda size: predict(images[:size]), options), versions=VERSIONS)
        return
    preprocess = [v2.Resize((256, 256), antialias=True), v2.CenterCrop(224)]
    test_iter = loader(os.path.join(options.data, "test"), preprocess, options.batch_size, shuffle=False)

    def answer(batches):
        for X, _ in batches:
            predict(X)

    batches = endless(lambda epoch: test_iter, lambda batch: len(batch[0]), options.batch_size)
    report(timed(batches, answer, options), versions=VERSIONS)


if __name__ == "__main__":
    main()
