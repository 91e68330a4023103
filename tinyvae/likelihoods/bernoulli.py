"""Bernoulli: binary pixels."""

import numpy as np

from ..layers import sigmoid
from .record import Likelihood


def bernoulli_forward(logits, x):
    """log p(x|z) = sum_d x log p + (1 - x) log(1 - p) = sum_d x l - softplus(l),  p = sigmoid(l)    [BER.1]

    The logits form never takes log(0). For x strictly between 0 and 1 (grey pixels) this is a
    cross-entropy and no density: it cannot rise above minus the entropy of the pixels.

    Parameters
    ----------
    logits : ndarray of shape (N, D)
    x : ndarray of shape (N, D), in {0, 1}

    Returns
    -------
    log_px : ndarray of shape (N,), in nats
    cache : what `bernoulli_backward` needs

    Examples
    --------
    >>> log_px, cache = bernoulli_forward(np.array([[0.0, 50000.0]]), np.array([[1.0, 1.0]]))
    >>> print(log_px.round(6))
    [-0.693147]
    """
    x, p = np.asarray(x, logits.dtype), sigmoid(logits)
    cache = p, x
    # softplus(l) = max(l, 0) - log(max(p, 1 - p)): backward needs p in any case, and exp is saved. In this order
    # a binary pixel is right to within rounding of 1 at every logit. Arrays are compared faster than an array and 0.
    log_p = x * logits
    log_p -= np.maximum(logits, np.zeros_like(logits))
    log_p += np.log(np.maximum(p, 1 - p))
    return log_p.sum(-1), cache


def bernoulli_backward(dlog_px, cache):
    """dlogits = dlog_px (x - p),  p = sigmoid(l)        dlogits (N, D)                 [BER.2]"""
    p, x = cache
    return dlog_px[..., None] * (x - p)


def _sample(logits, rng):
    return (rng.random(logits.shape) < sigmoid(logits)).astype(logits.dtype)


def _constant(X):
    p = np.clip(X.mean(0), 1e-4, 1 - 1e-4)  # pixels that never vary would have infinite logits
    return (np.log(p / (1 - p)),)


def _binary(rng, shape):
    return rng.integers(0, 2, shape).astype(float)


def grey_floor(X):
    """The -log p(x|z) that no Bernoulli model can go below on grey pixels: their mean entropy, in nats.

    It is 0 for binary pixels: grey values in [0, 1] have a cross-entropy of at least their entropy.

    >>> print(round(grey_floor(np.array([[0.0, 1.0, 0.5]])), 6))
    0.693147
    """
    total = 0.0
    for i in range(0, len(X), 1000):
        p = np.clip(np.asarray(X[i : i + 1000], dtype=float), 1e-300, 1 - 2**-53)
        total -= (p * np.log(p) + (1 - p) * np.log1p(-p)).sum()
    return float(total / len(X))


RECORD = Likelihood(
    bernoulli_forward, bernoulli_backward, sigmoid, _sample, _constant, _binary,
    domain=(0, 1), discrete=True, floor=grey_floor,
)  # fmt: skip
