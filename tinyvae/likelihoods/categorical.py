"""Categorical: pixels in C classes."""

from functools import partial

import numpy as np

from ..layers import log_softmax
from .record import Likelihood


def categorical_forward(logits, x):
    """log p(x|z) = sum_d l_{d,x_d} - log sum_c exp(l_{d,c})                              [CAT.1]

    Parameters
    ----------
    logits : ndarray of shape (N, D, C)
    x : ndarray of shape (N, D), of classes 0 to C - 1

    Returns
    -------
    log_px : ndarray of shape (N,), in nats
    cache : what `categorical_backward` needs
    """
    log_p = log_softmax(logits)
    classes = np.broadcast_to(x.astype(np.intp)[..., None], (*log_p.shape[:-1], 1))
    cache = log_p, classes
    return np.take_along_axis(log_p, classes, -1).sum((-2, -1)), cache


def categorical_backward(dlog_px, cache):
    """dlogits = dlog_px (onehot(x) - softmax(l))        dlogits (N, D, C)              [CAT.2]"""
    log_p, classes = cache
    onehot = np.arange(log_p.shape[-1]) == classes
    return dlog_px[..., None, None] * (onehot - np.exp(log_p))


def _mean(logits):
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return (p @ np.arange(logits.shape[-1], dtype=p.dtype)) / p.sum(-1)


def _sample(logits, rng):
    return (logits + rng.gumbel(size=logits.shape)).argmax(-1).astype(logits.dtype)


def _constant(X, n_classes):
    counts = np.stack([(X == c).sum(0) for c in range(n_classes)], axis=-1)
    return (np.log((counts + 1 / n_classes) / (len(X) + 1)),)


def _classes(rng, shape, n_classes):
    return rng.integers(0, n_classes, shape)


def with_classes(n_classes):
    """The record for so many classes, at least 2."""
    if n_classes < 2:
        raise ValueError(f"categorical needs at least 2 classes, as in 'categorical:17'; got {n_classes}")
    return Likelihood(
        categorical_forward, categorical_backward, _mean, _sample,
        partial(_constant, n_classes=n_classes), partial(_classes, n_classes=n_classes),
        domain=(0, n_classes - 1), discrete=True, whole=True, outputs=n_classes, sized=with_classes,
    )  # fmt: skip


RECORD = with_classes(256)
