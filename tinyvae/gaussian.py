"""The Gaussian posterior q(z|x) = N(mu, diag(sigma^2)): sample it, measure it, differentiate both.

`sigma` is a standard deviation everywhere and `log_sigma` is its logarithm: the encoder's output.
(Lecture D4 calls sigma a variance where it scales the noise: it is the standard deviation.)
"""

import math

import numpy as np

LOG_2PI = math.log(2 * math.pi)


def sum_samples(d, shape):
    """Sum a gradient over leading sample axes: what is used L times collects L gradients."""
    return d.sum(axis=tuple(range(d.ndim - len(shape))))


def reparameterize_forward(mu, log_sigma, eps):
    """z = mu + sigma * eps,  sigma = exp(log_sigma)                                 [REP.1]

    With eps ~ N(0, I) this is a draw from q(z|x), written so that the randomness is an input.
    Source: Kingma and Welling, arXiv:1312.6114, section 2.4; lectures D2 and D3.

    Parameters
    ----------
    mu, log_sigma : ndarrays of shape (N, K)
    eps : ndarray of shape (N, K), or (L, N, K) for L samples per datum

    Returns
    -------
    z : ndarray of the shape of eps
    cache : what `reparameterize_backward` needs

    Examples
    --------
    >>> mu, log_sigma = np.array([[1.0, 2.0]]), np.log(np.array([[0.5, 3.0]]))
    >>> z, cache = reparameterize_forward(mu, log_sigma, eps=np.array([[2.0, -1.0]]))
    >>> print(z.round(12))
    [[ 2. -1.]]
    """
    sigma = np.exp(log_sigma)
    cache = sigma, eps
    return mu + sigma * eps, cache


def reparameterize_backward(dz, cache):
    """dmu = dz,  dsigma = dz * eps,  dlog_sigma = sigma * dsigma                     [REP.2]

    dz has the shape of z; dmu and dlog_sigma have shape (N, K). eps is noise and gets no gradient.
    """
    sigma, eps = cache
    dmu = dz
    dsigma = dz * eps
    dlog_sigma = sigma * dsigma
    return sum_samples(dmu, sigma.shape), sum_samples(dlog_sigma, sigma.shape)


def kl_forward(mu, log_sigma):
    """KL(q(z|x) || N(0, I)) = 1/2 sum_k (sigma_k^2 + mu_k^2 - 1 - ln sigma_k^2)       [KL.1]

    Source: Kingma and Welling, arXiv:1312.6114, appendix B; lecture D3.

    Parameters
    ----------
    mu, log_sigma : ndarrays of shape (N, K)

    Returns
    -------
    kl : ndarray of shape (N,), in nats per datum, >= 0 (up to rounding)
    cache : what `kl_backward` needs

    Examples
    --------
    >>> kl, cache = kl_forward(np.array([[0.0, 0.0], [3.0, 4.0]]), np.zeros((2, 2)))
    >>> print(kl)
    [ 0.  12.5]
    """
    sigma2 = np.exp(2 * log_sigma)
    cache = mu, sigma2
    return (sigma2 + mu * mu - 1 - 2 * log_sigma).sum(-1) / 2, cache


def kl_backward(dkl, cache):
    """dmu = dkl mu,  dlog_sigma = dkl (sigma^2 - 1)                                  [KL.2]

    dkl has shape (N,); dmu and dlog_sigma have shape (N, K).
    """
    mu, sigma2 = cache
    dkl = dkl[..., None]
    return dkl * mu, dkl * (sigma2 - 1)


def gaussian_log_density_forward(z, mu, log_sigma):
    """log N(z; mu, diag(sigma^2)) = -1/2 sum_k (u_k^2 + 2 ln sigma_k + ln 2 pi)       [LOGN.1]

    with u = (z - mu) / sigma.

    Parameters
    ----------
    z : ndarray of shape (N, K), or (L, N, K) for L samples per datum
    mu, log_sigma : ndarrays of shape (N, K)

    Returns
    -------
    log_q : ndarray of shape (N,) or (L, N), in nats
    cache : what `gaussian_log_density_backward` needs

    Examples
    --------
    >>> log_q, cache = gaussian_log_density_forward(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros((1, 2)))
    >>> print(log_q.round(6), (-np.log(2 * np.pi)).round(6))
    [-1.837877] -1.837877
    """
    sigma = np.exp(log_sigma)
    u = (z - mu) / sigma
    cache = sigma, u
    return -(u * u + 2 * log_sigma + LOG_2PI).sum(-1) / 2, cache


def gaussian_log_density_backward(dlog_q, cache):
    """dz = -dlog_q u / sigma,  dmu = -dz,  dlog_sigma = dlog_q (u^2 - 1)              [LOGN.2]

    dlog_q has the shape of log_q, dz that of z; dmu and dlog_sigma have shape (N, K).
    """
    sigma, u = cache
    dlog_q = dlog_q[..., None]
    dz = -dlog_q * u / sigma
    dlog_sigma = dlog_q * (u * u - 1)
    return dz, sum_samples(-dz, sigma.shape), sum_samples(dlog_sigma, sigma.shape)
