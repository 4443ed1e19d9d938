"""How far a training has come, kept on disk where that is asked for."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence

from hotdog_ft.backend import mx
from hotdog_ft.data.loader import Batch
from hotdog_ft.training.checkpoint import Checkpoints, Place
from hotdog_ft.training.group import ALONE
from hotdog_ft.training.state import TrainingState
from hotdog_ft.training.tally import Tally


class Course:
    """A training's place, from its last checkpoint on or from the start, and the tally of its epoch.

    Raises: RunError, when the checkpoint is another network's.
    """

    def __init__(self, state: TrainingState, checkpoints: Checkpoints | None, devices: list[mx.Context]) -> None:
        self._state = state
        self._checkpoints = checkpoints
        self._devices = devices
        self.place = checkpoints.restore(state) if checkpoints else Place()
        self.tally = Tally.of(self.place.tally, devices, ALONE if self.place.trained else state.group)
        self._start = time.perf_counter() - self.place.epoch_seconds
        self._trained_in = self.place.epoch_seconds

    @property
    def seconds(self) -> float:
        """Of this epoch, without the time between a stop and going on."""
        return time.perf_counter() - self._start

    @property
    def examples_per_sec(self) -> float:
        """Training alone, over all epochs so far."""
        return (self.place.examples + self.tally.examples) / (self.place.seconds + self._trained_in)

    def in_step(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches, each when all processes have come to it."""
        return self._state.group.in_step(batches, self._checkpoints.stop if self._checkpoints else None)

    def step_done(self, batches: Sequence[Batch]) -> None:
        """After each step, on these batches. Raises: Stopped, DivergedError."""
        self.place.batches = batches[-1].number + 1
        self.place.steps += 1
        self._keep_if_due()

    def trained(self) -> None:
        """After an epoch's last batch. From now on, all processes have the same statistics and the same tally."""
        self._state.average_statistics()
        self.tally = self.tally.everywhere(self._state.group)
        self.place.trained = True
        self._trained_in = self.seconds

    def judging(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches that the epoch is judged by. Raises: Stopped."""
        for batch in self.in_step(batches):
            yield batch
            if self._checkpoints and self._checkpoints.is_asked_to_end:
                self._keep()

    def next_epoch(self) -> None:
        """After all that an epoch brings. Raises: Stopped."""
        place = self.place
        seconds = place.seconds + self._trained_in
        self.place = Place(place.epoch + 1, examples=place.examples + self.tally.examples, seconds=seconds)
        self.tally = Tally()
        self._start = time.perf_counter()
        if self._checkpoints:
            self._keep()

    def _keep_if_due(self) -> None:
        if self._checkpoints and self._checkpoints.is_due(self.place):
            self._keep()

    def _keep(self) -> None:
        assert self._checkpoints
        trained, begun = self.place.trained, self.place.batches > 0
        place = dataclasses.replace(
            self.place,
            tally=self.tally.sums(self._devices, ALONE if trained else self._state.group) if begun else {},
            epoch_seconds=self._trained_in if trained else self.seconds,
        )
        self._checkpoints.save(place, self._state)
        self._checkpoints.end_if_asked(place)
