"""`hotdog-ft predict` of a folder, by what it calls, or the network it computes with, on a resident batch."""

from __future__ import annotations

import itertools
from collections import deque
from pathlib import Path

from benchmarks.measure import argument_parser, best_batch, report, timed
from benchmarks.tool import random_batch
from hotdog_ft.data.folder import read_folder
from hotdog_ft.inference.predictor import load


def main() -> None:
    parser = argument_parser()
    parser.add_argument("--run", required=True, help="the folder of a run, or a model's")
    parser.add_argument("--resident", action="store_true", help="random pixels, at the best of several batch sizes")
    options = parser.parse_args()
    predictor = load(options.run, batch_size=options.batch_size)
    if options.resident:
        size = predictor.classifier.preprocess.image_size
        images = {}

        def predict(count: int) -> None:
            if count not in images:
                images[count] = random_batch(count, size).X
            predictor.predict_images(images[count])

        report(**best_batch(predict, options))
        return
    photos = itertools.cycle(read_folder(Path(options.data)).test.paths)
    batches = (list(itertools.islice(photos, options.batch_size)) for _ in itertools.count())

    def answer(batches):
        deque(predictor.predict(itertools.chain.from_iterable(batches)), maxlen=0)

    report(timed(batches, answer, options))


if __name__ == "__main__":
    main()
