"""Beginning a run, breaking it off, and going on with it: who holds its folder, what must be the same, what to tell."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import platform
import signal
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hotdog_ft import training
from hotdog_ft.backend import memory_for, mx, nd
from hotdog_ft.config import GO_ON_HINT, MAY_DIFFER, TrainConfig, check_goes_on, option_name
from hotdog_ft.errors import ConfigError, DivergedError, InterruptedRunError, OutOfMemoryError, RunError, Terminated
from hotdog_ft.files import held
from hotdog_ft.models.reading import SourceWeights
from hotdog_ft.runs import CHECKPOINT, Run, WatchedRun, next_epoch

log = logging.getLogger(__name__)

_OTHERS = {
    "hotdog-ft": "another version",
    "MXNet": "another version",
    "--data": "other photos",
    "--weights": "other ones",
}
"""What a process of a group has that differs from the first one, where the value itself would say nothing."""


def what_began(
    command: str,
    config: TrainConfig,
    data_fingerprint: str,
    source: SourceWeights | None,
    group: training.Group = training.ALONE,
) -> dict[str, Any]:
    """All that a run's numbers depend on, for JSON."""
    return {
        "command": command,
        "config": dataclasses.asdict(config),
        "data_fingerprint": data_fingerprint,
        "weights_sha256": source.sha256 if source else None,
        "computed_by": {
            "processes": group.size,
            "processor": _processor(),
            "threads": os.environ.get("OMP_NUM_THREADS"),
            "oneDNN": os.environ.get("DNNL_MAX_CPU_ISA", "default"),
            **{name: version(name) for name in ("hotdog-ft", "numpy", "opencv-python-headless")},
            "MXNet": mx.__version__,
        },
    }


@contextlib.contextmanager
def opened(
    begun: dict[str, Any],
    config: TrainConfig,
    resume: Path | None,
    stop: training.StopRequest | None,
    resumable: bool,
    group: training.Group = training.ALONE,
) -> Iterator[tuple[Run, training.Checkpoints | None]]:
    """A new run, or the one to resume, held for the block, and its checkpoints. begun: as what_began gives it.

    Of a group of processes the first one alone has the run; the others watch.
    Raises: RunError, when the run is being trained, or is damaged; ConfigError, when it was begun with other photos or
    weights, or the group's processes were; InterruptedRunError, DivergedError and OutOfMemoryError, when the block is
    broken off.
    """
    _check_group(begun, group)
    if group.rank:
        watched = WatchedRun(Path(group.tell("")))
        others = training.Checkpoints(watched.folder / CHECKPOINT, every=config.checkpoint_every, stop=stop)
        with _told_when_broken_off(watched, others), memory_for(config.batch_size):
            yield watched, others
        return
    run = None if resume else Run.create(begun["command"], config)
    folder = run.folder if run else resume
    assert folder
    with held(folder, hint="Wait for it; two processes can't train one run."):
        run = run or _take_up(folder, begun, config)
        group.tell(str(run.folder))
        every = config.checkpoint_every
        checkpoints = training.Checkpoints(folder / CHECKPOINT, begun, every, stop) if resumable else None
        with _told_when_broken_off(run, checkpoints), memory_for(config.batch_size):
            yield run, checkpoints


def _check_group(begun: dict[str, Any], group: training.Group) -> None:
    """Raise ConfigError, in a process that has begun something else than the first one of its group."""
    settings = {option_name(name): value for name, value in begun["config"].items() if name not in MAY_DIFFER}
    versions = {name: begun["computed_by"][name] for name in ("hotdog-ft", "MXNet")}
    own = {**versions, "--data": begun["data_fingerprint"], "--weights": begun["weights_sha256"], **settings}
    first = group.tell(own)
    for name, value in own.items():
        if value != first.get(name):
            others = _OTHERS.get(name, f"another value, {value},")
            raise ConfigError(
                f"{name}: process {group.rank} of {group.size} has {others} than the first.",
                hint="Give all of them the same files and the same options.",
            )


def _take_up(folder: Path, now: dict[str, Any], config: TrainConfig) -> Run:
    """The run in `folder`, as its last checkpoint has it. Raises: RunError, ConfigError."""
    saved = training.Checkpoints(folder / CHECKPOINT).latest()
    if saved is None:
        log.warning("%s: has no checkpoint to go on from; it is trained from its start.", folder)
    else:
        _check_same(saved.begun, now, folder)
    return Run.reopen(folder, config, saved.place.epoch if saved else None)


@contextlib.contextmanager
def _told_when_broken_off(run: Run, checkpoints: training.Checkpoints | None) -> Iterator[None]:
    """Say of a training that ends early what is kept of it, and how to go on.

    Raises: InterruptedRunError, DivergedError, OutOfMemoryError, RunError.
    """
    try:
        yield
    except DivergedError as error:
        raise DivergedError(f"{error.message} {_kept(run)}", hint=error.hint) from error
    except OutOfMemoryError as error:
        if not (checkpoints and checkpoints.exist):
            raise OutOfMemoryError(f"{error.message} {_kept(run)}", hint=error.hint) from error
        raise OutOfMemoryError(
            f"{error.message} What was trained until then is kept in {run.folder}.",
            hint=f"{error.hint.removesuffix('.')}, in a new run; or free memory, and go on with this one:"
            f" hotdog-ft train --resume {run.folder}",
        ) from error
    except OSError as error:  # a full disk, above all
        if not (checkpoints and checkpoints.exist):
            raise
        raise RunError(
            f"{error.filename or run.folder}: {error.strerror or error}. What was trained until then is kept.",
            hint=f"When that is mended, go on with: hotdog-ft train --resume {run.folder}",
        ) from error
    except training.Stopped as stopped:
        raise _interrupted(run, stopped.where, stopped.number, resumable=True) from None
    except KeyboardInterrupt as error:
        nd.waitall()
        number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        resumable = checkpoints is not None and checkpoints.exist
        raise _interrupted(run, f"in epoch {next_epoch(run.results)}", number, resumable) from None


def _interrupted(run: Run, where: str, number: int, resumable: bool) -> InterruptedRunError:
    if resumable:
        kept, hint = f"What was trained is kept in {run.folder}.", f"Go on with: hotdog-ft train --resume {run.folder}"
    else:
        kept, hint = _kept(run), "Run the same command to start again."
    word = "Terminated" if number == signal.SIGTERM else "Interrupted"
    return InterruptedRunError(f"{word} {where}. {kept}", hint=hint, number=number)


def _kept(run: Run) -> str:
    """What is left of a run that can't go on; its folder is removed when that is nothing."""
    if not run.results:
        run.discard()
        return "No epoch was finished, so there is no model."
    return f"The model after epoch {run.result.epoch} is in {run.folder}."


def _check_same(begun: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Raise ConfigError where going on makes no sense; warn where the end will differ in its last digits."""
    before = TrainConfig(**begun["config"])
    check_goes_on(dataclasses.replace(before, **now["config"]), before, folder)
    if begun["data_fingerprint"] != now["data_fingerprint"]:
        raise ConfigError(f"--data: other photos than {folder} was begun with.", hint=GO_ON_HINT)
    if begun["weights_sha256"] != now["weights_sha256"]:
        raise ConfigError(f"--weights: other ones than {folder} was begun with.", hint=GO_ON_HINT)
    for name, value in now["computed_by"].items():
        was = begun["computed_by"].get(name)
        if was != value:
            log.warning("%s: its %s was %s, and is %s: the last digits will differ.", folder, name, was, value)


def _processor() -> str:
    """The model of the CPU."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()
