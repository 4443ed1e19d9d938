"""Which devices to train on, and how a batch is split over them."""

from __future__ import annotations

import logging

from hotdog_ft.backend import mx, nd
from hotdog_ft.config import parse_devices
from hotdog_ft.errors import DeviceError

log = logging.getLogger(__name__)


def find_devices(text: str) -> list[mx.Context]:
    """The devices that `--devices` names. `auto`: every GPU that works, else the CPU.

    `cpu:2` gives two contexts on the one CPU, which stand for two devices. Raises: ConfigError, DeviceError.
    """
    kind, numbers = parse_devices(text)
    if kind == "cpu":
        return [mx.cpu(number) for number in numbers]
    available = mx.context.num_gpus()
    gpus = [mx.gpu(number) for number in numbers or range(available)]
    if kind == "auto":
        return [gpu for gpu in gpus if _works(gpu)] or [mx.cpu()]
    if not available:
        raise DeviceError(f"--devices {text}: MXNet sees no GPU here.", hint="`hotdog-ft doctor` says why; use cpu.")
    for gpu in gpus:
        if gpu.device_id >= available:
            hint = f"The GPUs here have the numbers 0 to {available - 1}."
            raise DeviceError(f"--devices {text}: there is no GPU {gpu.device_id}.", hint=hint)
        if not _works(gpu):
            hint = "`hotdog-ft doctor` says why; use cpu."
            raise DeviceError(f"--devices {text}: this MXNet can't compute on {gpu}.", hint=hint)
    return gpus


def can_halve(devices: list[mx.Context], asked: bool) -> bool:
    """Whether to compute in half precision: when asked to, and on GPUs alone. Asked in vain, it warns."""
    on_gpus = all(device.device_type == "gpu" for device in devices)
    if asked and not on_gpus:
        log.warning("--amp does nothing here: MXNet computes in float32 on the CPU.")
    return asked and on_gpus


def _works(gpu: mx.Context) -> bool:
    """Whether this build of MXNet has code for the GPU: one that is too new is seen, and then fails."""
    try:
        nd.ones(1, ctx=gpu).asnumpy()
    except mx.MXNetError as error:
        log.warning("%s can't be used: %s", gpu, str(error).strip().splitlines()[-1])
        return False
    return True
