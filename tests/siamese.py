"""A model as somebody else would write it, for the tests of the protocol, and data for it."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from tinyvae import Adam, Model, Network
from tinyvae.mlp import mlp_backward, mlp_forward

FILES = Path(__file__).parent / "files"
RNG = np.random.default_rng(0)
X, Y = RNG.uniform(-1, 1, (50, 3)), RNG.integers(-1, 2, 50)


class Siamese(Model):
    """Two branches share their weights; "unused" is never touched: squared distance of f(x) to f(-x + noise), weighed by y."""

    units: ClassVar[dict] = {"distance": "squared", "size": "squared"}

    def __init__(self, n_features=3, hidden=4, *, pull=0.5, seed=0, dtype="float32"):
        super().__init__(seed=seed, dtype=dtype)
        self.n_features, self.hidden, self.pull = n_features, hidden, pull
        self.network = Network(("net.0", "net.out"), (n_features, hidden, 2), "tanh")
        self.shapes = self.network.shapes | {"unused": (5,)}

    def draw_noise(self, rng, batch):
        return 0.1 * rng.standard_normal(batch[0].shape, self.dtype)

    def loss_forward(self, batch, noise):
        x, y = batch
        known = np.ones(len(x), self.dtype) if y is None else (y >= 0).astype(self.dtype)
        a, a_cache = mlp_forward(x, self.params, self.network)
        b, b_cache = mlp_forward(noise - x, self.params, self.network)
        distance, size = known * ((a - b) ** 2).sum(1), (a**2).sum(1)
        return (np.mean(distance + self.pull * size), {"distance": distance, "size": size}), (a, a_cache, b, b_cache, known)

    def loss_backward(self, dloss, cache, weights=None):
        a, a_cache, b, b_cache, known = cache
        weights, dparams = self.weigh(weights, distance=1, size=self.pull), self.gradients()
        each = 2 * dloss / len(a)
        d = weights["distance"] * each * known[:, None] * (a - b)
        mlp_backward(d + weights["size"] * each * a, a_cache, dparams, need_dx=False)
        mlp_backward(-d, b_cache, dparams, need_dx=False)
        return dparams.flat()


LEARNED = list(Siamese().network.shapes)  # all but "unused"


def fit(model, epochs, **options):
    return model.fit(X, Y, **{"epochs": epochs, "batch_size": 7, "optimizer": Adam(1e-2), "progress": False} | options)
