"""MADE, the masked auto-encoder for density estimation: p(x) = prod_i p(x_i | x_<i), exact, without a latent variable.

A VAE has a code and a bound; an autoregressive model has log p(x) itself and no code (lecture D3). Masks on the weights of
an auto-encoder (`tinyvae.masked`) take from output i the pixels i and later, so that one pass gives all D conditionals.
Drawing takes D passes: pixel i waits for those before it.
"""

from typing import ClassVar

import numpy as np

from ..layers import sigmoid
from ..likelihoods.bernoulli import bernoulli_backward, bernoulli_forward
from ..masked import autoregressive_masks, masked_mlp_backward, masked_mlp_forward
from ..mlp import ACTIVATIONS, Network, mlp_init
from ..model import CHUNK, Model
from ..support.streams import SAMPLING, generator
from ..support.validation import check_choice, check_int, check_sizes


class MADE(Model):
    """An autoregressive model of binary pixels by one masked network.

    log p(x) = sum_i log p(x_i | x_<i),  p(x_i = 1 | x_<i) = sigmoid(l_i),  l = masked network(x)          [MADE.3]

    Every factor sums to 1 over x_i, so that p(x) sums to 1 over all images, whatever the weights are.
    Source: Germain and others, arXiv:1502.03509; lecture D3.

    Parameters
    ----------
    n_features : int
        D, the number of pixels, in the order in which they are predicted.
    hidden : sequence of int
        Sizes of the hidden layers, at least one.
    activation : str
        "tanh", "relu", "sigmoid" or "softplus".
    seed : int
    dtype : str
        "float32", or "float64" for checking.

    Attributes
    ----------
    masks : tuple of ndarrays of bool, one for each layer's weights

    Raises
    ------
    ValueError, TypeError
        If an argument lies outside its range; the message says what was wanted.

    Examples
    --------
    >>> from tinyvae import Adam
    >>> X = np.array([[0, 0, 0], [1, 1, 1]] * 20)  # pixels that copy the one before
    >>> made = MADE(3, hidden=(8,))
    >>> history = made.fit(X, epochs=50, optimizer=Adam(0.03), progress=False)
    >>> p = np.exp(made.log_prob([[0, 0, 0], [1, 1, 1], [0, 1, 0]]))
    >>> bool(p[:2].min() > 0.4), bool(p[2] < 0.05)
    (True, True)
    """

    units: ClassVar[dict] = {"neg_log_p": "nats"}

    def __init__(self, n_features, hidden=(200,), *, activation="tanh", seed=0, dtype="float32"):
        super().__init__(seed=seed, dtype=dtype)
        self.n_features = check_int("n_features", n_features, 1)
        self.hidden = check_sizes("hidden", hidden)
        if not self.hidden:
            raise ValueError("hidden must name at least one layer, got (): outputs see only what hidden units of smaller numbers hold")
        self.activation = check_choice("activation", activation, ACTIVATIONS)
        sizes = self.n_features, *self.hidden, self.n_features
        self.network = Network((*(f"made.{i}" for i in range(len(self.hidden))), "made.out"), sizes, activation)
        self.masks, self.shapes = autoregressive_masks(sizes), self.network.shapes

    def init_params(self, rng, params):
        """He below a ReLU, Glorot elsewhere; what is masked keeps its first value and counts for nothing."""
        mlp_init(rng, params, self.network)

    def loss_forward(self, batch, noise):
        """loss = -mean over the batch of log p(x), in nats; nothing is random. x has shape (N, D)."""
        x, _ = batch
        logits, network_cache = masked_mlp_forward(x, tuple(self.params.values()), self.masks, self.activation)
        log_p, log_p_cache = bernoulli_forward(logits, x)
        cache = network_cache, log_p_cache, log_p.shape
        return (-np.mean(log_p), {"neg_log_p": -log_p}), cache

    def loss_backward(self, dloss, cache, weights=None):
        """dlog_p = -dloss / N, then the masked network backwards; dtheta of shape (P,)."""
        network_cache, log_p_cache, (N,) = cache
        weight = self.weigh(weights, neg_log_p=1)["neg_log_p"]
        dlog_p = np.full(N, -weight * dloss / N, self.dtype)
        dlogits = bernoulli_backward(dlog_p, log_p_cache)
        _, dweights = masked_mlp_backward(dlogits, network_cache)  # x is data: its gradient ends here
        dparams = self.gradients()
        for name, d in zip(self.shapes, dweights):
            dparams[name] += d
        return dparams.flat()

    # ---- data and use --------------------------------------------------------------------------------

    def check_data(self, X, name="X", binarize=None):
        """X as it is, or a ValueError or TypeError: wrong shape or dtype, NaN, pixels other than 0 and 1.

        With `binarize`, pixels in [0, 1], from which binary ones are to be drawn.
        """
        X = super().check_data(X, name, binarize)
        if not binarize and not ((X == 0) | (X == 1)).all():
            raise ValueError(f"{name} must hold pixels 0 and 1, got values from {X.min():g} to {X.max():g}: threshold them, ({name} >= 0.5)")
        return X

    def logits(self, X):
        """The logit of p(x_i = 1 | x_<i) for every pixel of every row, of shape (N, D)."""
        X, weights = self.scaled(self.check_data(X)), tuple(self.params.values())
        chunks = (X[i : i + CHUNK] for i in range(0, len(X), CHUNK))
        return np.concatenate([masked_mlp_forward(x, weights, self.masks, self.activation)[0] for x in chunks])

    def log_prob(self, X):
        """log p(x), exact, of shape (N,), in nats."""
        return bernoulli_forward(self.logits(X), self.scaled(np.asarray(X)))[0]

    def score_samples(self, X):
        """`log_prob` in scikit-learn's word."""
        return self.log_prob(X)

    def score(self, X, y=None):
        """The mean of log p(x), in nats per datum. y is ignored."""
        return float(np.mean(self.log_prob(X), dtype=np.float64))

    def sample(self, n, rng=None, *, mean=False):
        """n new images, of shape (n, D), a pixel at a time: x_i ~ p(x_i | x_<i); or, if `mean`, the p(x_i = 1 | x_<i) beside the draw."""
        rng = generator(rng, self.seed, SAMPLING)
        x = np.zeros((check_int("n", n, 1), self.n_features), self.dtype)
        p = np.zeros_like(x)
        for i in range(self.n_features):  # later pixels are still 0, and no output up to i sees them
            p[:, i] = sigmoid(self.logits(x)[:, i])
            x[:, i] = rng.random(len(x)) < p[:, i]
        return p if mean else x


def models(rng):
    """Small models with data, to check whole."""
    found = {}
    for name, options in {"MADE": {}, "MADE of two layers": {"hidden": (9, 7), "activation": "softplus"}}.items():
        model = MADE(6, **{"hidden": (8,)} | options, dtype="float64")
        model.theta += 0.1 * rng.standard_normal(model.theta.size)  # biases off zero
        found[name] = model, rng.integers(0, 2, (4, 6)), None
    return found
