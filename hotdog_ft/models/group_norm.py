"""Group normalisation (Wu and He, 2018) with a scale and a shift for each channel, as GluonCV's weights have them.

MXNet's own layer has one of each for a group; GluonCV's asks for the shape of its input, and so can't be hybridized.
"""

from __future__ import annotations

from hotdog_ft.backend import gluon


class GroupNorm(gluon.HybridBlock):
    """Normalise each group of channels of each photo by its own mean and variance.

    Input and output: shape (batch, in_channels, height, width).
    """

    def __init__(
        self,
        in_channels: int,
        groups: int = 32,
        epsilon: float = 1e-5,
        gamma_initializer: str = "ones",
        beta_initializer: str = "zeros",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self._groups, self._epsilon = groups, epsilon
        with self.name_scope():
            self.gamma = self.params.get("gamma", shape=(in_channels,), init=gamma_initializer)
            self.beta = self.params.get("beta", shape=(in_channels,), init=beta_initializer)

    def hybrid_forward(self, F, x, gamma, beta):
        # The operator's own scale and shift are those of a group: they stay 1 and 0.
        ones, zeros = F.ones(self._groups), F.zeros(self._groups)
        y = F.GroupNorm(x, ones, zeros, num_groups=self._groups, eps=self._epsilon)
        y = F.broadcast_mul(y, F.reshape(gamma, shape=(1, -1, 1, 1)))
        return F.broadcast_add(y, F.reshape(beta, shape=(1, -1, 1, 1)))
