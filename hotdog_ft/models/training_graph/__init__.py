"""The graph that a network is trained by on a CPU: the same function of the same parameters, in fewer passes over data.

Three things cost MXNet's oneDNN backend more than the rest of the convolutions; each has a module of its own:

- `activations`: ReLU and ReLU6 after a BatchNorm;
- `widths`: numbers of channels that aren't multiples of 16;
- `columns`: the gradient of depthwise kernels of more than three columns.

`faster` makes a graph without them, `trial` compares it with the plain one, and `network` puts it to use. The network,
its parameters and its files stay as they are.
"""

from hotdog_ft.models.training_graph.network import training_network

__all__ = ["training_network"]
