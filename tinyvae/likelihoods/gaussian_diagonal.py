"""Gaussian with a mean and a variance for every pixel, both decoded from z."""

import math

import numpy as np

from ..gaussian import LOG_2PI
from ..layers import sigmoid, softplus
from .record import Likelihood, gaussian_sample, real_numbers

ETA_FLOOR = 1e-3  # smallest variance: without a floor log p has no upper bound


def gaussian_diagonal_forward(out, x):
    """The same density, with a mean and a log-variance for every pixel                  [NORMD.1]

    mean = out[..., 0],  eta = ETA_FLOOR + exp(out[..., 1]). The floor bounds log p on pixels
    that never vary. In logs the sum is a softplus, so no output can overflow.

    Parameters
    ----------
    out : ndarray of shape (N, D, 2)
    x : ndarray of shape (N, D)

    Returns
    -------
    log_px : ndarray of shape (N,), in nats
    cache : what `gaussian_diagonal_backward` needs
    """
    mean, log_var = out[..., 0], out[..., 1]
    above = log_var - math.log(ETA_FLOOR)
    log_eta = math.log(ETA_FLOOR) + softplus(above)
    r = x - mean
    precision = np.exp(-log_eta)
    cache = above, r, precision
    return -(r * r * precision + log_eta + LOG_2PI).sum(-1) / 2, cache


def gaussian_diagonal_backward(dlog_px, cache):
    """dmean = dlog_px r / eta,  dlog_var = dlog_px (r^2 / eta - 1) / 2 * sigmoid(above)  [NORMD.2]

    `above` = log_var - log ETA_FLOOR; dout, of shape (N, D, 2), holds dmean and dlog_var.
    """
    above, r, precision = cache
    dlog_px = dlog_px[..., None]
    dmean = dlog_px * r * precision
    dlog_eta = dlog_px * (r * r * precision - 1) / 2
    dlog_var = dlog_eta * sigmoid(above)
    return np.stack([dmean, dlog_var], axis=-1)


def _mean(out):
    return out[..., 0]


def _sample(out, rng):
    return gaussian_sample(out[..., 0], rng, ETA_FLOOR + np.exp(np.minimum(out[..., 1], 80)))


def _constant(X):
    return (np.stack([X.mean(0), np.log(np.maximum(X.var(0) - ETA_FLOOR, 1e-9))], axis=-1),)


RECORD = Likelihood(
    gaussian_diagonal_forward, gaussian_diagonal_backward, _mean, _sample, _constant, real_numbers, outputs=2,
)  # fmt: skip
