"""Training: devices, schedule, and the loop. It yields one result an epoch and writes no file."""

from hotdog_ft.training.devices import can_halve, find_devices
from hotdog_ft.training.trainer import EpochResult, balanced_weights, epoch_seed, evaluate_accuracy, train_fine_tuning

__all__ = [
    "EpochResult",
    "balanced_weights",
    "can_halve",
    "epoch_seed",
    "evaluate_accuracy",
    "find_devices",
    "train_fine_tuning",
]
