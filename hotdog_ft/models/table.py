"""The table of networks (networks.yaml): what there is to fine-tune, what it wants, where its weights are.

Reading it needs no MXNet, so that a wrong `--model` is told at once.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotdog_ft.config import did_you_mean
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.errors import ConfigError


@dataclass(frozen=True)
class Network:
    """A row of the table."""

    name: str
    family: str
    parameters: int
    """With 1000 classes, without running statistics."""
    preprocess: Preprocess
    weights: tuple[dict[str, str], ...]
    """Sources of ImageNet weights, in the order in which they are tried."""


@functools.cache
def networks() -> dict[str, Network]:
    """Every network by its name, in the table's order."""
    import yaml

    rows: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "networks.yaml").read_text("utf-8"))
    return {
        name: Network(
            name=name,
            family=row["family"],
            parameters=row["parameters"],
            preprocess=Preprocess.from_dict({**Preprocess().to_dict(), **row.get("preprocess", {})}),
            weights=tuple(row.get("weights", ())),
        )
        for name, row in rows.items()
    }


def find_network(name: str) -> Network:
    """The network of this name. Raises: ConfigError, with the nearest name."""
    known = networks()
    if name not in known:
        raise ConfigError(
            f"{name}: there is no network of this name{did_you_mean(name, known)}.",
            hint="`hotdog-ft models` lists them.",
        )
    return known[name]
