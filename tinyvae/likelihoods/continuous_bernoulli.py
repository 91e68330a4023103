"""Continuous Bernoulli: grey pixels, with the normaliser that the Bernoulli lacks."""

import numpy as np

from ..layers import sigmoid, softplus
from .record import Likelihood, unit_interval


def continuous_bernoulli_forward(logits, x):
    """log p(x|z) = sum_d x l - softplus(l) + log C,  C = l / tanh(l / 2)                 [CB.1]

    C = 2 atanh(1 - 2p) / (1 - 2p) with p = sigmoid(l) makes the Bernoulli formula integrate to
    one over x in [0, 1] (arXiv:1907.06845). In logits it is 0/0 only at l = 0, where C = 2.

    Parameters
    ----------
    logits : ndarray of shape (N, D)
    x : ndarray of shape (N, D), in [0, 1]

    Returns
    -------
    log_px : ndarray of shape (N,), in nats
    cache : what `continuous_bernoulli_backward` needs

    Examples
    --------
    >>> log_px, cache = continuous_bernoulli_forward(np.zeros((1, 3)), np.full((1, 3), 0.7))
    >>> print(abs(log_px).round(12))                      # p = 1/2: uniform on [0, 1]
    [0.]
    """
    a = np.maximum(np.abs(logits), 1e-7)  # C is even in l; an error of 1e-15 in place of 0/0
    log_C = np.log(a / np.tanh(a / 2))
    x = np.asarray(x, logits.dtype)
    cache = logits, x
    return (x * logits - softplus(logits) + log_C).sum(-1), cache


def continuous_bernoulli_backward(dlog_px, cache):
    """dlogits = dlog_px (x - E[x]),  E[x] = sigmoid(l) - 1/l + 1/sinh(l)    dlogits (N, D)   [CB.2]"""
    logits, x = cache
    return dlog_px[..., None] * (x - continuous_bernoulli_mean(logits))


def continuous_bernoulli_mean(logits):
    """E[x] = sigmoid(l) - (1/l - 1/sinh(l)), by its power series where the bracket is 0/0.

    >>> print(continuous_bernoulli_mean(np.array([-50000.0, 0.0, 50000.0])).round(4))
    [0.  0.5 1. ]
    """
    small = np.abs(logits) < 0.1
    l = np.where(small, 1, logits)  # the plain formula, kept away from 0
    e = np.exp(-np.abs(l))
    bracket = 1 / l - np.sign(l) * 2 * e / (1 - e * e)
    s = np.where(small, logits, 0)  # the series, kept away from large powers
    series = s * (1 / 6 - s * s * (7 / 360 - s * s * (31 / 15120 - s * s * (127 / 604800))))
    return sigmoid(logits) - np.where(small, series, bracket)


def _sample(logits, rng):
    """Inverse CDF under -|l|, where nothing overflows; 1 - x under -l is x under l."""
    a = -np.maximum(np.abs(logits), 1e-6)
    x = np.log1p(rng.random(logits.shape) * np.expm1(a)) / a
    return np.where(logits > 0, 1 - x, x).astype(logits.dtype)


def _constant(X):
    """The logits whose E[x] is the mean of the pixels, by bisection; within +-50, for a pixel that never varies has none."""
    high = np.full(X.shape[1], 50.0)
    low = -high
    for _ in range(60):
        middle = (low + high) / 2
        too_high = continuous_bernoulli_mean(middle) > X.mean(0)
        low, high = np.where(too_high, low, middle), np.where(too_high, middle, high)
    return (middle,)


RECORD = Likelihood(
    continuous_bernoulli_forward, continuous_bernoulli_backward, continuous_bernoulli_mean, _sample, _constant, unit_interval,
    domain=(0, 1),
)  # fmt: skip
