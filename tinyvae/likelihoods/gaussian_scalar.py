"""Gaussian with one variance for all pixels, which is learned."""

import math

import numpy as np

from ..gaussian import LOG_2PI
from .record import Likelihood, gaussian_sample, identity, real_numbers


def gaussian_scalar_forward(mean, x, log_eta):
    """The same density, with one variance eta = exp(log_eta) for all pixels, learned    [NORMS.1]

    Its optimum is eta = the mean squared error (arXiv:2006.13202). Shapes are those of `gaussian`;
    log_eta has shape ().
    """
    r, log_eta = x - mean, np.asarray(log_eta, mean.dtype)
    precision = np.exp(-log_eta)
    cache = r, precision
    return -(r * r * precision + log_eta + LOG_2PI).sum(-1) / 2, cache


def gaussian_scalar_backward(dlog_px, cache):
    """dmean = dlog_px r / eta,  dlog_eta = sum dlog_px (r^2 / eta - 1) / 2,  r = x - mean   [NORMS.2]

    dmean has shape (N, D), dlog_eta shape ().
    """
    r, precision = cache
    dlog_px = dlog_px[..., None]
    dmean = dlog_px * r * precision
    dlog_eta = np.sum(dlog_px * (r * r * precision - 1) / 2)
    return dmean, dlog_eta


def _sample(mean, rng, log_eta):
    return gaussian_sample(mean, rng, np.exp(log_eta))


def _constant(X):
    mean = X.mean(0)
    return mean, np.log(np.mean((X - mean) ** 2, dtype=float))


def _start(eta):
    return (math.log(eta),)


RECORD = Likelihood(
    gaussian_scalar_forward, gaussian_scalar_backward, identity, _sample, _constant, real_numbers,
    own=("log_eta",), start=_start,
)  # fmt: skip
