"""Laplace: absolute error."""

import math

import numpy as np

from .record import Likelihood, identity, real_numbers


def laplace_forward(mean, x, eta):
    """log p(x|z) = -sum_d |x - mean| / b + ln 2b,  b = sqrt(eta / 2)                     [LAP.1]

    eta is the variance, as in `gaussian`, whose shapes these are; the scale is b = sqrt(eta / 2).
    """
    b = math.sqrt(eta / 2)
    r = x - mean
    cache = r, b
    return -(np.abs(r) / b + math.log(2 * b)).sum(-1), cache


def laplace_backward(dlog_px, cache):
    """dmean = dlog_px sign(x - mean) / b                dmean (N, D)                   [LAP.2]"""
    r, b = cache
    return dlog_px[..., None] * np.sign(r) / b


def _sample(mean, rng, eta):
    return mean + rng.laplace(0, math.sqrt(eta / 2), mean.shape).astype(mean.dtype)


def _constant(X):
    return (np.median(X, axis=0),)


RECORD = Likelihood(laplace_forward, laplace_backward, identity, _sample, _constant, real_numbers, takes_eta=True)
