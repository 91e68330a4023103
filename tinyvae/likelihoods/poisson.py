"""Poisson: counts, whose rate is decoded from z."""

import numpy as np

from .record import COUNTS, Likelihood, counts


def poisson_forward(log_rate, x):
    """log p(x|z) = sum_d x ln r - r - ln x!,  r = exp(log_rate)

    Parameters
    ----------
    log_rate : ndarray of shape (N, D)
    x : ndarray of shape (N, D), of counts 0, 1, 2, ...

    Returns
    -------
    log_px : ndarray of shape (N,), in nats
    cache : what `poisson_backward` needs

    Examples
    --------
    >>> log_px, cache = poisson_forward(np.log([[2.0]]), np.array([[3]]))
    >>> print(np.exp(log_px).round(6), (2**3 * np.exp(-2) / 6).round(6))
    [0.180447] 0.180447
    """
    x, wide = np.asarray(x, log_rate.dtype), log_rate.astype(np.float64)  # large terms cancel: in float32 nats would be lost
    rate = np.exp(wide)
    cache = x, rate.astype(log_rate.dtype)
    return (x * wide - rate - log_factorial(x)).sum(-1).astype(log_rate.dtype), cache


def poisson_backward(dlog_px, cache):
    """dlog_rate = dlog_px (x - r)                       dlog_rate (N, D)"""
    x, rate = cache
    return dlog_px[..., None] * (x - rate)


def log_factorial(x):
    """ln x! = sum of ln i for i = 1, ..., x, by a table up to the largest x.

    >>> print(np.exp(log_factorial(np.array([0, 1, 5]))).round(9))
    [  1.   1. 120.]
    """
    table = np.cumsum(np.log(np.maximum(np.arange(int(x.max()) + 1), 1)))
    return table[x.astype(np.intp)]


def _sample(log_rate, rng):
    return rng.poisson(np.exp(np.minimum(log_rate, 40))).astype(log_rate.dtype)  # beyond e^40 rng.poisson has no integers


def _constant(X):
    return (np.log(np.maximum(X.mean(0), 1e-4)),)  # pixels that are always 0 would have the rate 0


RECORD = Likelihood(
    poisson_forward, poisson_backward, np.exp, _sample, _constant, counts, domain=COUNTS, discrete=True, whole=True,
)  # fmt: skip
