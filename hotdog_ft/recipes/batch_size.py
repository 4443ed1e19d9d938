"""`--batch-size auto`: the most photos, up to the book's 128, whose training step fits into memory.

Trial trainings are processes of their own: what they take is all given back, and memory that runs out ends only them.
On a CPU, the memory of two small batches tells that of a large one, since each photo takes the same.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hotdog_ft import training
from hotdog_ft.backend import cores
from hotdog_ft.config import LARGEST_AUTO, TrainConfig
from hotdog_ft.data.augment import for_training
from hotdog_ft.data.cache import PART_OF_MEMORY
from hotdog_ft.data.download import Progress
from hotdog_ft.data.folder import Split
from hotdog_ft.data.loader import Batch, PhotoLoader
from hotdog_ft.data.photo import read_photo
from hotdog_ft.data.sources import open_source
from hotdog_ft.errors import ConfigError, HotdogError, ImageError, OutOfMemoryError, ran_out_of_memory
from hotdog_ft.machine import available_memory, launched_by
from hotdog_ft.models.finetune import target_net
from hotdog_ft.models.fused import FUSE_FROM
from hotdog_ft.models.weights import find_weights
from hotdog_ft.recipes.fine_tune import train

log = logging.getLogger(__name__)

MEASURED = (8, 16)
"""The two batch sizes: smaller ones take other ways through oneDNN."""
RESERVE = 0.2
"""The part of the available memory that is left to other programs, and to what isn't measured, as drawing pictures."""
TIMEOUT = 600

_OF_A_GROUP = ("DMLC_", "HOROVOD_")


class Peak(NamedTuple):
    """The most bytes of main memory that a process has had."""

    before: int
    """Until it had its network and began to train."""
    training: int
    """From then on, which grows by the same for each photo of a batch."""


