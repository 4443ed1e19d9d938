"""Write explanations into a folder, a JPEG a photo; none is written over."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from hotdog_ft.data.jpeg import as_jpeg
from hotdog_ft.files import replacing
from hotdog_ft.inference.names import NewNames, stem_of
from hotdog_ft.inference.predictor import Prediction

log = logging.getLogger(__name__)

JPEG_QUALITY = 90


class ExplainedFolder:
    """A folder of explanations. written, failed: how many could be, and how many not.

    Raises: OSError, when it can't be made.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.written = self.failed = 0
        self._names = NewNames()

    def file(self, prediction: Prediction) -> Prediction:
        """Write a prediction's explanation. Returns the prediction with where that is in place of the picture.

        One that can't be written is told.
        """
        assert prediction.explanation is not None
        written = None
        try:
            with self._names.held(self.root, f"{stem_of(prediction.path)}.jpg") as place, replacing(place) as temporary:
                temporary.write_bytes(as_jpeg(prediction.explanation, JPEG_QUALITY))
            written = str(place)
            self.written += 1
        except OSError as error:
            log.error("%s: not explained in %s: %s", prediction.path, self.root, error.strerror)
            self.failed += 1
        return dataclasses.replace(prediction, explanation=None, explanation_path=written)

    def summary(self) -> str:
        """What was done, as in `12 photos explained in maps.`"""
        return f"{self.written} photo{'' if self.written == 1 else 's'} explained in {self.root}."
