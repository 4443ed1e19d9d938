"""What a training run is told: one frozen record, read from defaults, a YAML file, the environment and options.

Each field carries its one description, which serves `--help`, the documentation and error messages. The module imports
nothing heavy, so that the command line can be built from it in no time; pydantic and yaml come when values are checked.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import os
import re
import reprlib
import time
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Optional

from annotated_types import Ge, Gt, Le, Lt, MinLen

from hotdog_ft.errors import ConfigError, RunError

ENVIRONMENT_PREFIX = "HOTDOG_FT_"

SCRATCH_DEFAULTS: dict[str, Any] = {"weights": "none", "lr": 0.1, "output_lr_mult": 1.0}
"""How training from random values differs: a larger learning rate, the same for all layers."""

MAY_DIFFER = ("data", "weights", "epochs", "kvstore", "workers", "cache", "track", "checkpoint_every", "strict", "out")
"""Settings that no result depends on, or that are compared in another way: photos and weights by what is in them."""

GO_ON_HINT = "Give the settings that it was begun with, or train into another folder."

AUTO = "auto"
LARGEST_AUTO = 128
"""What --batch-size auto gives at most: the book's batch size."""

RUNS = Path("runs")
"""Where runs go whose folder nobody names."""


@dataclass(frozen=True)
class Help:
    """A field's description and what its value is called in `--help`."""

    text: str
    metavar: str | None = None