def find_batch_size(config: TrainConfig, progress: Progress | None = None) -> int:
    """A power of two, no more than LARGEST_AUTO nor than there are training photos. config: the rest of the settings.

    Raises: OutOfMemoryError, when one photo is too much; ConfigError, DataError, DeviceError, DownloadError,
    WeightsError, as training does.
    """
    if config.kvstore != "local" and launched_by() != "local":
        raise ConfigError(
            "--batch-size auto: each of several processes would find its own.",
            hint="Give all of them the same number.",
        )
    devices = training.find_devices(config.devices)
    find_weights(config.model, config.weights, progress)  # here, where a download is seen
    photos = len(open_source(config.data, config.seed, config.val_split, progress).train)
    most = 1 << (min(LARGEST_AUTO, photos).bit_length() - 1)
    if devices[0].device_type == "gpu":
        return _halve_until_it_fits(config, most)
    memory = memory_to_use(config)
    peaks: dict[int, Peak] = {}
    for size in MEASURED:
        peak = peak_of(config, size)
        if peak is None:
            return _halve_until_it_fits(config, min(most, size // 2))
        peaks[size] = peak
    found = largest_that_fits(peaks, memory, most)
    if not found:
        raise OutOfMemoryError(
            f"--batch-size auto: {_gib(predicted_peak(peaks, 1))} for one photo at a time is more than the "
            f"{_gib(memory)} of memory to use.",
            hint="Take a smaller --image-size or network, or end other programs.",
        )
    log.info(
        "--batch-size auto: %d, which takes about %s of memory; %s are there to use.",
        *(found, _gib(predicted_peak(peaks, found)), _gib(memory)),
    )
    return found


def memory_to_use(config: TrainConfig) -> int:
    """Bytes that a training may take on the CPU: without the reserve, and what a cache of decoded photos takes."""
    return int(available_memory() * (1 - RESERVE) * (1 - PART_OF_MEMORY if config.cache == "ram" else 1))


def predicted_peak(peaks: Mapping[int, Peak], size: int) -> int:
    """The bytes that training with batches of `size` takes, on the line through two sizes. peaks: by batch size."""
    (small, at_small), (large, at_large) = sorted(peaks.items())
    a_photo = max(0, at_large.training - at_small.training) / (large - small)
    return max(at_large.before, int(at_small.training + a_photo * (size - small)))


def largest_that_fits(peaks: Mapping[int, Peak], memory: int, most: int) -> int:
    """The largest of most, most / 2, … whose predicted peak is within `memory`, in bytes; 0 when there is none."""
    size = most
    while size and predicted_peak(peaks, size) > memory:
        size //= 2
    return size


def _halve_until_it_fits(config: TrainConfig, size: int) -> int:
    """The first of size, size / 2, … that can be trained with. Raises: OutOfMemoryError, ConfigError."""
    while size and peak_of(config, size) is None:
        size //= 2
    if not size:
        raise OutOfMemoryError(
            "--batch-size auto: there is not enough memory for one photo at a time.",
            hint="Take a smaller --image-size or network, or end other programs.",
        )
    log.info("--batch-size auto: %d.", size)
    return size


def peak_of(config: TrainConfig, size: int) -> Peak | None:
    """What training with batches of this size took; None where there wasn't enough memory.

    Raises: ConfigError, when training fails for another reason.
    """
    alone = {name: value for name, value in os.environ.items() if not name.startswith(_OF_A_GROUP)}
    tried = json.dumps(dataclasses.asdict(dataclasses.replace(config, batch_size=size)))
    try:
        process = subprocess.run(
            [sys.executable, "-m", __name__],
            input=tried,
            capture_output=True,
            text=True,
            env=alone,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _failed(size, f"took longer than {TIMEOUT} s") from error
    if process.returncode < 0:  # as the kernel does when memory runs out
        log.debug("A batch of %d: ended by signal %d.", size, -process.returncode)
        return None
    if process.returncode:
        raise _failed(size, (process.stderr.strip().splitlines() or ["failed"])[-1])
    peak = json.loads(process.stdout.splitlines()[-1])
    return None if peak is None else Peak(**peak)


def _failed(size: int, how: str) -> ConfigError:
    return ConfigError(
        f"--batch-size auto: training with a batch of {size} {how}.", hint="Give --batch-size a number, as in 32."
    )


class _WatchedLoader(PhotoLoader):
    """Notes the peak before its first batch is asked for, and forgets it: that memory is free again by then."""

    before = 0

    def epoch(self, epoch: int = 0, first: int = 0) -> Iterator[Batch]:
        self.before = own_peak()
        forget_peak()
        return super().epoch(epoch, first)


def train_a_moment(config: TrainConfig) -> Peak:
    """Some batches, a test of the same photos, and a checkpoint, as fine_tune does it. Raises: what that raises."""
    quick = dataclasses.replace(
        config, epochs=1, lr=1e-6, cache="none", class_weights="none", strict=False, checkpoint_every=None
    )
    devices = training.find_devices(quick.devices)
    data = open_source(quick.data, quick.seed, quick.val_split)
    count = max(2 * quick.batch_size, FUSE_FROM)
    some = data.train.take(np.resize(_readable(data.train, count), count))
    source = find_weights(quick.model, quick.weights)
    net = target_net(
        quick.model,
        source,
        data.classes,
        devices,
        image_size=quick.image_size,
        crop_mode=quick.crop_mode,
        freeze_features=quick.freeze_features,
        freeze_batch_norm=quick.freeze_batch_norm,
    )
    workers = quick.workers or cores()
    train_iter = _WatchedLoader(some, for_training(net.preprocess), quick.batch_size, workers, shuffle=True)
    test_iter = PhotoLoader(some, net.preprocess.for_test, quick.batch_size, workers)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = training.Checkpoints(Path(folder) / "checkpoint", {})
        for _ in train(quick, net, None, train_iter, None, test_iter, devices, checkpoints=checkpoints):
            pass
    return Peak(train_iter.before, own_peak())


def _readable(split: Split, count: int) -> np.ndarray:
    """The positions of some photos that can be read, `count` at most: int64. Raises: ImageError, when none can."""
    found: list[int] = []
    failure: ImageError | None = None
    for i in np.random.default_rng(0).permutation(len(split)).tolist():
        try:
            read_photo(split.paths[i])
        except ImageError as error:
            failure = error
            continue
        found.append(i)
        if len(found) == count:
            break
    if not found and failure:
        raise failure
    return np.array(found)


def own_peak() -> int:
    """The most bytes of main memory that this process has had; getrusage would count its parent's, too."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))


def forget_peak() -> None:
    """Have own_peak count from now on, and what is free as free: the C library keeps it for later."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """For the trial's process: memory that runs out is an answer, and another error a line that the parent shows."""
    try:
        yield
    except Exception as error:
        if ran_out_of_memory(error):
            print("null", flush=True)
            os._exit(0)  # MXNet would bring the failure up again
        said = error.message if isinstance(error, HotdogError) else f"{type(error).__name__}: {error}"
        sys.exit(f"failed: {' '.join(said.split())}")


if __name__ == "__main__":
    with _told():
        print(json.dumps(train_a_moment(TrainConfig(**json.load(sys.stdin)))._asdict()))
