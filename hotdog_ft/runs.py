"""A run's folder: what it was told, what came out, and the model, which works wherever its folder is taken.

    config.yaml      everything needed to run it again
    metrics.jsonl    one line an epoch
    model/           model.json and net.params; there is no pickle in either
    checkpoint/      what --resume goes on from
    curves.png       accuracy and loss by epoch
    report.html      all of it for people, in one file

Every file is written beside its place and renamed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hotdog_ft.backend import gluon, installed_build, mx, nd
from hotdog_ft.config import RUNS, TrainConfig, vacant_run_folder
from hotdog_ft.data.preprocess import Preprocess
from hotdog_ft.errors import HotdogError, RunError, ran_out_of_memory
from hotdog_ft.files import held, is_temporary, remove_temporaries, replacing, replacing_folder, sha256, write_text
from hotdog_ft.models import zoo
from hotdog_ft.models.classifier import Classifier
from hotdog_ft.models.reading import SourceWeights
from hotdog_ft.stats import wilson_interval
from hotdog_ft.training.trainer import EpochResult

FORMAT_VERSION = 1
METRICS = "metrics.jsonl"
CHECKPOINT = "checkpoint"
SYMBOL = "net-symbol.json"
"""The graph of a network in 8-bit integers; others are built by their architecture's name."""


class Run:
    """One training's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keep = "last"
        self.results: list[EpochResult] = []
        self.kept = 0
        """The position in `results` of the epoch whose model is kept."""
        self.skipped = 0
        """Photos that couldn't be read."""
        self.tested: tuple[int, int] | None = None
        """The kept model's right answers, and the test photos that they are of."""

    @classmethod
    def create(cls, command: str, config: TrainConfig) -> Run:
        """Make the folder: `config.out`, or one named by the time under runs/. Raises: RunError."""
        run = cls(_new_folder(command, config))
        run.keep = config.keep
        with held(run.folder, hint="Name another folder with --out."):
            check_vacant(run.folder)
            remove_temporaries(run.folder)
            write_text(run.folder / "config.yaml", config.to_yaml(leave_out=("out",)))
        return run

    @classmethod
    def reopen(cls, folder: Path, config: TrainConfig, epoch: int | None) -> Run:
        """Take a run up again in this epoch, or from the very start. What a crash has left of later ones is dropped.

        Raises: RunError, when the earlier epochs aren't all there.
        """
        run = cls(folder)
        run.keep = config.keep
        remove_temporaries(folder)
        write_text(folder / "config.yaml", config.to_yaml(leave_out=("out",)))
        if epoch is None:
            return run
        for result in _read_metrics(folder / METRICS):
            if result.epoch < epoch:
                run._add(result)
        if next_epoch(run.results) != epoch:
            raise RunError(
                f"{folder / METRICS}: tells of other epochs than the checkpoint, which is in epoch {epoch}.",
                hint="Put the run's own file back, or train into another folder.",
            )
        return run

    @property
    def result(self) -> EpochResult:
        """The kept epoch's."""
        return self.results[self.kept]

    def record(self, result: EpochResult) -> bool:
        """Add an epoch to metrics.jsonl. Returns whether its model is the one to keep, as things stand."""
        self._add(result)
        self._write_metrics()
        return self.kept == len(self.results) - 1

    def _add(self, result: EpochResult) -> None:
        self.results.append(result)
        better = (result.val_acc or 0) > (self.result.val_acc or 0)
        if len(self.results) == 1 or better or self.keep == "last":
            self.kept = len(self.results) - 1

    def record_test(self, right: int, total: int) -> None:
        """The test photos' answers by the kept model; its epoch gets their accuracy if it has none yet."""
        self.tested = (right, total)
        if self.result.test_acc is None:
            self.results[self.kept] = dataclasses.replace(self.result, test_acc=right / total)
            self._write_metrics()

    def _write_metrics(self) -> None:
        lines = [json.dumps(dataclasses.asdict(result)) for result in self.results]
        write_text(self.folder / METRICS, "\n".join(lines) + "\n")

    def save_model(self, classifier: Classifier, source: SourceWeights | None, data_fingerprint: str) -> None:
        """Write model/, and point runs/latest here: from now on there is something to predict with."""
        save_model(self.folder / "model", classifier, source, data_fingerprint)
        folder = self.folder.resolve()  # a run that goes on may be named by runs/latest
        if folder.parent == RUNS.resolve():
            _point(RUNS / "latest", folder.name)

    def discard(self) -> None:
        """Remove the folder of a run that came to nothing, so that its name is free again."""
        shutil.rmtree(self.folder / CHECKPOINT, ignore_errors=True)
        (self.folder / "config.yaml").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody has put something there
            self.folder.rmdir()

    def summary(self) -> str:
        """What a person should know, and the book's two closing lines."""
        lines = []
        if self.keep == "best":
            lines.append(f"kept epoch {self.result.epoch}, the best on the validation photos")
        if self.tested:
            low, high = wilson_interval(*self.tested)
            lines.append(f"test acc's 95 % interval {low:.3f} to {high:.3f} ({self.tested[0]} of {self.tested[1]})")
        if self.skipped:
            photos = "photo that" if self.skipped == 1 else "photos that"
            lines.append(f"{self.skipped} {photos} can't be read: skipped.")
        return "\n".join([*lines, self.result.line(), self.results[-1].speed()])


