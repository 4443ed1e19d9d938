"""`train --budget`: the network, method and number of epochs that should give the best classifier within a time."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from hotdog_ft.config import TrainConfig
from hotdog_ft.data.download import Progress
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import ConfigError
from hotdog_ft.models.table import Network, find_network, networks
from hotdog_ft.models.weights import locate
from hotdog_ft.recipes.rank import Speed, rank

log = logging.getLogger(__name__)

CAUTION = 0.75
"""The part of the time that is planned: reading photos, other processes and estimates take their share."""
SECONDS_TO_START = 6.0
SECONDS_TO_FIT = 0.006
"""A probe's regression, for each training photo."""
FEWEST_EPOCHS, MOST_EPOCHS = 3, 10
"""Of training all layers: fewer than that don't catch up with the probe, more bring little."""
HELD_OUT = 0.2

ALL_LAYERS: dict[str, Any] = {
    **{"method": "lp-ft", "val_split": HELD_OUT, "keep": "best", "lr": 0.003, "output_lr_mult": 1.0, "momentum": 0.9},
    **{"schedule": "cosine", "label_smoothing": 0.1, "freeze_batch_norm": True, "batch_size": 32},
}
"""A probe, then all layers; photos held out tell which epoch is best, and whether it is better than the probe."""
PROBE: dict[str, Any] = {"method": "probe", "batch_size": 32}


@dataclass(frozen=True)
class Plan:
    """What to do within the time."""

    settings: dict[str, Any]
    """Fields of TrainConfig that are chosen, and their values."""
    seconds: float
    """How long it should take."""

    def describe(self) -> str:
        """In a line, for people."""
        method = self.settings["method"]
        epochs = f", then {self.settings['epochs']} epochs of all layers" if method == "lp-ft" else ""
        return f"{self.settings['model']}, a probe{epochs}: about {duration(self.seconds)}."


def duration(seconds: float) -> str:
    """Seconds for people: `45 s`, `3 min`, `1 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def candidates(model: str | None) -> list[Network]:
    """The network that was asked for, else those whose ImageNet weights are on this machine. Raises: ConfigError."""
    if model:
        return [find_network(model)]
    here = [network for network in networks().values() if not network.refused and locate(network)]
    if not here:
        raise ConfigError(
            "--budget: there are no ImageNet weights on this machine to choose among.",
            hint="Run `hotdog-ft weights fetch NAME` first, or name a network with --model.",
        )
    return here


def plan_within(
    seconds: float, config: TrainConfig, model: str | None = None, progress: Progress | None = None
) -> Plan:
    """Look at the data, measure the networks unless that has been done before, and plan for what is left of the time.

    config: with the data set. model: the network, if it isn't to be chosen. Raises: ConfigError, DataError.
    """
    start = time.perf_counter()
    data = open_source(config.data, config.seed, progress=progress)
    measured = [(network, speed) for network, speed in rank(candidates(model), progress) if speed.failure is None]
    if not measured:
        raise ConfigError("--budget: no network could be measured.", hint="`hotdog-ft models --rank` says why.")
    left = seconds - (time.perf_counter() - start)
    made = plan(measured, len(data.train), len(data.validation or ()), len(data.test), left)
    if made.seconds > left:
        log.warning("--budget: not enough for %d photos; this is the fastest there is.", len(data.train))
    return made


def plan(measured: list[tuple[Network, Speed]], train: int, validation: int, test: int, seconds: float) -> Plan:
    """The best network by its ImageNet accuracy whose probe fits into the time, else the fastest.

    train, validation, test: numbers of photos. All layers are trained too where FEWEST_EPOCHS of that fit in.
    """
    photos = train + validation + test
    probes = {network.name: probe_seconds(speed, photos, train) for network, speed in measured}
    fitting = [pair for pair in measured if probes[pair[0].name] <= CAUTION * seconds]
    if fitting:
        network, speed = max(fitting, key=lambda pair: (pair[0].top1 or 0, -probes[pair[0].name]))
    else:
        network, speed = min(measured, key=lambda pair: probes[pair[0].name])
    needed = probes[network.name]
    held_out = validation or round(HELD_OUT * train)
    an_epoch = (train + validation - held_out) / (speed.training or 1) + held_out / (speed.prediction or 1)
    epochs = min(MOST_EPOCHS, int((CAUTION * seconds - needed) / an_epoch))
    if epochs < FEWEST_EPOCHS:
        return Plan({"model": network.name, **PROBE}, needed)
    settings = {"model": network.name, **ALL_LAYERS, "epochs": epochs}
    if validation:
        settings["val_split"] = 0.0  # the data set has its own
    return Plan(settings, needed + epochs * an_epoch)


def probe_seconds(speed: Speed, photos: int, train: int) -> float:
    """Features of all photos and their mirror images, and the regression."""
    return SECONDS_TO_START + 2 * photos / (speed.prediction or 1) + SECONDS_TO_FIT * train


def check_left_open(config: TrainConfig, plan: Plan) -> None:
    """Raise ConfigError where the configuration has settled what --budget should choose."""
    for name in ("method", "epochs"):
        if name in plan.settings and getattr(config, name) != plan.settings[name]:
            raise ConfigError(
                f"--{name}: --budget chooses it.", hint="Leave one of the two out, in a --config file too."
            )
