"""Training: devices, schedule, and the loop. It yields one result an epoch and writes no file but its checkpoint."""

from hotdog_ft.training.checkpoint import Checkpoints, Place
from hotdog_ft.training.devices import can_halve, find_devices
from hotdog_ft.training.group import ALONE, Group, join
from hotdog_ft.training.stopping import Stopped, StopRequest
from hotdog_ft.training.trainer import (
    EpochResult,
    balanced_weights,
    derived_seed,
    evaluate_accuracy,
    train_fine_tuning,
)

__all__ = [
    "ALONE",
    "Checkpoints",
    "EpochResult",
    "Group",
    "Place",
    "StopRequest",
    "Stopped",
    "balanced_weights",
    "can_halve",
    "derived_seed",
    "evaluate_accuracy",
    "find_devices",
    "join",
    "train_fine_tuning",
]
