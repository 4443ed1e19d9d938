"""A graph with what it takes beside the network's parameters."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hotdog_ft.backend import mx, nd
from hotdog_ft.models.graph import Node


@dataclass
class Plan:
    """What to compute, and from what."""

    symbol: mx.sym.Symbol
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    """By the name of their variable, float32."""
    widened: dict[str, int] = field(default_factory=dict)
    """Running statistics that the graph takes with more channels: the parameter's name, and how many channels."""

    def constant(self, name: str, value: np.ndarray) -> Node:
        """A new variable, and the value that it always has."""
        self.constants[name] = value
        return Node("null", name, shape=value.shape)

    def arguments(self, parameters: dict[str, nd.NDArray], device: mx.Context) -> dict[str, nd.NDArray]:
        """All variables' values but the input's, by name, on the device that the parameters are on.

        They are the parameters' own arrays, but for those that the graph takes with more channels.
        """
        values = {name: nd.array(value, ctx=device) for name, value in self.constants.items()}
        for name, value in parameters.items():
            more = self.widened.get(name, len(value)) - len(value)
            values[name] = nd.concat(value, nd.zeros(more, ctx=device), dim=0) if more else value
        return values
