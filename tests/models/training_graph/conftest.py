from __future__ import annotations

import numpy as np
import pytest

from hotdog_ft.backend import mx, nd


@pytest.fixture
def net(bottleneck_net):
    return bottleneck_net([mx.cpu()])


@pytest.fixture
def X() -> nd.NDArray:
    """8 photos."""
    return nd.array(np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3)), dtype="uint8")
