"""Train a toy, in one process or as one of several: python -m tests.training.group_worker PHOTOS OUT KVSTORE OPTIONS

Writes OUT/RANK.params and OUT/RANK.json. OPTIONS: JSON, of train_fine_tuning, and `devices` and `batch_norm`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from hotdog_ft.backend import mx
from hotdog_ft.data.augment import for_training
from hotdog_ft.data.folder import read_folder
from hotdog_ft.data.loader import PhotoLoader
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.training import join, train_fine_tuning
from tests.toy import make_toy

SMALL = Preprocess(image_size=16, resize=18)


def main(photos: str, out: str, kvstore: str, text: str) -> None:
    options = json.loads(text)
    group = join(kvstore)
    devices = [mx.cpu(i) for i in range(options.pop("devices"))]
    net = make_toy(devices, seed=group.rank, batch_norm=options.pop("batch_norm"))
    net.net.output.collect_params().setattr("lr_mult", 10)
    net.net.output.collect_params().setattr("wd_mult", 3)
    folder = read_folder(Path(photos))
    train_iter = PhotoLoader(folder.train, for_training(SMALL), 5, workers=1, shuffle=True, part=group.part)
    test_iter = PhotoLoader(folder.test, SMALL.for_test, 5, workers=1, part=group.part)
    results = list(train_fine_tuning(net, train_iter, test_iter, devices, group=group, lr=0.05, wd=0.1, **options))
    net.net.save_parameters(f"{out}/{group.rank}.params")
    told = [{**dataclasses.asdict(result), "examples_per_sec": 0, "seconds": 0} for result in results]
    Path(f"{out}/{group.rank}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
