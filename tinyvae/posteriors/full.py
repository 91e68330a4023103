"""A Gaussian with full covariance L L', by its Cholesky factor L: q(z|x) = N(mu, L L').

L has exp(log_diagonal) on its diagonal and `lower`, row by row, below it.
"""

import numpy as np

from ..gaussian import LOG_2PI, sum_samples
from .record import Posterior


def cholesky_factor(log_diagonal, lower):
    """L of shape (N, K, K), from log_diagonal of shape (N, K) and the K (K - 1) / 2 numbers below the diagonal.

    >>> print(cholesky_factor(np.zeros(3), np.array([1.0, 2.0, 3.0])))
    [[1. 0. 0.]
     [1. 1. 0.]
     [2. 3. 1.]]
    """
    K = log_diagonal.shape[-1]
    factor = np.zeros((*log_diagonal.shape, K), log_diagonal.dtype)
    row, column = np.tril_indices(K, -1)
    factor[..., row, column] = lower
    factor[..., range(K), range(K)] = np.exp(log_diagonal)
    return factor


def _split_factor(dfactor, factor):
    """From dL to (dlog_diagonal, dlower): through exp on the diagonal, nothing above it."""
    dlog_diagonal = np.diagonal(dfactor * factor, axis1=-2, axis2=-1)
    row, column = np.tril_indices(factor.shape[-1], -1)
    return dlog_diagonal, dfactor[..., row, column]


def reparameterize_full_forward(mu, log_diagonal, lower, eps):
    """z = mu + L eps,  L = cholesky_factor(log_diagonal, lower)                          [REPF.1]

    Parameters
    ----------
    mu, log_diagonal : ndarrays of shape (N, K)
    lower : ndarray of shape (N, K (K - 1) / 2)
    eps : ndarray of shape (S, N, K)

    Returns
    -------
    z : ndarray of shape (S, N, K)
    cache : what `reparameterize_full_backward` needs
    """
    factor = cholesky_factor(log_diagonal, lower)
    cache = factor, eps
    return mu + np.einsum("...ij,s...j->s...i", factor, eps), cache


def reparameterize_full_backward(dz, cache):
    """dmu = dz,  dL = dz eps' below and on the diagonal,  dlog_diagonal_j = dL_jj L_jj       [REPF.2]

    dz has shape (S, N, K); the gradients have the shapes of mu, log_diagonal and lower.
    """
    factor, eps = cache
    dmu = sum_samples(dz, factor.shape[:-1])
    dfactor = np.einsum("s...i,s...j->...ij", dz, eps)
    return dmu, *_split_factor(dfactor, factor)


def kl_full_forward(mu, log_diagonal, lower):
    """KL(N(mu, L L') || N(0, I)) = 1/2 (sum_ij L_ij^2 + mu'mu - K) - sum_j log L_jj           [KLF.1]

    Parameters
    ----------
    mu, log_diagonal : ndarrays of shape (N, K)
    lower : ndarray of shape (N, K (K - 1) / 2)

    Returns
    -------
    kl : ndarray of shape (N,), in nats
    cache : what `kl_full_backward` needs
    """
    factor = cholesky_factor(log_diagonal, lower)
    cache = mu, factor
    trace = (factor**2).sum((-2, -1))
    return (trace + (mu * mu).sum(-1) - mu.shape[-1]) / 2 - log_diagonal.sum(-1), cache


def kl_full_backward(dkl, cache):
    """dmu = dkl mu,  dL = dkl L,  dlog_diagonal_j = dkl (L_jj^2 - 1)                          [KLF.2]

    dkl has shape (N,); the gradients have the shapes of mu, log_diagonal and lower.
    """
    mu, factor = cache
    dlog_diagonal, dlower = _split_factor(dkl[..., None, None] * factor, factor)
    return dkl[..., None] * mu, dlog_diagonal - dkl[..., None], dlower


def full_log_density_forward(z, mu, log_diagonal, lower):
    """log N(z; mu, L L') = -1/2 sum_k (u_k^2 + ln 2 pi) - sum_j log L_jj,  u = L^-1 (z - mu)

    Parameters
    ----------
    z : ndarray of shape (S, N, K)
    mu, log_diagonal : ndarrays of shape (N, K)
    lower : ndarray of shape (N, K (K - 1) / 2)

    Returns
    -------
    log_q : ndarray of shape (S, N), in nats
    cache : what `full_log_density_backward` needs
    """
    factor = cholesky_factor(log_diagonal, lower)
    u = np.linalg.solve(factor, (z - mu)[..., None])[..., 0]
    cache = factor, u
    return -(u * u + LOG_2PI).sum(-1) / 2 - log_diagonal.sum(-1), cache


def full_log_density_backward(dlog_q, cache):
    """dz = -dlog_q L'^-1 u,  dmu = -dz,  dL = -dz u',  dlog_diagonal_j = dL_jj L_jj - dlog_q

    dlog_q has shape (S, N), dz that of z; the other gradients have the shapes of mu, log_diagonal and lower.
    """
    factor, u = cache
    dlog_q = dlog_q[..., None]
    dz = -dlog_q * np.linalg.solve(factor.swapaxes(-1, -2), u[..., None])[..., 0]
    dlog_diagonal, dlower = _split_factor(np.einsum("s...i,s...j->...ij", -dz, u), factor)
    return dz, sum_samples(-dz, factor.shape[:-1]), dlog_diagonal - sum_samples(dlog_q, (*factor.shape[:-2], 1)), dlower


def _heads(n_latent):
    return {"mu": (n_latent,), "log_diagonal": (n_latent,), "lower": (n_latent * (n_latent - 1) // 2,)}


RECORD = Posterior(
    "full", reparameterize_full_forward, reparameterize_full_backward, full_log_density_forward, full_log_density_backward, _heads,
)  # fmt: skip
