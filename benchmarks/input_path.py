"""The tool's own way from files to what the network computes with: float32 batches, normalised."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import argument_parser, endless, report, timed, use_cores
from hotdog_ft.data.augment import for_training
from hotdog_ft.data.folder import read_folder
from hotdog_ft.data.loader import PhotoLoader
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.machine import cores


def main() -> None:
    parser = argument_parser()
    parser.add_argument("--cores", type=int, help="use as many (default: all)")
    options = parser.parse_args()
    use_cores(options.cores)

    from hotdog_ft.backend import mx  # now that it takes its threads from the cores that are left
    from hotdog_ft.models.photo_input import NormalizePhotoByPhoto, photos_on

    preprocess = Preprocess()
    normalize = NormalizePhotoByPhoto(preprocess)
    photos = read_folder(Path(options.data)).train
    loader = PhotoLoader(photos, for_training(preprocess), options.batch_size, cores(), shuffle=True)

    def consume(batches):
        for batch in batches:
            normalize(photos_on(mx.cpu(), batch.X)).wait_to_read()

    batches = endless(loader.epoch, lambda batch: len(batch.X), options.batch_size)
    report(timed(batches, consume, options))


if __name__ == "__main__":
    main()
