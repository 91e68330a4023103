"""The auto-encoder family: linear, deep, denoising, sparse and contractive, with hand-written gradients.

A code h = encoder(x), a reconstruction x_hat = decoder(h), squared error, and a penalty that keeps the code from being a
copy (lectures D2, D3 and D4). None of them defines a distribution: that is what the VAE adds.
"""

from typing import ClassVar

import numpy as np

from ..layers import sigmoid_backward, sigmoid_forward
from ..mlp import ACTIVATIONS, Network, mlp_backward, mlp_forward, mlp_init
from ..model import Model
from ..support.validation import (
    check_choice,
    check_int,
    check_matrix,
    check_number,
    check_sizes,
)


def squared_error_forward(x_hat, x):
    """error = sum_d (x_hat_d - x_d)^2                                                   [AE.1]

    x_hat and x have shape (N, D), error (N,).
    """
    r = x_hat - x
    cache = r
    return (r * r).sum(-1), cache


def squared_error_backward(derror, cache):
    """dx_hat = 2 derror (x_hat - x)                              derror (N,), dx_hat (N, D)   [AE.2]"""
    r = cache
    return 2 * derror[..., None] * r


def l1_forward(h):
    """penalty = sum_j |h_j|                                          h (N, K), penalty (N,)      [ABS.1]"""
    cache = h
    return np.abs(h).sum(-1), cache


def l1_backward(dpenalty, cache):
    """dh = dpenalty sign(h), 0 at h = 0                              dh (N, K)                   [ABS.2]"""
    h = cache
    return dpenalty[..., None] * np.sign(h)


def sparsity_forward(h, rho=0.05):
    """penalty = sum_j KL(rho || mean over the batch of h_j), between Bernoullis; for codes h in (0, 1)   [SPARSE.1]

    The mean couples the batch, so the penalty is one number: shape (), in nats, for h of shape (N, K).
    """
    mean = h.mean(0)
    n = len(h)
    cache = mean, rho, n
    return np.sum(rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean))), cache


def sparsity_backward(dpenalty, cache):
    """dh = dpenalty (-rho / mean + (1 - rho) / (1 - mean)) / N, the same for every row           [SPARSE.2]

    dpenalty has shape (), dh shape (N, K).
    """
    mean, rho, n = cache
    dmean = dpenalty * ((1 - rho) / (1 - mean) - rho / mean)
    return np.broadcast_to(dmean / n, (n, len(mean))).copy()


def contractive_forward(h, W):
    """penalty = ||J||^2 = sum_j (h_j (1 - h_j))^2 sum_i W_ij^2,  J = dh/dx for h = sigmoid(x W + b)   [CAE.1]

    h has shape (N, K), W (D, K), penalty (N,). Source: Rifai et al., ICML 2011.
    """
    slope = h * (1 - h)
    norm = (W * W).sum(0)
    cache = h, slope, W, norm
    return (slope * slope) @ norm, cache


def contractive_backward(dpenalty, cache):
    """Two paths: dW = 2 W sum_n dpenalty slope^2 directly, dh = 2 dpenalty slope (1 - 2h) norm through h   [CAE.2]

    dpenalty has shape (N,), dh (N, K), dW (D, K).
    """
    h, slope, W, norm = cache
    dh = 2 * dpenalty[..., None] * slope * (1 - 2 * h) * norm
    dW = 2 * W * (dpenalty @ (slope * slope))
    return dh, dW


