"""An examination for whoever names the mistake in a backward function: the pairs, and what the names mean.

The wrong answers stand in diagnosis_wrong_a.py to diagnosis_wrong_e.py, the right ones in diagnosis_right_a.py to
diagnosis_right_c.py; `diagnosis_cases` holds them together.
"""

from typing import NamedTuple

import numpy as np

from tinyvae import gaussian, iwae, layers, likelihoods
from tinyvae.likelihoods.poisson import poisson_backward, poisson_forward

CATEGORIES = {
    "scale": "a gradient is a number times the right one: a sign, 1/2, 2, 1/N, 1/K, a scalar that was forgotten",
    "transposed": "an array or its transpose in the place of the other",
    "axis": "a sum, a mean or a broadcast goes over the wrong axis, over too few or over too many",
    "factor": "a factor is missing, or is there once too often, or another one stands in its place",
    "term": "a term is missing, is too much, or has the wrong sign",
    "order": "the right gradients in another order",
    "count": "too many or too few gradients are returned",
    "noise": "random numbers are drawn in backward",
    "in place": "dout, the cache or the inputs are changed",
    "dependence": "a gradient does not depend on something it should depend on, or does on something it should not",
    "linearity": "a gradient is not linear in dout",
    "precision": "the formula is right, its numbers are coarse: float32, or differences in place of derivatives",
    "raises": "an exception",
    "shape": "a gradient has not the shape of its input, or arrays that meet do not fit",
    "nan": "a NaN or an infinity",
    "input replaced": "the right formula with another quantity in the place of one of its own: sigma^2 for sigma, 1 for dout",
    "edit": "the right formula after one small change",
    "mutant": "the right code after one small change: another sign, name, number, axis or function",
    "unknown": "no simple name fits",
}
EDIT = "edit", "mutant"


class Pair(NamedTuple):
    """A forward function, its right backward, and where to examine them.

    `inputs` is a function of (rng, sizes) to the tuple of forward's inputs; `outputs` names what backward returns,
    `wrt` the inputs these are gradients by, in the same order; data and noise have none. A single gradient may come
    alone or in a tuple, several in a tuple or a list. `sizes` maps "N", "K", "D" and "L" to different primes.
    """

    forward: object
    backward: object
    inputs: object
    outputs: tuple
    wrt: tuple


# ---- pairs that are not in the package ---------------------------------------------------------


