"""The book's second exercise: both ways to train at their best. A search of the same size for each, apart from test/.

A trial is a training judged on a validation part of train/. Trials are kept in a database, so that a search goes on
after any interruption, and so that several machines can share one. At the end each way is trained once more, with its
best setting and on all of train/, and that network meets the test photos.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from hotdog_ft.config import SCRATCH_DEFAULTS, TrainConfig
from hotdog_ft.data.download import Progress
from hotdog_ft.errors import ConfigError, InterruptedRunError, RunError
from hotdog_ft.files import replacing, write_text
from hotdog_ft.recipes.compare import NAMES, as_csv, difference, right_answers, ways_to_train
from hotdog_ft.recipes.experiment import Experiment, Point, check_same, judged_apart, look_at_data, train_once
from hotdog_ft.report.comparison import draw_search
from hotdog_ft.stats import PairedDifference
from hotdog_ft.training import EpochResult

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import optuna
        from optuna.distributions import BaseDistribution
        from optuna.trial import FrozenTrial, TrialState
except ImportError as error:
    raise ConfigError(
        f"tune needs optuna ({error}).", hint="Install the extra tune: pip install 'optuna>=5,<6' psycopg2-binary."
    ) from error

WAYS = ("finetune", "scratch")
HEARTBEAT = 30
"""Seconds between a machine's signs of life in a shared database; after three without one its trial is another's."""
ATTEMPTS = 2
"""How often a trial is begun again whose process died: it may die of the trial, when memory runs out."""


class _NotNeededError(Exception):
    """Another machine has begun the last trial that was wanted."""


@dataclass(frozen=True)
class Found:
    """What the search of one way to train came to."""

    trials: tuple[FrozenTrial, ...]
    """Finished or pruned, in order."""
    best: Optional[FrozenTrial]
    config: Optional[TrainConfig]
    """The best setting, to train on all of train/."""
    point: Optional[Point]
    """What that came to."""

    @property
    def diverged(self) -> int:
        """How many trials did."""
        return sum("diverged_at" in trial.user_attrs for trial in self.trials)


@dataclass(frozen=True)
class Tuning:
    """Both searches."""

    folder: Path
    judges: int
    """How many photos trials were judged on."""
    found: dict[str, Found]
    difference: Optional[PairedDifference]
    """Of the two best networks on the same test photos; None where there are no two."""


def choose(trial: optuna.Trial, way: str, config: TrainConfig) -> dict[str, Any]:
    """What a trial tries. The two ways differ in freezing alone: random features have nothing worth keeping.

    The configuration's own setting lies within what is searched; its batch size is the largest, for memory's sake.
    """
    lr, mult, wd = config.lr, config.output_lr_mult, config.wd
    chosen: dict[str, Any] = {
        "lr": trial.suggest_float("lr", min(1e-4, lr), max(1.0, lr), log=True),
        "output_lr_mult": trial.suggest_float("output_lr_mult", min(1.0, mult or 1.0), max(100.0, mult), log=True),
        "wd": trial.suggest_float("wd", min(1e-5, wd or 1e-5), max(0.1, wd), log=True),
        "momentum": trial.suggest_float("momentum", 0.0, max(0.95, config.momentum)),
        "batch_size": trial.suggest_categorical("batch_size", batch_sizes(config)),
        "schedule": trial.suggest_categorical("schedule", ["constant", "cosine"]),
    }
    if way == "finetune":
        chosen["freeze_features"] = trial.suggest_categorical("freeze_features", [False, True])
    return chosen


def batch_sizes(config: TrainConfig) -> list[int]:
    """From an eighth of the configuration's up to it."""
    return sorted({max(1, config.batch_size // part) for part in (8, 4, 2, 1)})


def own_setting(way: str, config: TrainConfig) -> dict[str, Any]:
    """The configuration itself as a trial, without what a logarithmic scale doesn't have."""
    names = ["lr", "output_lr_mult", "wd", "momentum", "batch_size", "schedule"]
    names += ["freeze_features"] if way == "finetune" else []
    values = {name: getattr(config, name) for name in names}
    return {name: value for name, value in values.items() if value != 0 or name in ("momentum", "freeze_features")}


@contextlib.contextmanager
def _told_when_lost() -> Iterator[None]:
    """Raise RunError in place of what the database's own errors are, once it has been in use."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise RunError(
            f"The database of the trials was lost: {reason}.",
            hint="Run the same command again when it is back: finished trials are not repeated.",
        ) from error


@_told_when_lost()
def tune(
    config: TrainConfig,
    trials: int = 20,
    storage: str | None = None,
    study: str = "hotdog-ft",
    on_trial: Callable[[str, FrozenTrial], None] | None = None,
    progress: Progress | None = None,
) -> Tuning:
    """Search `trials` settings of each way; write NAME.yaml of each best, tune.csv and tune.png.

    storage: a database's URL, to share the study of that name among machines; else one in the folder.
    on_trial: called with the way and each finished trial. Raises: what fine_tune raises, but for DivergedError.
    """
    if config.method == "probe":
        raise ConfigError(
            "--method: a probe has no setting to search: its penalty is chosen by cross-validation.",
            hint="Use --method finetune or lp-ft.",
        )
    config, judges = judged_apart(config, "tune", progress)
    ways = ways_to_train(config, SCRATCH_DEFAULTS["lr"])
    fingerprint = look_at_data(config, progress)
    experiment = Experiment.open("tune", config, fingerprint, progress=progress, study=study)
    found: dict[str, Found] = {}
    with experiment.at_work(), _quiet_optuna(), contextlib.closing(Database(storage, experiment.folder)) as database:
        for way, its_config in ways.items():
            search = _open_study(database.storage, f"{study}-{way}", way, its_config, fingerprint)
            if storage is None:
                _take_up(search)
            trial_folder = experiment.folder / "trial"
            _search(search, trials, way, its_config, trial_folder, storage is not None, on_trial, progress)
            found[way] = _train_best(search, trials, way, its_config, experiment, progress)
        points = [found[way].point for way in WAYS]
        paired = difference(points[0], points[1]) if points[0] and points[1] else None
        result = Tuning(experiment.folder, judges, found, paired)
        _write(result)
    return result


class Database:
    """Where trials are kept: at the URL, or in the folder. Raises: ConfigError, without the URL's password."""

    def __init__(self, url: str | None, folder: Path) -> None:
        from sqlalchemy.exc import ArgumentError, IntegrityError, ProgrammingError, SQLAlchemyError

        try:
            for tries_left in reversed(range(10)):
                try:
                    self.storage = _open_storage(url, folder)
                    break
                except (IntegrityError, ProgrammingError):  # another machine makes the same tables at this moment
                    if not tries_left:
                        raise
                    time.sleep(0.3)
        except ArgumentError as error:
            raise _unusable("it is no database's URL") from error
        except (ImportError, SQLAlchemyError, RuntimeError) as error:
            raise _unusable(str(getattr(error, "orig", None) or error).strip().splitlines()[0]) from error

    def close(self) -> None:
        """Let go of the connections."""
        self.storage.remove_session()
        self.storage.engine.dispose()


def _open_storage(url: str | None, folder: Path) -> optuna.storages.RDBStorage:
    """The database, whose tables are made if there are none. Raises what SQLAlchemy does."""
    if url is None:
        return optuna.storages.RDBStorage(f"sqlite:///{(folder / 'tune.db').absolute()}")
    return optuna.storages.RDBStorage(
        # SQLAlchemy's own choice of a driver has changed: take the one that the extra installs.
        re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", url),
        engine_kwargs={"pool_pre_ping": True},
        heartbeat_interval=HEARTBEAT,
        grace_period=3 * HEARTBEAT,
        heartbeat_stale_trial_callback=_begin_again,
    )


def _unusable(reason: str) -> ConfigError:
    return ConfigError(
        f"--storage: the database can't be used: {reason}.",
        hint="Give a URL such as postgresql://user:password@host/database, of a server that runs.",
    )


def pruner() -> optuna.pruners.BasePruner:
    """Stops a trial that, after an epoch, is below the median of what the others had then."""
    return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=0)


def _open_study(
    database: optuna.storages.RDBStorage, name: str, way: str, config: TrainConfig, fingerprint: str
) -> optuna.Study:
    """The study of one way, begun with the configuration as it is. Raises: ConfigError, when it is another's."""
    settings = dataclasses.asdict(config)
    # Machines differ in these; the photos must be the same.
    for setting in ("out", "workers", "cache", "devices", "data"):
        del settings[setting]
    settings = {"data_fingerprint": fingerprint, **settings}
    try:
        study = optuna.create_study(storage=database, study_name=name, direction="maximize", pruner=pruner())
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(storage=database, study_name=name, pruner=pruner())
        for _ in range(50):  # whoever makes it has not yet said for what
            if "settings" in study.user_attrs:
                check_same(settings, study.user_attrs["settings"], f"the study {name}")
                return study
            time.sleep(0.1)
    study.set_user_attr("settings", settings)
    study.enqueue_trial(own_setting(way, config), skip_if_exists=True)
    return study


class _NumberedSampler(optuna.samplers.BaseSampler):
    """TPE that draws each trial's random numbers by the seed and the trial's number.

    So a search that goes on in another process doesn't draw the first trials' numbers again, nor do two machines draw
    the same.
    """

    def __init__(self, seed: int, way: str) -> None:
        self._seed = (seed, WAYS.index(way))
        self._tpe = optuna.samplers.TPESampler()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        seed = int(np.random.SeedSequence((*self._seed, trial.number)).generate_state(1)[0])
        self._tpe = optuna.samplers.TPESampler(seed=seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)


def _take_up(study: optuna.Study) -> None:
    """Fail the trials that a killed process has left, and begin them again."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        _begin_again(study, trial)


def _begin_again(study: optuna.Study, trial: FrozenTrial) -> None:
    optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=ATTEMPTS)(study, trial)


def _counted(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that are under way or came to something."""
    return study.get_trials(states=(TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED))


def _search(
    study: optuna.Study,
    wanted: int,
    way: str,
    config: TrainConfig,
    folder: Path,
    shared: bool,
    on_trial: Callable[[str, FrozenTrial], None] | None,
    progress: Progress | None,
) -> None:
    """Try settings until `wanted` trials are finished, by this process or by others."""

    def objective(trial: optuna.Trial) -> float:
        if sum(other.number < trial.number for other in _counted(study)) >= wanted:
            raise _NotNeededError
        try:
            return _try(trial, way, config, folder, progress)
        except (KeyboardInterrupt, InterruptedRunError):
            study.enqueue_trial(trial.params)
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def tell(study: optuna.Study, trial: FrozenTrial) -> None:
        if on_trial and trial.state != TrialState.FAIL:
            on_trial(way, trial)

    study.sampler = _NumberedSampler(config.seed, way)
    while True:
        if shared:
            optuna.storages.fail_stale_trials(study)
        counted = _counted(study)
        if sum(trial.state.is_finished() for trial in counted) >= wanted:
            return
        if len(counted) >= wanted:  # others are at the last ones; should they die, those are ours
            time.sleep(1)
            continue
        study.optimize(objective, n_trials=1, catch=(_NotNeededError,), callbacks=[tell])


def _try(trial: optuna.Trial, way: str, config: TrainConfig, folder: Path, progress: Progress | None) -> float:
    """One setting: the validation accuracy of the epoch that is kept. Raises: TrialPruned."""
    chosen = choose(trial, way, config)

    def judge(result: EpochResult) -> None:
        trial.report(result.val_acc or 0.0, result.epoch)
        if result.epoch < config.epochs and trial.should_prune():
            raise optuna.TrialPruned

    point = train_once("trial", dataclasses.replace(config, **chosen), folder, judge, progress, test=False)
    if point.diverged_at is not None:
        trial.set_user_attr("diverged_at", point.diverged_at)
        raise optuna.TrialPruned(f"diverged at epoch {point.diverged_at}")
    return point.result.val_acc or 0.0


def _train_best(
    study: optuna.Study,
    wanted: int,
    way: str,
    config: TrainConfig,
    experiment: Experiment,
    progress: Progress | None,
) -> Found:
    """Train once more with the best setting of the first `wanted` trials, on all of train/; keep it as YAML."""
    trials = tuple(trial for trial in _counted(study) if trial.state.is_finished())[:wanted]
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        return Found(trials, None, None, None)
    best = max(complete, key=lambda trial: trial.value or 0.0)  # the first, of several
    best_config = dataclasses.replace(config, **best.params, val_split=0.0)
    write_text(experiment.folder / f"{way}.yaml", best_config.to_yaml(leave_out=("out",)))
    point = experiment.train(
        f"{way}-trial-{best.number}",
        best_config,
        progress=progress,
        after=lambda run: right_answers(run, best_config, progress),
    )
    return Found(trials, best, best_config, point)


def _write(result: Tuning) -> None:
    """tune.csv and tune.png."""
    rows = [
        {
            "training": way,
            "trial": trial.number,
            "state": "diverged" if "diverged_at" in trial.user_attrs else trial.state.name.lower(),
            "val_acc": trial.value if trial.state == TrialState.COMPLETE else None,
            "epochs": len(trial.intermediate_values),
            "diverged_at": trial.user_attrs.get("diverged_at"),
            **trial.params,
        }
        for way, found in result.found.items()
        for trial in found.trials
    ]
    write_text(result.folder / "tune.csv", as_csv(rows))
    drawn = {
        NAMES[way]: [
            (trial.params["lr"], trial.value if trial.state == TrialState.COMPLETE else None) for trial in found.trials
        ]
        for way, found in result.found.items()
    }
    with replacing(result.folder / "tune.png") as path:
        draw_search(drawn, path)


@contextlib.contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Keep its remarks on its own experimental features, and on each trial, to itself."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