class AutoEncoder(Model):
    """An auto-encoder with squared error, and at most one way to regularise it.

    Parameters
    ----------
    n_features, n_latent : int
    hidden : sequence of int
        Sizes of hidden layers; () with code="linear" is the linear auto-encoder, which spans the subspace of PCA.
    activation : str, of the hidden layers
    code : "linear" or "sigmoid", the encoder's last layer
    noise : float
        Standard deviation of the Gaussian noise on the input of a denoising auto-encoder.
    penalty : None, "l1", "sparsity" (sigmoid code) or "contractive" (sigmoid code, no hidden layers)
    weight : float, of the penalty
    rho : float in (0, 1), the mean activation that "sparsity" asks for
    seed : int
    dtype : str, "float64" or "float32"

    Examples
    --------
    >>> from tinyvae import Adam, load_digits
    >>> X, _ = load_digits()
    >>> model = AutoEncoder(64, 2, hidden=(32,))
    >>> history = model.fit(X, epochs=5, optimizer=Adam(0.003), decay=True, progress=False)
    >>> history["loss"][-1] < history["loss"][0], model.encode(X).shape
    (True, (1797, 2))
    """

    units: ClassVar[dict] = {"squared_error": "squared units of x", "penalty": "of its own: see the pair"}

    def __init__(
        self, n_features, n_latent, *, hidden=(), activation="tanh", code="linear", noise=0.0,
        penalty=None, weight=0.1, rho=0.05, seed=0, dtype="float64",
    ):  # fmt: skip
        super().__init__(seed=seed, dtype=dtype)
        self.n_features, self.n_latent = check_int("n_features", n_features, 1), check_int("n_latent", n_latent, 1)
        self.hidden = check_sizes("hidden", hidden)
        self.activation = check_choice("activation", activation, ACTIVATIONS)
        self.code = check_choice("code", code, ("linear", "sigmoid"))
        self.noise, self.weight = check_number("noise", noise, at_least=0), check_number("weight", weight, at_least=0)
        self.rho, self.penalty = check_number("rho", rho, above=0, below=1), penalty
        if penalty is not None:
            check_choice("penalty", penalty, ("l1", "sparsity", "contractive"))
        if penalty in ("sparsity", "contractive") and code != "sigmoid":
            raise ValueError(f"code must be 'sigmoid' for penalty {penalty!r}, got {code!r}")
        if penalty == "contractive" and self.hidden:
            raise ValueError(f"hidden must be () for the contractive penalty, got {self.hidden}: J is that of one layer")
        inner, sizes = range(len(self.hidden)), (self.n_features, *self.hidden, self.n_latent)
        self.encoder = Network((*(f"encoder.{i}" for i in inner), "encoder.code"), sizes, self.activation)
        self.decoder = Network((*(f"decoder.{i}" for i in inner), "decoder.out"), sizes[::-1], self.activation)
        self.shapes = self.encoder.shapes | self.decoder.shapes

    def init_params(self, rng, params):
        """Glorot or He for both networks."""
        mlp_init(rng, params, self.encoder)
        mlp_init(rng, params, self.decoder)

    def draw_noise(self, rng, batch):
        """What is added to the input, of shape (N, D); None without noise."""
        x, _ = batch
        return self.noise * rng.standard_normal(x.shape, self.dtype) if self.noise else None

    def loss_forward(self, batch, noise):
        """Mean over the batch of squared error + weight x penalty; the code is that of x + noise, of shape (N, D)."""
        x, _ = batch
        if noise is not None and np.shape(noise) != x.shape:
            raise ValueError(f"noise must have the shape of x, {x.shape}, got {np.shape(noise)}: it is what is added to the input")
        x_noisy = x if noise is None else x + noise
        a, encoder_cache = mlp_forward(x_noisy, self.params, self.encoder)
        h, code_cache = sigmoid_forward(a) if self.code == "sigmoid" else (a, None)
        x_hat, decoder_cache = mlp_forward(h, self.params, self.decoder)
        error, error_cache = squared_error_forward(x_hat, x)
        penalty, penalty_cache = self._penalty_forward(h)
        cache = encoder_cache, code_cache, decoder_cache, error_cache, penalty_cache, error.shape
        terms = {"squared_error": error, "penalty": np.broadcast_to(penalty, error.shape)}
        return (np.mean(error + self.weight * penalty), terms), cache

    def loss_backward(self, dloss, cache, weights=None):
        """The same lines from last to first; the gradient has the shape of `theta`."""
        encoder_cache, code_cache, decoder_cache, error_cache, penalty_cache, shape = cache
        weights = self.weigh(weights, squared_error=1, penalty=self.weight)
        dparams = self.gradients()
        dh_penalty, dW = self._penalty_backward(weights["penalty"] * dloss, penalty_cache, shape)
        dx_hat = squared_error_backward(np.full(shape, weights["squared_error"] * dloss / shape[0], self.dtype), error_cache)
        dh = mlp_backward(dx_hat, decoder_cache, dparams) + dh_penalty
        da = dh if code_cache is None else sigmoid_backward(dh, code_cache)
        mlp_backward(da, encoder_cache, dparams, need_dx=False)
        dparams["encoder.code.W"] += dW
        return dparams.flat()

    def _penalty_forward(self, h):
        if self.penalty == "l1":
            return l1_forward(h)
        if self.penalty == "sparsity":
            return sparsity_forward(h, self.rho)
        if self.penalty == "contractive":
            return contractive_forward(h, self.params["encoder.code.W"])
        return self.dtype.type(0), None

    def _penalty_backward(self, dpenalty, cache, shape):
        """(dh, dW) of the mean penalty; 0 where there is none."""
        each = np.full(shape, dpenalty / shape[0], self.dtype)
        if self.penalty == "l1":
            return l1_backward(each, cache), 0
        if self.penalty == "sparsity":
            return sparsity_backward(dpenalty, cache), 0
        if self.penalty == "contractive":
            return contractive_backward(each, cache)
        return 0, 0

    def encode(self, X):
        """Codes h of shape (N, K)."""
        h = mlp_forward(self.scaled(self.check_data(X)), self.params, self.encoder)[0]
        return sigmoid_forward(h)[0] if self.code == "sigmoid" else h

    def decode(self, H):
        """Reconstructions of shape (N, D) from codes."""
        return mlp_forward(self.scaled(check_matrix("H", H, self.n_latent)), self.params, self.decoder)[0]

    def reconstruction_error(self, X):
        """The mean squared distance of a datum to its reconstruction."""
        return float(squared_error_forward(self.decode(self.encode(X)), self.scaled(X))[0].mean())


def pairs(rng):
    """Where to check the pairs of this page."""
    normal, codes = rng.standard_normal((2, 3, 4)), rng.uniform(0.1, 0.9, (3, 4))
    return {
        "squared_error": (squared_error_forward, squared_error_backward, tuple(normal), ("x_hat",)),
        "l1": (l1_forward, l1_backward, (normal[0],)),
        "sparsity": (sparsity_forward, sparsity_backward, (codes,)),
        "contractive": (contractive_forward, contractive_backward, (codes, rng.standard_normal((5, 4)))),
    }


def models(rng):
    """Small auto-encoders, one of each kind."""
    kinds = {
        "linear": {}, "deep": {"hidden": (7, 6)}, "denoising": {"noise": 0.3}, "l1": {"penalty": "l1"},
        "sparsity": {"code": "sigmoid", "penalty": "sparsity"}, "contractive": {"code": "sigmoid", "penalty": "contractive"},
    }  # fmt: skip
    X = rng.standard_normal((4, 5))
    return {f"auto-encoder, {kind}": (AutoEncoder(5, 3, weight=0.7, **options), X, None) for kind, options in kinds.items()}
