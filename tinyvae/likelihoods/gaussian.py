"""Gaussian with a fixed variance eta: squared error with its constants."""

import math

from ..gaussian import LOG_2PI
from .record import Likelihood, column_means, gaussian_sample, identity, real_numbers


def gaussian_forward(mean, x, eta):
    """log N(x; mean, eta I) = -1/2 sum_d ((x - mean)^2 / eta + ln eta + ln 2 pi)        [NORM.1]

    Squared error is this density with its constants dropped: they set its weight against the KL.

    Parameters
    ----------
    mean, x : ndarrays of shape (N, D)
    eta : float
        The variance of the observation noise (not the standard deviation), fixed.

    Returns
    -------
    log_px : ndarray of shape (N,), in nats
    cache : what `gaussian_backward` needs
    """
    r, eta = x - mean, float(eta)
    cache = r, eta
    return -(r * r / eta + math.log(eta) + LOG_2PI).sum(-1) / 2, cache


def gaussian_backward(dlog_px, cache):
    """dmean = dlog_px (x - mean) / eta                  dmean (N, D)                   [NORM.2]"""
    r, eta = cache
    return dlog_px[..., None] * r / eta


RECORD = Likelihood(gaussian_forward, gaussian_backward, identity, gaussian_sample, column_means, real_numbers, takes_eta=True)