@dataclass(frozen=True)
class TrainConfig:
    """Everything that a run depends on. The defaults are the book's recipe (Dive into Deep Learning, 13.2)."""

    data: Annotated[
        str, MinLen(1), Help("The photos: hotdog, demo, or a folder or ZIP of class folders.", "hotdog|demo|DIR|ZIP")
    ] = "hotdog"
    model: Annotated[
        str, MinLen(1), Help("The network, or several as in A+B; `hotdog-ft models` lists them.", "NAME")
    ] = "resnet18_v2"
    weights: Annotated[
        str,
        MinLen(1),
        Help(
            "Where the network starts: ImageNet weights, none, or a file (Gluon, MXNet, ONNX, PyTorch, safetensors).",
            "imagenet|none|FILE",
        ),
    ] = "imagenet"
    output_init: Annotated[
        Literal["xavier", "imagenet"],
        Help("Where the output layer starts: random values, or ImageNet's rows for classes of these names."),
    ] = "xavier"
    method: Annotated[
        Literal["finetune", "probe", "lp-ft"],
        Help(
            "finetune: train all layers. probe: compute once what the pretrained layers see, and fit the output layer"
            " to it; lr, epochs and the like are not used. lp-ft: the probe first, then train all layers."
        ),
    ] = "finetune"
    lr: Annotated[float, Gt(0), Le(1e6), Help("Learning rate of the pretrained layers.")] = 0.01
    output_lr_mult: Annotated[float, Ge(0), Le(1e6), Help("The output layer learns this many times faster.")] = 10.0
    freeze_features: Annotated[bool, Help("Train the output layer alone; everything before it stays as it is.")] = False
    freeze_batch_norm: Annotated[
        bool, Help("BatchNorm keeps the statistics that the weights came with, and only its scale and shift learn.")
    ] = False
    wd: Annotated[float, Ge(0), Le(1e6), Help("Weight decay.")] = 0.001
    momentum: Annotated[float, Ge(0), Lt(1), Help("Momentum of the stochastic gradient descent.")] = 0.0
    schedule: Annotated[
        Literal["constant", "cosine"], Help("How the learning rate goes: as it is, or down to 0 along a cosine.")
    ] = "constant"
    label_smoothing: Annotated[
        float, Ge(0), Lt(1), Help("Part of the target that is spread evenly over all classes.")
    ] = 0.0
    mixup: Annotated[
        float, Ge(0), Le(100), Help("Blend each photo with another, by a share from Beta(N, N); 0 blends none.", "N")
    ] = 0.0
    ema: Annotated[
        float,
        Ge(0),
        Lt(1),
        Help("Judge and keep an average of the weights, which holds this part of itself at each step; 0: no average."),
    ] = 0.0
    batch_size: Annotated[
        int,
        Ge(1),
        Le(100_000),
        Help("Photos computed at once, over all devices; with train and scratch also auto: what fits into memory."),
    ] = 128
    accumulate: Annotated[
        int, Ge(1), Le(10_000), Help("Batches whose gradients make one training step: a large batch in little memory.")
    ] = 1
    epochs: Annotated[
        int, Ge(0), Le(100_000), Help("Passes over the training photos; with 0 the network is judged as it starts.")
    ] = 5
    val_split: Annotated[
        float,
        Ge(0),
        Lt(1),
        Help("Part of train/ to hold out and judge epochs by; test/ is then used once, at the end."),
    ] = 0.0
    keep: Annotated[
        Literal["last", "best"],
        Help("The epoch to keep: the last, or the best on validation photos (--val-split or val/), never on test/."),
    ] = "last"
    class_weights: Annotated[
        Literal["none", "balanced"],
        Help(
            "balanced: a photo counts by photos / (classes x photos of its class), so that small classes count as much"
            " as large ones; the loss that is shown stays without weights."
        ),
    ] = "none"
    track: Annotated[
        Literal["none", "tensorboard", "mlflow"],
        Help("Follow the run in TensorBoard or MLflow too; local files in the run's folder."),
    ] = "none"
    image_size: Annotated[
        Optional[int], Ge(32), Le(4096), Help("Height and width that the network sees.  [default: the network's own]")
    ] = None
    crop_mode: Annotated[
        Literal["center", "squash"],
        Help(
            "What a network is shown of a photo that it is asked about: center: the middle, as its authors did;"
            " squash: all of it, stretched to a square."
        ),
    ] = "center"
    devices: Annotated[
        str, Help("What to train on: every GPU or else the CPU; or named ones.", "auto|cpu|cpu:N|gpu:I,J")
    ] = "auto"
    amp: Annotated[
        bool, Help("Mixed precision: GPUs compute in float16 where that is safe. On the CPU all stays float32.")
    ] = False
    kvstore: Annotated[
        Literal["auto", "local", "dist_sync", "horovod"],
        Help(
            "What processes that train together exchange gradients by: MXNet's parameter server, Horovod, or, local,"
            " nothing: this process is alone. auto: what `hotdog-ft launch`, horovodrun and the like have set up."
        ),
    ] = "auto"
    scale_lr: Annotated[
        bool,
        Help(
            "Where N processes train together: let --batch-size be of each, and learn N times as fast (Goyal et al."
            " 2017). Without it they share the batch, and the result is that of one process."
        ),
    ] = False
    workers: Annotated[Optional[int], Ge(1), Le(256), Help("Threads that read photos.  [default: one a core]")] = None
    cache: Annotated[
        Literal["none", "ram", "disk"],
        Help("Keep decoded photos in memory or in the cache folder; the results are the same, bit for bit."),
    ] = "none"
    seed: Annotated[
        int, Ge(0), Lt(2**31), Help("The same seed, machine and number of threads give the same run, bit for bit.")
    ] = 0
    checkpoint_every: Annotated[
        Optional[int],
        Ge(1),
        Le(1_000_000_000),
        Help("Save what --resume goes on from after so many batches, too.  [default: after each epoch]"),
    ] = None
    strict: Annotated[bool, Help("A photo that can't be read is an error, not skipped.")] = False
    out: Annotated[
        Optional[str], MinLen(1), Help("The run's folder.  [default: runs/<time>-<command>-<model>]", "DIR")
    ] = None

    # For pydantic, which checks this dataclass in from_sources: infinity is no learning rate.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"allow_inf_nan": False}

    @classmethod
    def from_sources(
        cls,
        options: Mapping[str, Any],
        file: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> TrainConfig:
        """Merge and check: defaults < file < environment < options.

        options: field name to value, of what was given on the command line. environment: `os.environ` unless given.
        Raises: ConfigError, naming every wrong value and where it was said, not only the first.
        """
        values, said_in, problems = _merge(options, file, environment, defaults)
        config, wrong = _validate(cls, values)
        problems += [f"{said_in.get(name, name)}: {text}" for name, text in wrong]
        if problems or config is None:
            raise ConfigError("; ".join(problems), hint="`hotdog-ft train --help` describes every setting.")
        return config

    def to_yaml(self, leave_out: tuple[str, ...] = ()) -> str:
        """The configuration as YAML that `--config` reads back."""
        import yaml

        values = {name: value for name, value in dataclasses.asdict(self).items() if name not in leave_out}
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def asks_for_auto(
    options: Mapping[str, Any],
    file: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> bool:
    """Whether the batch size is to be found out, for which from_sources wants a number. Raises: ConfigError."""
    values, _, _ = _merge(options, file, environment, defaults)
    return values.get("batch_size") == AUTO


def begun_with(folder: str | Path) -> TrainConfig:
    """The settings of a run, to go on with. Raises: RunError, when there is none; ConfigError."""
    file = Path(folder) / "config.yaml"
    if not file.is_file():
        what = "has no config.yaml to go on with" if Path(folder).is_dir() else "there is no such run"
        raise RunError(f"--resume {folder}: {what}.", hint="Give a folder that `hotdog-ft train` has made.")
    return TrainConfig.from_sources({}, file=file, environment={})


def check_goes_on(config: TrainConfig, begun: TrainConfig, folder: object) -> None:
    """Raises ConfigError, naming all that differs, unless a run begun so may go on so."""
    before, now = dataclasses.asdict(begun), dataclasses.asdict(config)
    wrong = [
        f"{option_name(name)}: {folder} was begun with {before[name]}, not {value}"
        for name, value in now.items()
        if name not in MAY_DIFFER and value != before[name]
    ]
    if config.epochs < begun.epochs:
        wrong.append(f"--epochs: {folder} was begun with {begun.epochs}, which can grow, not shrink to {config.epochs}")
    if wrong:
        raise ConfigError("; ".join(wrong) + ".", hint=GO_ON_HINT)


def vacant_run_folder(command: str, model: str) -> Path:
    """runs/<time>-<command>-<model>, or with a number behind it where that is taken. It isn't made."""
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{command}-{model}"
    names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
    return next(RUNS / name for name in names if not os.path.lexists(RUNS / name))


def field_names() -> list[str]:
    """The settings' names, in order."""
    return [field.name for field in dataclasses.fields(TrainConfig)]


def option_name(name: str) -> str:
    """A setting's name on the command line: `batch_size` -> `--batch-size`."""
    return "--" + name.replace("_", "-")


def field_annotations() -> dict[str, Any]:
    """Each field's type with its metadata: `Annotated[float, Gt(0), Help(...)]`."""
    hints = typing.get_type_hints(TrainConfig, include_extras=True)
    return {name: hints[name] for name in field_names()}


def parse_devices(text: str) -> tuple[str, list[int]]:
    """Read `auto`, `cpu`, `cpu:2` (two CPU contexts), `gpu`, `gpu:0,1` as the kind of device and the devices' numbers.

    `auto` and `gpu` name no numbers: they mean what the machine has. Raises: ConfigError.
    """
    if text in ("auto", "gpu"):
        return text, []
    if text == "cpu":
        return "cpu", [0]
    if match := re.fullmatch(r"cpu:([1-9]\d?)", text):
        return "cpu", list(range(int(match[1])))
    if match := re.fullmatch(r"gpu:(\d{1,2}(?:,\d{1,2})*)", text):
        numbers = [int(number) for number in match[1].split(",")]
        if len(set(numbers)) == len(numbers):
            return "gpu", numbers
    raise ConfigError(
        f"--devices: {text!r} names no devices.",
        hint="Use auto, cpu, cpu:2 (two contexts on the CPU), gpu, or gpu:0,1 (each number once).",
    )


def did_you_mean(name: Any, known: typing.Iterable[str]) -> str:
    """` (did you mean 'epochs'?)` for the nearest known name, or nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _merge(
    options: Mapping[str, Any],
    file: str | Path | None,
    environment: Mapping[str, str] | None,
    defaults: Mapping[str, Any] | None,
) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Each setting's value, where it was said, and what is said of no setting. Raises: ConfigError."""
    values: dict[str, Any] = dict(defaults or {})
    said_in: dict[str, str] = {}
    problems: list[str] = []
    for name, value in _read_yaml(file).items() if file is not None else ():
        if name not in field_names():
            problems.append(f"{file}: unknown setting {name!r}{did_you_mean(name, field_names())}")
            continue
        values[name], said_in[name] = value, f"{file}: {name}"
    for name, value in _from_environment(os.environ if environment is None else environment).items():
        values[name], said_in[name] = value, ENVIRONMENT_PREFIX + name.upper()
    for name, value in options.items():
        values[name], said_in[name] = value, option_name(name)
    return values, said_in, problems


def _read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises: ConfigError."""
    import yaml

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"--config {path}: {error.strerror}.", hint="Give --config a file that can be read; configs/ has examples."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise ConfigError(
            f"{path}: not valid YAML{line}.", hint="Write one setting a line, as in `lr: 0.01`."
        ) from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deep.", hint="Write one setting a line, as in `lr: 0.01`.") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: not a list of settings.", hint="Write one setting a line, as in `lr: 0.01`.")
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Settings given as HOTDOG_FT_LR, HOTDOG_FT_BATCH_SIZE and so on."""
    given = {name: environment.get(ENVIRONMENT_PREFIX + name.upper()) for name in field_names()}
    return {name: value for name, value in given.items() if value is not None}


def _validate(cls: type[TrainConfig], values: dict[str, Any]) -> tuple[TrainConfig | None, list[tuple[str, str]]]:
    """The checked configuration, or what is wrong as (field, text)."""
    from pydantic import TypeAdapter, ValidationError

    # YAML knows no difference between a flag and a number that pydantic would insist on: `lr: yes` is a slip.
    numbers = {name for name, hint in field_annotations().items() if _plain_type(hint) in (int, float)}
    slips = [(name, "should be a number, not true or false") for name in numbers if isinstance(values.get(name), bool)]
    known_slips = {name for name, _ in slips}
    try:
        config = TypeAdapter(cls).validate_python(values)
        parse_devices(config.devices)
    except ValidationError as error:
        wrong = [(str(e["loc"][0]), _reason(e)) for e in error.errors()]
        return None, slips + [(name, reason) for name, reason in wrong if name not in known_slips]
    except ConfigError as error:
        return None, [*slips, ("devices", error.message.split(": ", 1)[1])]
    return config, slips


def _plain_type(hint: Any) -> type:
    """The type inside `Annotated[Optional[int], …]`."""
    inner = typing.get_args(hint)[0]
    return next((t for t in typing.get_args(inner) if t is not type(None)), inner)


def _reason(error: Any) -> str:
    """pydantic's reason without its first capital, with the value that was given."""
    if error["loc"][0] == "batch_size" and error["input"] == AUTO:
        return "auto is for `train` and `scratch`, of one process; give a number here"
    reason = error["msg"].removeprefix("Input ")
    given = error["input"]
    # YAML's aliases can make a value whose text would fill the memory.
    shown = str(given)[:60] if isinstance(given, (str, int, float)) else reprlib.repr(given)[:60]
    return f"{reason} (given: {shown!r})"
