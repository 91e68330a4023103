"""A mixture of M diagonal Gaussians as prior, whose weights, means and widths are learned with the model."""

from functools import partial

import numpy as np

from ..gaussian import gaussian_log_density_backward, gaussian_log_density_forward
from .record import Prior


def mixture_forward(z, logits, mu, log_sigma):
    """log p(z) = log sum_m w_m N(z; mu_m, diag(sigma_m^2)),  w = softmax(logits)

    Source: among the priors that Tomczak and Welling, arXiv:1705.07120, compare.

    Parameters
    ----------
    z : ndarray of shape (..., K)
    logits : ndarray of shape (M,)
    mu, log_sigma : ndarrays of shape (M, K)

    Returns
    -------
    log_pz : ndarray of shape (...,), in nats
    cache : what `mixture_backward` needs
    """
    log_w = logits - _log_sum_exp(logits)
    log_n, n_cache = gaussian_log_density_forward(z[..., None, :], mu, log_sigma)  # (..., M)
    log_pz = _log_sum_exp(log_w + log_n)
    responsibility = np.exp(log_w + log_n - log_pz)  # p(m|z)
    cache = n_cache, responsibility, np.exp(log_w)
    return log_pz[..., 0], cache


def mixture_backward(dlog_pz, cache):
    """dlog N_m = dlog_pz p(m|z),  dlogits = sum of dlog_pz (p(m|z) - w_m)

    dlog_pz has shape (...,); dz (..., K), dlogits (M,), dmu and dlog_sigma (M, K).
    """
    n_cache, responsibility, w = cache
    dlog_pz = dlog_pz[..., None]
    dz, dmu, dlog_sigma = gaussian_log_density_backward(dlog_pz * responsibility, n_cache)
    dlogits = (dlog_pz * (responsibility - w)).reshape(-1, len(w)).sum(0)
    return dz.sum(-2), dlogits, dmu, dlog_sigma


def _log_sum_exp(a):
    top = a.max(-1, keepdims=True)
    return top + np.log(np.exp(a - top).sum(-1, keepdims=True))


def _sample(rng, shape, dtype, logits, mu, log_sigma):
    component = (logits + rng.gumbel(size=(*shape[:-1], len(logits)))).argmax(-1)
    return mu[component] + np.exp(log_sigma[component]) * rng.standard_normal(shape, dtype)


def _start(rng, own):
    """Means drawn from N(0, I), widths 1, equal weights."""
    own["mu"][...] = rng.standard_normal(own["mu"].shape)


def _shapes(n_latent, n):
    return {"logits": (n,), "mu": (n, n_latent), "log_sigma": (n, n_latent)}


def with_components(n):
    """The record for so many components, at least 1."""
    if n < 1:
        raise ValueError(f"mixture needs at least 1 component, as in 'mixture:20'; got {n}")
    return Prior(
        "mixture", mixture_forward, mixture_backward, _sample,
        ("logits", "mu", "log_sigma"), partial(_shapes, n=n), _start, with_components,
    )  # fmt: skip


RECORD = with_components(10)
