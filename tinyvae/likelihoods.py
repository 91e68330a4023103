"""Likelihoods p(x|z): what the decoder's outputs mean. A forward/backward pair and one record each.

Every log-density is complete, with its constant: it sums or integrates to one over x, so that
the ELBO is in nats and can be compared. Pixels are independent given z: log p(x|z) is a sum
over the D pixels. x is data and gets no gradient; `dlog_px` has shape (N,) like `log_px`.

Below, `out` is the decoder's last layer. A leading axis of L samples per datum is always allowed:
out (L, N, D) with x (N, D) gives log_px (L, N).

To add a likelihood, write one pair and one record in `LIKELIHOODS`; nothing else knows them.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .gaussian import LOG_2PI
from .layers import sigmoid, softplus

ETA_FLOOR = 1e-3  # smallest variance of gaussian_diagonal: without a floor log p has no upper bound


# ---- Bernoulli: binary pixels ---------------------------------------------------------------


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
    x = np.asarray(x, logits.dtype)
    cache = logits, x
    log_p = x * logits
    log_p -= softplus(logits)
    return log_p.sum(-1), cache


def bernoulli_backward(dlog_px, cache):
    """dlogits = dlog_px (x - sigmoid(l))                dlogits (N, D)                 [BER.2]"""
    logits, x = cache
    return dlog_px[..., None] * (x - sigmoid(logits))


# ---- Gaussian: three ways to treat the variance eta ---------------------------------------------


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


# ---- Categorical: pixels in C classes -------------------------------------------------------


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
    top = logits.max(-1, keepdims=True)
    log_p = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
    classes = np.broadcast_to(x.astype(np.intp)[..., None], (*log_p.shape[:-1], 1))
    cache = log_p, classes
    return np.take_along_axis(log_p, classes, -1).sum((-2, -1)), cache


def categorical_backward(dlog_px, cache):
    """dlogits = dlog_px (onehot(x) - softmax(l))        dlogits (N, D, C)              [CAT.2]"""
    log_p, classes = cache
    onehot = np.arange(log_p.shape[-1]) == classes
    return dlog_px[..., None, None] * (onehot - np.exp(log_p))


# ---- Laplace: absolute error ------------------------------------------------------------------


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


# ---- Continuous Bernoulli: grey pixels, with the normaliser that the Bernoulli lacks ---------------


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


# ---- Records: what the model needs to know of each ------------------------------------------------


class Likelihood(NamedTuple):
    """What a model needs to know of p(x|z).

    Attributes
    ----------
    forward, backward : the pair; its first input is the decoder's output, its second is x
    mean : out -> E[x|z]
    sample : (out, rng, *own) -> a draw x ~ p(x|z)
    check : X -> None, or ValueError if X lies outside the domain
    constant : X -> the best output that ignores z: every pixel's own parameters
    outputs : decoder outputs per pixel; if several, out has the shape (N, D, outputs)
    own : "eta" if the pair takes a fixed variance, "log_eta" if it learns one, else ""
    n_classes : 0, or the number of classes if x counts them: uint8 is then no pixel to scale, the encoder sees x / (n_classes - 1)
    """

    forward: Callable
    backward: Callable
    mean: Callable
    sample: Callable
    check: Callable = lambda X: None  # every finite number will do; others the model refuses for all
    constant: Callable | None = None
    outputs: int = 1
    own: str = ""
    n_classes: int = 0


def _check_unit_interval(X):
    low, high = X.min(), X.max()
    if low < 0 or high > 1:
        remedy = "divide by 255" if 0 <= low and 2 < high <= 255 else "rescale it, or take likelihood='gaussian'"
        raise ValueError(f"X must lie in [0, 1] for this likelihood, got values from {low:g} to {high:g}: {remedy}")


def _check_classes(X, n_classes):
    low, high = X.min(), X.max()
    if low < 0 or high >= n_classes or (X.dtype.kind == "f" and np.any(X != np.floor(X))):
        raise ValueError(
            f"X must hold whole numbers 0 to {n_classes - 1}, the classes of this likelihood, got values "
            f"from {low:g} to {high:g}: round it to levels, or state their number, as in 'categorical:17'"
        )


def _gaussian_sample(mean, rng, eta):
    return mean + np.sqrt(eta, dtype=mean.dtype) * rng.standard_normal(mean.shape, dtype=mean.dtype)


def _continuous_bernoulli_sample(logits, rng):
    """Inverse CDF under -|l|, where nothing overflows; 1 - x under -l is x under l."""
    a = -np.maximum(np.abs(logits), 1e-6)
    x = np.log1p(rng.random(logits.shape) * np.expm1(a)) / a
    return np.where(logits > 0, 1 - x, x).astype(logits.dtype)


def _bernoulli_constant(X):
    p = np.clip(X.mean(0), 1e-4, 1 - 1e-4)  # pixels that never vary would have infinite logits
    return np.log(p / (1 - p))


def _continuous_bernoulli_constant(X):
    """The logits whose E[x] is the mean of the pixels, by bisection; within +-50, for a pixel that never varies has none."""
    high = np.full(X.shape[1], 50.0)
    low = -high
    for _ in range(60):
        middle = (low + high) / 2
        too_high = continuous_bernoulli_mean(middle) > X.mean(0)
        low, high = np.where(too_high, low, middle), np.where(too_high, middle, high)
    return middle


def _categorical(n_classes):
    def mean(logits):
        p = np.exp(logits - logits.max(-1, keepdims=True))
        return (p @ np.arange(n_classes, dtype=p.dtype)) / p.sum(-1)

    def sample(logits, rng):
        return (logits + rng.gumbel(size=logits.shape)).argmax(-1).astype(logits.dtype)

    def constant(X):
        counts = np.stack([(X == c).sum(0) for c in range(n_classes)], axis=-1)
        return np.log((counts + 1 / n_classes) / (len(X) + 1))

    return Likelihood(
        categorical_forward, categorical_backward, mean, sample,
        lambda X: _check_classes(X, n_classes), constant, outputs=n_classes, n_classes=n_classes,
    )  # fmt: skip


LIKELIHOODS = {
    "bernoulli": Likelihood(
        bernoulli_forward, bernoulli_backward, sigmoid,
        lambda out, rng: (rng.random(out.shape) < sigmoid(out)).astype(out.dtype),
        _check_unit_interval, _bernoulli_constant,
    ),
    "gaussian": Likelihood(
        gaussian_forward, gaussian_backward, lambda out: out, _gaussian_sample,
        constant=lambda X: X.mean(0), own="eta",
    ),
    "gaussian_scalar": Likelihood(
        gaussian_scalar_forward, gaussian_scalar_backward, lambda out: out,
        lambda out, rng, log_eta: _gaussian_sample(out, rng, np.exp(log_eta)),
        constant=lambda X: X.mean(0), own="log_eta",
    ),
    "gaussian_diagonal": Likelihood(
        gaussian_diagonal_forward, gaussian_diagonal_backward, lambda out: out[..., 0],
        lambda out, rng: _gaussian_sample(out[..., 0], rng, ETA_FLOOR + np.exp(np.minimum(out[..., 1], 80))),
        constant=lambda X: np.stack([X.mean(0), np.log(np.maximum(X.var(0) - ETA_FLOOR, 1e-9))], axis=-1), outputs=2,
    ),
    "categorical": _categorical(256),
    "laplace": Likelihood(
        laplace_forward, laplace_backward, lambda out: out,
        lambda out, rng, eta: out + rng.laplace(0, math.sqrt(eta / 2), out.shape).astype(out.dtype),
        constant=lambda X: np.median(X, axis=0), own="eta",
    ),
    "continuous_bernoulli": Likelihood(
        continuous_bernoulli_forward, continuous_bernoulli_backward, continuous_bernoulli_mean,
        _continuous_bernoulli_sample, _check_unit_interval, _continuous_bernoulli_constant,
    ),
}  # fmt: skip


def get(name):
    """The record of a likelihood by name; "categorical:17" has 17 classes, plain "categorical" 256.

    Raises
    ------
    ValueError
        If the name is unknown; the message lists the known ones.

    Examples
    --------
    >>> get("categorical:17").outputs
    17
    """
    kind, _, classes = str(name).partition(":")
    if kind == "categorical" and classes.isdecimal() and int(classes) >= 2:
        return _categorical(int(classes))
    if not isinstance(name, str) or name not in LIKELIHOODS:
        raise ValueError(f"likelihood must be one of {', '.join(LIKELIHOODS)} or categorical:C; got {name!r}")
    return LIKELIHOODS[name]