def softmax_forward(a):
    p = np.exp(a - a.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    cache = p
    return p.copy(), cache


def softmax_backward(dp, cache):
    p = cache
    return p * (dp - (dp * p).sum(-1, keepdims=True))


def log_sum_exp_forward(a):
    top = a.max(-1, keepdims=True)
    total = np.exp(a - top).sum(-1, keepdims=True)
    cache = a, top + np.log(total)
    return (top + np.log(total))[:, 0], cache


def log_sum_exp_backward(dy, cache):
    a, y = cache
    return dy[:, None] * np.exp(a - y)


def kl_between_forward(mu, log_sigma, m, log_s):
    """KL(N(mu, sigma^2) || N(m, s^2)) summed over the K latents; m and log_s have shape (K,)."""
    r, sigma2, s2 = mu - m, np.exp(2 * log_sigma), np.exp(2 * log_s)
    cache = r, sigma2, s2
    return (log_s - log_sigma + (sigma2 + r * r) / (2 * s2) - 0.5).sum(-1), cache


def kl_between_backward(dkl, cache):
    r, sigma2, s2 = cache
    dkl = dkl[:, None]
    dmu = dkl * r / s2
    dlog_s = dkl * (1 - (sigma2 + r * r) / s2)
    return dmu, dkl * (sigma2 / s2 - 1), -dmu.sum(0), dlog_s.sum(0)


def kl_log_var_forward(mu, log_var):
    var = np.exp(log_var)
    cache = mu, var
    return (var + mu * mu - 1 - log_var).sum(-1) / 2, cache


def kl_log_var_backward(dkl, cache):
    mu, var = cache
    dkl = dkl[:, None]
    return dkl * mu, dkl * (var - 1) / 2


def reparameterize_log_var_forward(mu, log_var, eps):
    sigma = np.exp(log_var / 2)
    cache = sigma, eps
    return mu + sigma * eps, cache


def reparameterize_log_var_backward(dz, cache):
    sigma, eps = cache
    return dz, dz * eps * sigma / 2


def leaky_relu_forward(x):
    cache = x
    return np.where(x > 0, x, 0.1 * x), cache


def leaky_relu_backward(dy, cache):
    x = cache
    return np.where(x > 0, dy, 0.1 * dy)


def swish_forward(x):
    s = layers.sigmoid(x)
    cache = x, s
    return x * s, cache


def swish_backward(dy, cache):
    x, s = cache
    return dy * (s + x * s * (1 - s))


def two_layer_forward(x, W1, b1, W2, b2):
    h = np.tanh(x @ W1 + b1)
    cache = x, h, W1, W2
    return h @ W2 + b2, cache


def two_layer_backward(dy, cache):
    x, h, W1, W2 = cache
    da = dy @ W2.T * (1 - h * h)
    return da @ W1.T, x.T @ da, da.sum(0), h.T @ dy, dy.sum(0)


def layer_norm_forward(x, gain, shift):
    r = x - x.mean(-1, keepdims=True)
    std = np.sqrt((r * r).mean(-1, keepdims=True) + 1e-5)
    xhat = r / std
    cache = xhat, std, gain
    return gain * xhat + shift, cache


def layer_norm_backward(dy, cache):
    xhat, std, gain = cache
    dxhat = dy * gain
    dx = (dxhat - dxhat.mean(-1, keepdims=True) - xhat * (dxhat * xhat).mean(-1, keepdims=True)) / std
    return dx, (dy * xhat).sum(0), dy.sum(0)


def squared_distances_forward(z, centres):
    """From every z (N, K) to every centre (L, K): (N, L)."""
    diff = z[:, None] - centres
    cache = diff
    return (diff * diff).sum(-1), cache


def squared_distances_backward(dd, cache):
    diff = cache
    ddiff = 2 * dd[..., None] * diff
    return ddiff.sum(1), -ddiff.sum(0)


def mean_squared_error_forward(y, t):
    """The mean over data and pixels: a number."""
    r = y - t
    cache = r
    return np.mean(r * r), cache


def mean_squared_error_backward(dloss, cache):
    r = cache
    return dloss * 2 * r / r.size


# ---- inputs: neither near 0 nor near 1 in size -------------------------------------------------


def sign(rng, shape):
    return rng.choice([-1.0, 1.0], shape)


def real(rng, *shape):
    return sign(rng, shape) * (rng.uniform(0.15, 0.85, shape) + rng.integers(0, 2, shape))


def small(rng, *shape):
    return 0.3 * real(rng, *shape)  # tanh is not saturated


def log_scale(rng, *shape):
    return sign(rng, shape) * rng.uniform(0.15, 0.9, shape)


def grey(rng, *shape):
    return rng.uniform(0.15, 0.85, shape)


def every_class(rng, n_classes, *shape):
    return rng.integers(0, n_classes, shape)


def keep_mask(rng, *shape):
    mask = (rng.random(shape) < 0.7) / 0.7
    mask[0, :2] = 0, 1 / 0.7  # both values, whatever the draw
    return mask


def arrays(*specs):
    """inputs(rng, sizes) from specs such as (real, "ND"): a function of rng, then the letters of its axes."""

    def inputs(rng, sizes):
        return tuple(np.asarray(draw(rng, *(sizes[letter] for letter in letters))) for draw, letters in specs)

    return inputs


def variance(rng):
    return rng.uniform(0.3, 0.8)


UNARY = arrays((real, "ND"))
Q = (real, "NK"), (log_scale, "NK")


def unary(name):
    return Pair(getattr(layers, name + "_forward"), getattr(layers, name + "_backward"), UNARY, ("dx",), ("x",))


def pair(room, name, inputs, *wrt):
    get = room.__getitem__ if isinstance(room, dict) else lambda key: getattr(room, key)
    return Pair(get(name + "_forward"), get(name + "_backward"), inputs, tuple("d" + of for of in wrt), wrt)


here = globals()
PAIRS = {name: unary(name) for name in ("tanh", "sigmoid", "softplus", "relu")}
PAIRS |= {
    "dense": pair(layers, "dense", arrays((real, "ND"), (real, "DK"), (real, "K")), "x", "W", "b"),
    "dropout": pair(layers, "dropout", arrays((real, "ND"), (keep_mask, "ND")), "x"),
    "reparameterize": pair(gaussian, "reparameterize", arrays(*Q, (real, "LNK")), "mu", "log_sigma"),
    "kl": pair(gaussian, "kl", arrays(*Q), "mu", "log_sigma"),
    "gaussian_log_density": pair(gaussian, "gaussian_log_density", arrays((real, "LNK"), *Q), "z", "mu", "log_sigma"),
    "bernoulli": pair(likelihoods, "bernoulli", arrays((real, "ND"), (grey, "ND")), "logits"),
    "gaussian": pair(likelihoods, "gaussian", arrays((real, "ND"), (real, "ND"), (variance, "")), "mean"),
    "gaussian_scalar": pair(likelihoods, "gaussian_scalar", arrays((real, "ND"), (real, "ND"), (log_scale, "")), "mean", "log_eta"),
    "laplace": pair(likelihoods, "laplace", arrays((real, "ND"), (real, "ND"), (variance, "")), "mean"),
    "categorical": pair(
        likelihoods, "categorical", lambda rng, sizes: (real(rng, *map(sizes.get, "NDK")), every_class(rng, *map(sizes.get, "KND"))), "logits"
    ),
    "poisson": Pair(
        poisson_forward, poisson_backward, lambda rng, sizes: (real(rng, sizes["N"], sizes["D"]), rng.integers(2, 9, (sizes["N"], sizes["D"]))),
        ("dlog_rate",), ("log_rate",),
    ),
    "iwae_bound": pair(iwae, "iwae_bound", arrays((real, "LN")), "log_w"),
    "softmax": pair(here, "softmax", UNARY, "a"),
    "log_sum_exp": pair(here, "log_sum_exp", UNARY, "a"),
    "kl_between": pair(here, "kl_between", arrays(*Q, (real, "K"), (log_scale, "K")), "mu", "log_sigma", "m", "log_s"),
    "kl_log_var": pair(here, "kl_log_var", arrays(*Q), "mu", "log_var"),
    "reparameterize_log_var": pair(here, "reparameterize_log_var", arrays(*Q, (real, "NK")), "mu", "log_var"),
    "leaky_relu": pair(here, "leaky_relu", UNARY, "x"),
    "swish": pair(here, "swish", UNARY, "x"),
    "two_layer": pair(here, "two_layer", arrays((real, "ND"), (small, "DK"), (real, "K"), (real, "KL"), (real, "L")), "x", "W1", "b1", "W2", "b2"),
    "layer_norm": pair(here, "layer_norm", arrays((real, "ND"), (real, "D"), (real, "D")), "x", "gain", "shift"),
    "squared_distances": pair(here, "squared_distances", arrays((real, "NK"), (real, "LK")), "z", "centres"),
    "mean_squared_error": pair(here, "mean_squared_error", arrays((real, "ND"), (real, "ND")), "y"),
}  # fmt: skip
