"""Which devices to train on, and how a batch is split over them."""

from __future__ import annotations

from hotdog_ft.backend import mx
from hotdog_ft.config import parse_devices
from hotdog_ft.errors import DeviceError


def find_devices(text: str) -> list[mx.Context]:
    """The devices that `--devices` names. `auto`: every GPU that MXNet sees, else the CPU.

    `cpu:2` gives two contexts on the one CPU, which stand for two devices. Raises: ConfigError, DeviceError.
    """
    kind, numbers = parse_devices(text)
    if kind == "cpu":
        return [mx.cpu(number) for number in numbers]
    available = mx.context.num_gpus()
    if kind == "auto" and not available:
        return [mx.cpu()]
    if not available:
        raise DeviceError(f"--devices {text}: MXNet sees no GPU here.", hint="`hotdog-ft doctor` says why; use cpu.")
    missing = [number for number in numbers if number >= available]
    if missing:
        raise DeviceError(
            f"--devices {text}: there is no GPU {missing[0]}.",
            hint=f"The GPUs here have the numbers 0 to {available - 1}.",
        )
    return [mx.gpu(number) for number in numbers or range(available)]


def split_batch(size: int, devices: int) -> list[slice]:
    """Cut a batch into one part a device, as even as can be: the first ones take one more; some may be empty."""
    each, more = divmod(size, devices)
    ends = [each * (i + 1) + min(i + 1, more) for i in range(devices)]
    return [slice(start, end) for start, end in zip([0, *ends], ends)]
