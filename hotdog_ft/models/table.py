"""The table of networks (networks.yaml): what there is to fine-tune, what it wants, where its weights are.

Reading it needs no MXNet, so that a wrong `--model` is told at once.
"""

from __future__ import annotations

import fnmatch
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from hotdog_ft.config import did_you_mean
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.errors import ConfigError
from hotdog_ft.files import check_file

# Where Gluon 1.9.1 itself downloads from.
GLUON_REPO = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com"


@dataclass(frozen=True)
class Source:
    """A file of ImageNet weights for a network, and where it is to be had."""

    store: str
    """A key of the table's `stores`: gluon, onnx, imgclsmob, torchvision; or package, an installed Python package."""
    title: str
    """The store, for people."""
    file: str
    """The file's name in the cache; for a package, its path in there."""
    checksum: str
    """As `download.is_whole` takes it: "sha1:…" or "sha256:…", perhaps only its beginning."""
    licence: str
    addresses: tuple[str, ...] = ()
    """URLs; `{repo}` stands for Gluon's repository. A ZIP holds the file under its own name."""
    size: Optional[int] = None
    """Bytes, where published."""
    top1: Optional[float] = None
    """ImageNet validation accuracy as its publisher gives it, between 0 and 1."""
    package: Optional[str] = None

    @property
    def where(self) -> str:
        """The store in a few words."""
        return f"package {self.package}" if self.package else self.title

    def urls(self) -> list[str]:
        """Where the file is published, in the order to try.

        MXNET_GLUON_REPO names another place for Gluon's store, as it does for Gluon itself.
        """
        repo = os.environ.get("MXNET_GLUON_REPO") or GLUON_REPO
        return [address.format(repo=repo.rstrip("/")) for address in self.addresses]


@dataclass(frozen=True)
class Network:
    """A row of the table."""

    name: str
    family: str
    zoo: str
    """Who builds it: gluon, gluoncv, own; or together, of `parts`."""
    parameters: int
    """With 1000 classes, without running statistics."""
    preprocess: Preprocess
    weights: tuple[Source, ...]
    """Sources of ImageNet weights, in the order in which they are tried."""
    onednn: bool = True
    """Whether it trains with oneDNN, MXNet's library of fast CPU operators."""
    refused: Optional[str] = None
    """Why it can't be fine-tuned."""
    parts: tuple[Network, ...] = ()
    """The networks whose features it puts side by side."""

    @property
    def top1(self) -> float | None:
        """The published ImageNet accuracy of the weights that are tried first."""
        return self.weights[0].top1 if self.weights else None


@functools.cache
def networks() -> dict[str, Network]:
    """Every network by its name, in the table's order; those that can't be fine-tuned among them."""
    import yaml

    # The C loader, where PyYAML was built with it, reads the table five times faster, and is as safe.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = (Path(__file__).parent / "networks.yaml").read_text("utf-8")
    table: dict[str, dict[str, Any]] = yaml.load(text, loader)  # nosec B506
    return {
        name: Network(
            name=name,
            family=row["family"],
            zoo=row.get("zoo", "gluon"),
            parameters=row["parameters"],
            preprocess=Preprocess.from_dict({**Preprocess().to_dict(), **row.get("preprocess", {})}),
            weights=tuple(_source(table["stores"], source) for source in row.get("weights", ())),
            onednn=row.get("onednn", True),
            refused=row.get("refused"),
        )
        for name, row in table["networks"].items()
    }


def find_network(name: str) -> Network:
    """The network of this name, if it can be fine-tuned; `A+B`: the features of both, and one output layer.

    Raises: ConfigError, with the nearest name or the reason.
    """
    if "+" in name:
        return _together(name, tuple(find_network(part) for part in name.split("+")))
    known = networks()
    if name not in known:
        raise ConfigError(
            f"{name}: there is no network of this name{did_you_mean(name, known)}.",
            hint="`hotdog-ft models` lists them.",
        )
    if known[name].refused:
        raise ConfigError(f"{name} can't be fine-tuned: {known[name].refused}", hint="`hotdog-ft models` lists others.")
    return known[name]


def check_weights(weights: str) -> None:
    """Raise ConfigError unless `weights` is a known word or a file that exists. Opens nothing."""
    if weights not in ("imagenet", "none"):
        check_file(weights, "--weights: ", hint="Give imagenet, none, or the path of a file of weights.")


def matching(patterns: Sequence[str]) -> list[Network]:
    """The networks whose names match one of the patterns (`resnet18*`), in the table's order; all without patterns.

    Raises: ConfigError, when a pattern matches none.
    """
    known = networks()
    for pattern in patterns:
        if not fnmatch.filter(known, pattern):
            raise ConfigError(
                f"{pattern}: there is no network of this name{did_you_mean(pattern, known)}.",
                hint="`hotdog-ft models` lists them.",
            )
    return [row for name, row in known.items() if not patterns or any(fnmatch.fnmatch(name, p) for p in patterns)]


def _together(name: str, parts: tuple[Network, ...]) -> Network:
    """Networks as one, for images of the largest one's size. Raises: ConfigError, when they don't go together."""
    if len(set(parts)) < len(parts):
        raise ConfigError(f"{name}: names a network twice.", hint="Name different ones.")
    for part in parts:
        if part.family == "SqueezeNet" or part.zoo == "gluoncv":
            raise ConfigError(
                f"{name}: {part.name} doesn't end in a vector of features that could stand beside others'.",
                hint="Put networks of Gluon's zoo or EfficientNet-Lite together.",
            )
        if (part.preprocess.mean, part.preprocess.std) != (parts[0].preprocess.mean, parts[0].preprocess.std):
            raise ConfigError(
                f"{name}: {parts[0].name} and {part.name} want their pixels normalised differently.",
                hint="`hotdog-ft models NAME` shows how: put those together that want the same.",
            )
    return Network(
        name=name,
        family="together",
        zoo="together",
        parameters=sum(part.parameters for part in parts),
        preprocess=max((part.preprocess for part in parts), key=lambda preprocess: preprocess.image_size),
        weights=(),
        onednn=all(part.onednn for part in parts),
        parts=parts,
    )


def _source(stores: dict[str, dict[str, Any]], row: dict[str, Any]) -> Source:
    """A source as the table has it, with what it shares with others of its store."""
    store = stores[row["from"]]
    algorithm = "sha256" if "sha256" in row else "sha1"
    file = row["file"]
    stem = file.rpartition(".")[0]
    return Source(
        store=row["from"],
        title=store["title"],
        file=file,
        checksum=f"{algorithm}:{row[algorithm]}",
        licence=row.get("licence", store.get("licence", "")),
        addresses=tuple(url.format(repo="{repo}", stem=stem, **row) for url in store.get("urls", ())),
        size=row.get("size"),
        top1=row.get("top1"),
        package=row.get("package"),
    )
