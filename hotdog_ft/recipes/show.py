"""The book's first picture: the first 8 photos of the first class and the last 8 of the second."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hotdog_ft.data.augment import for_training
from hotdog_ft.data.download import Progress
from hotdog_ft.data.photo import read_photo
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import ConfigError, ImageError
from hotdog_ft.files import replacing
from hotdog_ft.models.table import find_network

COLUMNS = 8
FORMATS = (".png", ".jpg", ".pdf", ".svg")


def show_photos(
    data: str,
    out: str | Path,
    augmented: bool = False,
    model: str = "resnet18_v2",
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Draw the photos to a picture, 2 x 8. augmented: as training sees them, for `model`. Returns the picture's path.

    Raises: ConfigError, DataError, DownloadError.
    """
    from hotdog_ft.report.plots import draw_photos

    out = Path(out)
    if out.suffix.lower() not in FORMATS:
        raise ConfigError(f"--out: {out} is no picture's name.", hint=f"End it in {', '.join(FORMATS)}.")
    preprocess = find_network(model).preprocess
    folder = open_source(data, progress=progress)
    rows = []
    for label, take_last in ((0, False), (1, True)):
        paths = [path for path, of in zip(folder.train.paths, folder.train.labels) if of == label]
        if take_last:
            paths.reverse()
        images = _readable(paths)
        if augmented:
            augment = for_training(preprocess)
            images = [augment(image, np.random.default_rng((seed, label, i))) for i, image in enumerate(images)]
        rows.append((folder.classes[label], images))
    with replacing(out) as temporary:
        draw_photos(rows, temporary)
    return out


def _readable(paths: list[Path]) -> list[np.ndarray]:
    """The first photos that can be read."""
    images: list[np.ndarray] = []
    for path in paths:
        if len(images) == COLUMNS:
            break
        try:
            images.append(read_photo(path))
        except ImageError:  # open_source has seen that there are others
            continue
    return images