class WatchedRun(Run):
    """A run as those processes of a group see it that do not write it."""

    def record(self, result: EpochResult) -> bool:
        """Keep in mind an epoch."""
        self._add(result)
        return False

    def discard(self) -> None:
        """It is another process's to remove."""


def next_epoch(results: Sequence[EpochResult]) -> int:
    """The epoch after the last result's."""
    return results[-1].epoch + 1 if results else 1


def _read_metrics(path: Path) -> list[EpochResult]:
    """What was recorded, an epoch a line; nothing when there is no such file. Raises: RunError."""
    if not path.is_file():
        return []
    try:
        return [EpochResult(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (ValueError, TypeError) as error:
        raise RunError(f"{path}: not what hotdog-ft wrote ({error}).", hint="Train into another folder.") from error


def save_model(folder: Path, classifier: Classifier, source: SourceWeights | None, data_fingerprint: str) -> None:
    """Write a model folder: the network's parameters, and model.json with all that is needed to use them.

    Raises: RunError, OSError.
    """
    with replacing(folder / "model.json") as json_path, replacing(folder / "net.params") as params_path:
        with written_by_mxnet(params_path, folder / "net.params"):
            classifier.net.save_parameters(str(params_path))
        described = {
            "format_version": FORMAT_VERSION,
            "architecture": classifier.architecture,
            "classes": list(classifier.classes),
            "preprocess": classifier.preprocess.to_dict(),
            "parameters_sha256": sha256(params_path),
            "source_weights": {"origin": source.origin, "sha256": source.sha256} if source else None,
            "data_fingerprint": data_fingerprint,
            **({} if classifier.temperature is None else {"temperature": classifier.temperature}),
            "versions": {
                "hotdog-ft": version("hotdog-ft"),
                installed_build() or "mxnet": mx.__version__,
                "numpy": version("numpy"),
                "opencv-python-headless": version("opencv-python-headless"),
            },
        }
        json_path.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def written_by_mxnet(path: Path, name: Path | None = None) -> Iterator[None]:
    """Raise RunError if the block, in which MXNet writes parameters to `path`, leaves less than a whole file.

    name: what the user knows the file by, where that is another path.
    """
    try:
        yield
        nd.load(str(path))  # MXNet doesn't notice when the end of a file can't be written
    except mx.MXNetError as error:
        if ran_out_of_memory(error):
            raise
        raise RunError(f"{name or path}: can't be written.", hint="Is the disk full?") from error


def save_quantized(folder: Path, net: gluon.SymbolBlock, original: Path) -> None:
    """Write a model folder whose network is in 8-bit integers; all else is as in the model folder `original`.

    Raises: RunError, OSError.
    """
    described = _read_json(original / "model.json")
    with replacing_folder(folder) as temporary:
        with written_by_mxnet(temporary / "net-0000.params", folder / "net.params"):
            net.export(str(temporary / "net"))
        (temporary / "net-0000.params").rename(temporary / "net.params")
        described["quantized"] = "int8"
        described["parameters_sha256"] = sha256(temporary / "net.params")
        described["symbol_sha256"] = sha256(temporary / SYMBOL)
        write_text(temporary / "model.json", json.dumps(described, indent=2) + "\n")


def load_model(path: str | Path, devices: list[mx.Context]) -> Classifier:
    """The classifier in a run's folder or in a model folder. Raises: RunError."""
    folder = find_model(path)
    described = _read_json(folder / "model.json")
    params = folder / "net.params"
    if described.get("format_version") != FORMAT_VERSION:
        raise RunError(
            f"{folder / 'model.json'}: has format version {described.get('format_version')!r}, "
            f"this hotdog-ft reads {FORMAT_VERSION}.",
            hint="Use the version of hotdog-ft that wrote it.",
        )
    _check_saved(params, described.get("parameters_sha256"), "train")
    if described.get("quantized"):
        _check_quantized(folder, described, devices)
    try:
        preprocess = Preprocess.from_dict(described["preprocess"])
        classes = tuple(str(name) for name in described["classes"])
        temperature = _temperature(described)
        if described.get("quantized"):
            net = _load_quantized(folder, described, devices)
        else:
            net = zoo.build(described["architecture"], len(classes), preprocess.image_size)
            net.load_parameters(str(params), ctx=devices)
    except (KeyError, TypeError, ValueError, AssertionError, mx.MXNetError, HotdogError) as error:
        if ran_out_of_memory(error):
            raise
        reason = str(error).strip().splitlines()[-1]  # MXNet puts a C++ traceback before it
        raise RunError(
            f"{folder}: its parts don't fit together ({reason}).",
            hint="Copy the whole model folder again, or train again.",
        ) from error
    classifier = Classifier(described["architecture"], net, preprocess, classes)
    classifier.temperature = temperature
    classifier.normalize.initialize(ctx=devices)
    return classifier


def _load_quantized(folder: Path, described: dict[str, Any], devices: list[mx.Context]) -> gluon.SymbolBlock:
    """The network in 8-bit integers that save_quantized wrote. Raises: MXNetError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it can't tell an input's type
        return gluon.SymbolBlock.imports(str(folder / SYMBOL), ["data"], str(folder / "net.params"), ctx=devices)


def _check_quantized(folder: Path, described: dict[str, Any], devices: list[mx.Context]) -> None:
    """Raise RunError unless the network in 8-bit integers is whole, and the devices can run it."""
    if any(device.device_type != "cpu" for device in devices):
        raise RunError(f"{folder}: a network in 8-bit integers runs on the CPU.", hint="Use --devices cpu.")
    _check_saved(folder / SYMBOL, described.get("symbol_sha256"), "export it")


def _check_saved(path: Path, checksum: str | None, remake: str) -> None:
    """Raise RunError unless the file has this SHA-256. remake: what makes another, for the hint."""
    if not path.is_file() or sha256(path) != checksum:
        raise RunError(
            f"{path}: is missing, or not the file that was saved with this model.",
            hint=f"Copy the whole model folder again, or {remake} again.",
        )


def find_model(path: str | Path) -> Path:
    """The model folder that `path` is or holds. Raises: RunError."""
    path = Path(path)
    for folder in (path, path / "model"):
        if (folder / "model.json").is_file():
            return folder
    if path.is_dir():
        raise RunError(
            f"{path}: has no model in it.", hint="Give --run a run's folder or a model folder; train one first."
        )
    raise RunError(f"{path}: there is no such run.", hint="Train first, or give --run the run's folder.")


def _temperature(described: dict[str, Any]) -> float | None:
    """The model's; older ones have none. Raises: ValueError."""
    value = described.get("temperature")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError(f"temperature {value!r}")
    return float(value)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: not valid JSON ({error}).", hint="Copy the model folder again.") from error
    if not isinstance(values, dict):
        raise RunError(f"{path}: doesn't describe a model.", hint="Copy the model folder again.")
    return values


def check_vacant(out: str | Path) -> None:
    """Raise RunError unless there is nothing at `out`, or a folder with no more than a killed run began to write."""
    folder = Path(out)
    if folder.exists() and not (folder.is_dir() and all(map(is_temporary, folder.iterdir()))):
        raise RunError(f"--out: {out} is there already, and not empty.", hint="Name another folder, or remove it.")


def _new_folder(command: str, config: TrainConfig) -> Path:
    """Make the run's folder; the user's may exist if there is nothing in it. Raises: RunError."""
    if config.out is not None:
        check_vacant(config.out)
        folder = Path(config.out)
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    RUNS.mkdir(exist_ok=True)
    while True:
        folder = vacant_run_folder(command, config.model)
        with contextlib.suppress(FileExistsError):  # another process was faster
            folder.mkdir()
            return folder


def _point(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, replacing one that is there."""
    temporary = link.with_name(f".{link.name}-{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(link)
    except OSError as error:
        error.filename = str(link)
        raise
    finally:
        temporary.unlink(missing_ok=True)
