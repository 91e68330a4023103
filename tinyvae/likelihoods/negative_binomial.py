"""Negative binomial: counts that vary more than a Poisson's, by a dispersion r that is learned; r = infinity is the Poisson."""

import math

import numpy as np

from ..layers import sigmoid, softplus
from .poisson import log_factorial
from .record import COUNTS, Likelihood, counts


def negative_binomial_forward(log_mean, x, log_r):
    """log p(x|z) = sum_d ln [r (r+1) ... (r+x-1) / x!] + r ln (r / (r+m)) + x ln (m / (r+m)),  m = exp(log_mean)

    The mean is m, the variance m + m^2 / r. With a = log_mean - log_r the last two terms are -r softplus(a) - x softplus(-a).

    Parameters
    ----------
    log_mean : ndarray of shape (N, D)
    x : ndarray of shape (N, D), of counts 0, 1, 2, ...
    log_r : ndarray of shape ()

    Returns
    -------
    log_px : ndarray of shape (N,), in nats
    cache : what `negative_binomial_backward` needs

    Examples
    --------
    With r = 1 it is the geometric distribution, at m = 1 p(x) = 1/2 (1/2)^x.

    >>> log_px, cache = negative_binomial_forward(np.zeros((1, 1)), np.array([[3]]), np.zeros(()))
    >>> print(np.exp(log_px).round(12))
    [0.0625]
    """
    x, r = np.asarray(x, log_mean.dtype), np.exp(np.asarray(log_r, np.float64))
    a = log_mean.astype(np.float64) - log_r  # large terms cancel: in float32 nats would be lost
    cache = x, r, a
    log_p = _sum_below(x, np.log, r) - log_factorial(x) - r * softplus(a) - x * softplus(-a)
    return log_p.sum(-1).astype(log_mean.dtype), cache


def negative_binomial_backward(dlog_px, cache):
    """dlog_mean = dlog_px (x - (r + x) p),  dlog_r = sum dlog_px r (sum_{i<x} 1/(r+i) - softplus(a)) - dlog_mean,  p = m / (r+m)

    dlog_mean has shape (N, D), dlog_r shape ().
    """
    x, r, a = cache
    dlog_px = dlog_px[..., None]
    dlog_mean = dlog_px * (x - (r + x) * sigmoid(a))
    dr = dlog_px * (_sum_below(x, np.reciprocal, r) - softplus(a))
    return dlog_mean.astype(x.dtype), np.sum(r * dr - dlog_mean).astype(x.dtype)


def _sum_below(x, f, r):
    """The sum of f(r + i) over i = 0, ..., x - 1, by a table up to the largest x."""
    table = np.concatenate([[0.0], np.cumsum(f(r + np.arange(int(x.max()), dtype=np.float64)))])
    return table[x.astype(np.intp)]


def _sample(log_mean, rng, log_r):
    """x ~ Poisson(rate) with a rate that is gamma distributed: mean m, shape r."""
    rate = np.exp(np.minimum(log_mean, 40)) / np.exp(log_r) * rng.standard_gamma(np.exp(log_r), log_mean.shape)
    return rng.poisson(np.minimum(rate, 1e18)).astype(log_mean.dtype)


def _constant(X):
    """The mean of every pixel; then log r that is the likeliest, by halving in thirds; the means are the best at any r."""
    out, low, high = np.log(np.maximum(X.mean(0), 1e-4)), -5.0, 10.0
    means = np.broadcast_to(out, X.shape)
    for _ in range(40):
        third = (high - low) / 3
        left, right = (negative_binomial_forward(means, X, log_r)[0].mean() for log_r in (low + third, high - third))
        low, high = (low + third, high) if left < right else (low, high - third)
    return out, np.array((low + high) / 2)


def _start(eta):
    return (math.log(10),)  # near a Poisson, with variance m + m^2 / 10


RECORD = Likelihood(
    negative_binomial_forward, negative_binomial_backward, np.exp, _sample, _constant, counts,
    domain=COUNTS, discrete=True, whole=True, own=("log_r",), start=_start,
)  # fmt: skip
