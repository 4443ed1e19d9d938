"""Find the weights that a network starts from: imported, at hand, fetched, or in the user's file."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from hotdog_ft.data import download
from hotdog_ft.errors import ConfigError
from hotdog_ft.models.imported import imported_path, read_imported
from hotdog_ft.models.reading import SourceWeights, read_file
from hotdog_ft.models.sources import at_hand, fetch
from hotdog_ft.models.table import Network, Source, check_weights, find_network

log = logging.getLogger(__name__)


def find_weights(name: str, weights: str, progress: download.Progress | None = None) -> SourceWeights | None:
    """The source model's parameters: `imagenet`, `none` (then None), or a file of any known format.

    ImageNet weights are those that the user has imported, else the first of the table's sources that is at hand, else
    the first that can be fetched. Raises: ConfigError (no such file), WeightsError, DownloadError.
    """
    check_weights(weights)
    if weights == "none":
        return None
    if parts := find_network(name).parts:
        if weights != "imagenet":
            raise ConfigError(
                f"--weights: {weights} holds one network, and --model names {len(parts)}.",
                hint="Use --weights imagenet; `hotdog-ft weights import` makes of a file what that means.",
            )
        found = [find_weights(part.name, weights, progress) for part in parts]
        return _combine([source for source in found if source])
    if weights != "imagenet":
        return read_file(name, Path(weights))
    if imported_path(name).is_file():
        return read_imported(name)
    place, path = find_or_fetch(find_network(name), progress)
    return read_file(name, path, f"{place.where}, {path.name}")


def find_or_fetch(network: Network, progress: download.Progress | None = None) -> tuple[Source, Path]:
    """The network's published weights: the first source's that are on this machine and whole, else fetched.

    Raises: WeightsError, DownloadError.
    """
    for source, path in at_hand(network):
        try:
            if download.is_whole(path, source.checksum):
                return source, path
            reason = "is not the published file (another checksum)"
        except OSError as error:
            reason = f"can't be read ({error.strerror})"
        log.warning("%s: passed over, since it %s.", path, reason)
    return fetch(network, progress)


def locate(network: Network) -> Path | None:
    """The file of the ImageNet weights on this machine, or None. Checks nothing, fetches nothing."""
    imported = imported_path(network.name)
    return imported if imported.is_file() else next((path for _, path in at_hand(network)), None)


def _combine(sources: Sequence[SourceWeights]) -> SourceWeights:
    """The weights of the parts under their names in Together, which has no output rows of its own."""
    parameters = {
        f"parts.{i}.{key.removeprefix('features.')}": value
        for i, source in enumerate(sources)
        for key, value in source.parameters.items()
        if key.startswith("features.")
    }
    return SourceWeights(
        parameters=parameters,
        origin="; ".join(source.origin for source in sources),
        sha256=hashlib.sha256("".join(source.sha256 for source in sources).encode()).hexdigest(),
        units=0,
    )
