"""What there is to measure: each suite is a module whose `comparisons` says who takes turns at what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hotdog_ft.data.folder import ImageFolder


@dataclass(frozen=True)
class Setting:
    """What the suites are told."""

    data: ImageFolder
    """The photos, as links in a folder with train/ and test/, as the book's code wants them. Few when quick."""
    scratch: Path
    """A folder for whatever else a suite needs."""
    quick: bool
    torch_python: str
    """The Python that has PyTorch."""

    @property
    def folder(self) -> Path:
        """Where the photos are."""
        return self.data.root

    def timing(self, batch_size: int) -> tuple[str, ...]:
        """The options of a measured process for its batch size and its time."""
        if self.quick:
            return ("--batch-size", str(min(batch_size, 16)), "--seconds", "2", "--batches", "1")
        return ("--batch-size", str(batch_size), "--seconds", "8", "--batches", "2")

    def batch_size(self, batch_size: int) -> int:
        """As `timing` has it."""
        return int(self.timing(batch_size)[1])
