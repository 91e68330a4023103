"""The standard normal prior N(0, I): log p(z) and its sampler (closed forms of the KL to it stand with their posteriors)."""

from ..gaussian import LOG_2PI
from .record import Prior


def standard_normal_forward(z):
    """log N(z; 0, I) = -1/2 sum_k (z_k^2 + ln 2 pi)

    Parameters
    ----------
    z : ndarray of shape (..., K)

    Returns
    -------
    log_pz : ndarray of shape (...,), in nats
    cache : what `standard_normal_backward` needs

    Examples
    --------
    >>> import numpy as np
    >>> print(standard_normal_forward(np.zeros((1, 2)))[0].round(6))
    [-1.837877]
    """
    cache = z
    return -(z * z + LOG_2PI).sum(-1) / 2, cache


def standard_normal_backward(dlog_pz, cache):
    """dz = -dlog_pz z                                      dlog_pz (...,), dz (..., K)"""
    z = cache
    return -dlog_pz[..., None] * z


def _sample(rng, shape, dtype):
    return rng.standard_normal(shape, dtype)


RECORD = Prior("standard", standard_normal_forward, standard_normal_backward, _sample)
