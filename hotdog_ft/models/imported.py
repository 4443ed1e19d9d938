"""Weights that the user has imported: kept as the network's ImageNet weights, with a note of where they came from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from hotdog_ft.backend import mx, nd
from hotdog_ft.errors import WeightsError
from hotdog_ft.files import replacing, sha256
from hotdog_ft.models.reading import SourceWeights, read_file
from hotdog_ft.models.sources import folder


def imported_path(name: str) -> Path:
    """Where the ImageNet weights that the user has imported for a network are kept."""
    return folder() / "imported" / f"{name}.params"


def save_imported(name: str, weights: SourceWeights) -> Path:
    """Keep weights as the network's ImageNet weights from now on. Returns their file. Raises: OSError, WeightsError."""
    path = imported_path(name)
    with replacing(path.with_suffix(".json")) as json_path, replacing(path) as params_path:
        try:
            nd.save(str(params_path), weights.parameters)
            nd.load(str(params_path))  # MXNet doesn't notice when the end of a file can't be written
        except mx.MXNetError as error:
            raise WeightsError(f"{path}: can't be written.", hint="Is the disk full?") from error
        described = {"origin": weights.origin, "origin_sha256": weights.sha256, "sha256": sha256(params_path)}
        json_path.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return path


def read_imported(name: str) -> SourceWeights:
    """The weights that the user has imported, with the checksum of the file that they were given in.

    Raises: WeightsError, when the kept file isn't what was imported.
    """
    path = imported_path(name)
    described = imported_record(name)
    if not described or sha256(path) != described["sha256"]:
        raise WeightsError(
            f"{path}: is not the file that was imported (another checksum).",
            hint="Import it again, or remove it to use the published weights.",
        )
    weights = read_file(name, path, f"imported from {described['origin']}")
    return dataclasses.replace(weights, sha256=described["origin_sha256"])


def imported_record(name: str) -> dict[str, str]:
    """What was noted when the weights were imported: origin and checksums; empty when that can't be read."""
    try:
        described = json.loads(imported_path(name).with_suffix(".json").read_text(encoding="utf-8"))
        return {key: described[key] for key in ("origin", "origin_sha256", "sha256")}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
