"""An exported ONNX file, as ONNX Runtime computes it on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from hotdog_ft.backend import cores
from hotdog_ft.errors import RunError

INPUTS, OUTPUTS = ["photos"], ["probabilities", "classes"]
SILENT = 4
"""The level of a log that says nothing: what goes wrong is raised, too."""


class OnnxFile:
    """description: the file's metadata."""

    def __init__(self, path: Path) -> None:
        """Raises: RunError, unless `path` is an ONNX file of photos in and probabilities out."""
        self._path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        options.log_severity_level = SILENT
        # What a damaged file makes ONNX Runtime raise are a dozen classes without a common one; it is the file's fault.
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise RunError(
                f"{path}: ONNX Runtime can't compute it ({_reason(error)}).", hint="Export the model again."
            ) from error
        ins, outs = (
            [value.name for value in values()] for values in (self._session.get_inputs, self._session.get_outputs)
        )
        if (ins, outs) != (INPUTS, OUTPUTS):
            raise RunError(
                f"{path}: takes {', '.join(ins)} and gives {', '.join(outs)}, so export hasn't written it.",
                hint="Give a file that export --format onnx has written.",
            )
        self.description: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def answer(self, photo: np.ndarray) -> np.ndarray:
        """A photo's probabilities: uint8 RGB, shape (height, width, 3) -> float32, shape (classes,).

        Raises: RunError, when the file is damaged so that it can be read, and not computed.
        """
        try:
            probabilities, _ = self._session.run(OUTPUTS, {"photos": photo[np.newaxis]})
        except Exception as error:  # as above
            raise RunError(
                f"{self._path}: ONNX Runtime fails on a photo of {photo.shape[1]} x {photo.shape[0]} pixels "
                f"({_reason(error)}).",
                hint="Export the model again.",
            ) from error
        return probabilities[0]


def _reason(error: Exception) -> str:
    """What ONNX Runtime says, short enough for a line: after its own name for the kind of error."""
    return str(error).split(" : ")[-1].strip().split("\n")[0][:200].rstrip(".")
