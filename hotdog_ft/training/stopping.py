"""Ending a training before its end, when it is asked to, and at a place that it can go on from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


class Stopped(Exception):
    """The training was asked to end, and has saved a checkpoint. where: in words. number: the signal that asked."""

    def __init__(self, where: str, number: int) -> None:
        super().__init__(f"asked by signal {number} {where}")
        self.where = where
        self.number = number


@dataclass
class StopRequest:
    """Set by a signal handler, met between two batches. alone: whether no other processes have to agree."""

    alone: bool = True
    listening: bool = False
    """Whether somebody will meet it: the handler has to end the program itself where nobody does."""
    number: Optional[int] = None
    """The signal that asked."""
    agreed: Optional[int] = None
    """The signal that has reached any process of the group, as all of them know by now."""

    @property
    def met(self) -> Optional[int]:
        """The signal that it is time to end by."""
        return self.number if self.alone else self.agreed
