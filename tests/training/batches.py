"""Batches of noise that tests of training share."""

from __future__ import annotations

import numpy as np

from hotdog_ft.data.loader import Batch


def batch(size: int, seed: int = 0) -> Batch:
    """16 x 16 pixels and labels of two classes."""
    rng = np.random.default_rng(seed)
    return Batch(rng.integers(0, 256, (size, 16, 16, 3), dtype=np.uint8), rng.integers(0, 2, size).astype(np.int32))
