"""A run's model on a port of this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Optional

import numpy as np

from hotdog_ft.config import TrainConfig
from hotdog_ft.data.folder import Split
from hotdog_ft.data.photo import SUFFIXES
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import ConfigError, HotdogError
from hotdog_ft.files import cache_home
from hotdog_ft.inference.predictor import Predictor
from hotdog_ft.runs import find_model
from hotdog_ft.serve.app import make_app
from hotdog_ft.serve.batching import batch_sizes
from hotdog_ft.serve.examples import Example, read_examples
from hotdog_ft.serve.server import Server
from hotdog_ft.serve.settings import Settings

log = logging.getLogger(__name__)

NO_EXAMPLES = "none"


def make_server(
    predictor: Predictor, settings: Settings, examples: list[Example], listening: Callable[[], None]
) -> Server:
    """A server that has computed batches of each size before it is asked. listening: called when it can be asked.

    Raises: OutOfMemoryError, when it can't compute a whole batch.
    """
    size = predictor.classifier.preprocess.image_size
    for photos in reversed(batch_sizes(predictor.batch_size)):  # the largest first: it has the network fused at once
        predictor.predict_images(np.full((photos, size, size, 3), 128, dtype=np.uint8))
    return Server(make_app(predictor, settings, examples), settings, listening)


def find_examples(run: str | Path, folder: Optional[str]) -> list[Example]:
    """Photos to try a run's model on.

    folder: some photos, or `none`; else the run's own test photos, of each class in turn, where they are at hand.
    Raises: ConfigError, when there is no such folder.
    """
    if folder == NO_EXAMPLES:
        return []
    if folder is not None:
        if not Path(folder).is_dir():
            raise ConfigError(f"--examples: {folder!r} is no folder.", hint="Name a folder of photos, or none.")
        photos = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
        return read_examples((path.name, path) for path in photos)
    try:
        test = _own_test_photos(find_model(run))
    except HotdogError as error:
        log.debug("No examples: %s", error.message)
        return []
    named = ((f"{path.parent.name}/{path.name}", path) for path in _of_each_class(test)) if test else ()
    return read_examples(named)


def _own_test_photos(model: Path) -> Optional[Split]:
    """The run's, unless they would have to be downloaded. Raises: ConfigError, DataError."""
    path = model.parent / "config.yaml"
    if not path.is_file():
        return None
    config = TrainConfig.from_sources({}, path, environment={})
    if config.data == "hotdog" and not (cache_home() / "data" / "hotdog.zip").is_file():
        return None
    return open_source(config.data, config.seed, config.val_split).test


def _of_each_class(split: Split) -> Iterator[Path]:
    """The photos, those of the classes in turn."""
    of_class = ([split.paths[i] for i in np.flatnonzero(split.labels == label)] for label in np.unique(split.labels))
    for row in zip_longest(*of_class):
        yield from (path for path in row if path is not None)
