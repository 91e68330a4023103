"""Inference without an encoder: every datum has its own q, fitted by gradient ascent on the ELBO.

The same functions as in the VAE, with mu and log_sigma as free arrays in the place of the encoder's outputs.
What an encoder loses against this is the amortisation gap, what the Gaussian family loses the
approximation gap (lectures D0, D1 and D2; the names are those of arXiv:1801.03558).
"""

import contextlib
import time
from typing import NamedTuple

import numpy as np

from ..bounds import decode_backward, decode_forward
from ..estimators import log_likelihood, standard_error
from ..exact import GridPosterior
from ..gaussian import (
    kl_backward,
    kl_forward,
    reparameterize_backward,
    reparameterize_forward,
    sum_samples,
)
from ..optim import Adam
from ..params import count, views
from ..support.machine import blas_threads
from ..support.validation import check_choice, check_int

# ---- a Gaussian with full covariance, by its Cholesky factor ------------------------------------------


def cholesky_factor(log_diagonal, lower):
    """L of shape (N, K, K): exp(log_diagonal) on the diagonal, the strictly lower part of `lower` below it."""
    factor = np.tril(lower, -1)
    i = np.arange(log_diagonal.shape[-1])
    factor[..., i, i] = np.exp(log_diagonal)
    return factor


def _split_factor(dfactor, factor):
    """From dL to (dlog_diagonal, dlower): through exp on the diagonal, nothing above it."""
    dlog_diagonal = np.diagonal(dfactor * factor, axis1=-2, axis2=-1)
    return dlog_diagonal, np.tril(dfactor, -1)


def reparameterize_full_forward(mu, log_diagonal, lower, eps):
    """z = mu + L eps,  L = cholesky_factor(log_diagonal, lower)                          [REPF.1]

    Parameters
    ----------
    mu, log_diagonal : ndarrays of shape (N, K)
    lower : ndarray of shape (N, K, K); only its part below the diagonal counts
    eps : ndarray of shape (S, N, K)

    Returns
    -------
    z : ndarray of shape (S, N, K)
    cache : what `reparameterize_full_backward` needs
    """
    factor = cholesky_factor(log_diagonal, lower)
    cache = factor, eps
    return mu + np.einsum("nij,snj->sni", factor, eps), cache


def reparameterize_full_backward(dz, cache):
    """dmu = dz,  dL = dz eps' below and on the diagonal,  dlog_diagonal_j = dL_jj L_jj       [REPF.2]

    dz has shape (S, N, K); the gradients have the shapes of mu, log_diagonal and lower.
    """
    factor, eps = cache
    dmu = sum_samples(dz, factor.shape[:-1])
    dfactor = np.einsum("sni,snj->nij", dz, eps)
    return dmu, *_split_factor(dfactor, factor)


def kl_full_forward(mu, log_diagonal, lower):
    """KL(N(mu, L L') || N(0, I)) = 1/2 (sum_ij L_ij^2 + mu'mu - K) - sum_j log L_jj           [KLF.1]

    Parameters
    ----------
    mu, log_diagonal : ndarrays of shape (N, K)
    lower : ndarray of shape (N, K, K)

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


FAMILIES = {
    "diagonal": (reparameterize_forward, reparameterize_backward, kl_forward, kl_backward),
    "full": (reparameterize_full_forward, reparameterize_full_backward, kl_full_forward, kl_full_backward),
}


# ---- fitting one q per datum ---------------------------------------------------------------------


class LocalPosterior:
    """A free Gaussian q(z) for every datum of X, under the decoder of a VAE, which stays as it is.

    Parameters
    ----------
    vae : VAE
    X : ndarray of shape (N, D)
    family : "diagonal" (mean field over the dimensions of z) or "full" (Cholesky factor)
    start : "prior", or "encoder" for semi-amortised inference (arXiv:1802.02550)
    seed : int

    Attributes
    ----------
    params : dict of arrays: mu, log_sigma; or mu, log_diagonal, lower

    Examples
    --------
    >>> from tinyvae import VAE, load_digits
    >>> X, _ = load_digits()
    >>> vae = VAE(64, 2)
    >>> q = LocalPosterior(vae, X[:20])
    >>> bool(q.fit(100).elbo().mean() > vae.elbo(X[:20], n_samples=100).mean())
    True
    """

    def __init__(self, vae, X, family="diagonal", start="prior", seed=0):
        self.vae, check = vae.copy("float64"), check_choice("start", start, ("prior", "encoder"))
        self.x = self.vae.scaled(vae.check_data(X))
        self.family = FAMILIES[check_choice("family", family, FAMILIES)]
        N, K = len(self.x), vae.n_latent
        spread = {"log_sigma": (N, K)} if family == "diagonal" else {"log_diagonal": (N, K), "lower": (N, K, K)}
        self.shapes = {"mu": (N, K)} | spread
        self.theta, self.seed, self.step = np.zeros(count(self.shapes)), seed, 0
        if check == "encoder":
            mu, log_sigma = self.vae.encode(X)
            self.params["mu"][...], list(self.params.values())[1][...] = mu, log_sigma

    @property
    def params(self):
        """Names to views of the flat vector of all variational parameters."""
        return views(self.theta, self.shapes)

    def elbo_and_grad(self, eps, dparams=None):
        """The ELBO per datum, its gradient by the variational parameters, and (only if dparams is given) by the decoder.

        Parameters
        ----------
        eps : ndarray of shape (S, N, K)
        dparams : mapping of the names in `vae.params` to the arrays to write the decoder's gradient into, optional

        Returns
        -------
        elbo : ndarray of shape (N,), in nats
        dtheta : ndarray of the shape of `theta`, the gradient of the sum of the ELBOs
        """
        sample_forward, sample_backward, kl_of, kl_back = self.family
        q, vae = list(self.params.values()), self.vae
        z, z_cache = sample_forward(*q, eps)
        out, decoder_cache = decode_forward(z, vae.params, vae)
        log_px, px_cache = vae.px.forward(out, self.x, *vae.own(vae.params))
        kl, kl_cache = kl_of(*q)

        dout = vae.px.backward(np.full_like(log_px, 1 / len(eps)), px_cache)
        if vae.px.own == "log_eta":
            dout, dlog_eta = dout
            if dparams is not None:
                dparams["likelihood.log_eta"][...] = dlog_eta
        dz = decode_backward(dout, decoder_cache, dparams or vae.views(np.empty_like(vae.theta)))
        from_z, from_kl = sample_backward(dz, z_cache), kl_back(-np.ones_like(kl), kl_cache)
        return log_px.mean(0) - kl, np.concatenate([(a + b).ravel() for a, b in zip(from_z, from_kl)])

    def fit(self, steps=300, lr=0.05, n_samples=8):
        """Gradient ascent on the ELBO by Adam, with a step size that falls linearly to zero. Returns self."""
        adam = Adam(lr)
        with blas_threads(self.vae, len(self.x)):
            for i in range(check_int("steps", steps, 0)):
                adam.lr = lr * (1 - i / steps)
                adam.step(self.theta, -self.elbo_and_grad(self._noise(n_samples))[1])
        return self

    def _noise(self, n_samples):
        self.step += 1  # a stream of its own for every step
        return np.random.default_rng([self.seed, self.step]).standard_normal((n_samples, *self.shapes["mu"]))

    def elbo(self, n_samples=1000, rng=0):
        """The ELBO of every datum, of shape (N,), in nats, by n_samples draws."""
        return self.elbo_samples(check_int("n_samples", n_samples, 1), rng).mean(0)

    def elbo_samples(self, n_samples, rng=0):
        """log p(x|z) - KL for every draw of z, of shape (n_samples, N)."""
        rng, (sample_forward, _, kl_of, _), q = np.random.default_rng(rng), self.family, list(self.params.values())
        own, parts = self.vae.own(self.vae.params), []
        with blas_threads(self.vae, len(self.x)):
            for _ in range(n_samples):
                z, _ = sample_forward(*q, rng.standard_normal((1, *self.shapes["mu"])))
                out, _ = decode_forward(z, self.vae.params, self.vae)
                parts.append(self.vae.px.forward(out, self.x, *own)[0][0])
        return np.array(parts) - kl_of(*q)[0]


# ---- where the bound is lost ---------------------------------------------------------------------


class GapReport(NamedTuple):
    """log p(x) - ELBO = approximation gap + amortisation gap, each of shape (N,), in nats.

    `error`, of shape (N, 2), holds the standard errors of the two gaps of every datum.
    """

    log_px: np.ndarray
    approximation: np.ndarray
    amortisation: np.ndarray
    error: np.ndarray

    def __str__(self):
        a, b = np.sqrt((self.error**2).sum(0)) / len(self.error)  # of the means over the data
        parts = f"approximation gap {self.approximation.mean():.3f} +- {a:.3f}, amortisation gap {self.amortisation.mean():.3f} +- {b:.3f}"
        return f"log p(x) {self.log_px.mean():.3f}; {parts} (nats per datum, errors by sampling)"


def gap_report(vae, X, *, family="diagonal", steps=500, n_samples=2000, seed=0):
    """Split log p(x) - ELBO into what the family of q cannot reach and what the encoder misses of the family.

    log p(x) is exact on a grid for K <= 2, and importance-sampled above or where no grid resolves it. The best q starts at the encoder's and is
    refined; ELBOs are compared on common noise, and the better of the two q of a datum counts as the best.

    Returns
    -------
    GapReport; both gaps are non-negative but for the sampling error
    """
    amortised = LocalPosterior(vae, X, start="encoder").elbo_samples(n_samples, rng=seed)
    best = LocalPosterior(vae, X, family, start="encoder", seed=seed).fit(steps).elbo_samples(n_samples, rng=seed)
    best[:, best.mean(0) < amortised.mean(0)] = amortised[:, best.mean(0) < amortised.mean(0)]
    log_px, variance = _log_px(vae, X, n_samples, seed)
    error = standard_error(np.stack([best, best - amortised], axis=-1))  # of each datum's ELBO, of each difference
    error[:, 0] = np.sqrt(error[:, 0] ** 2 + variance)
    return GapReport(log_px, log_px - best.mean(0), (best - amortised).mean(0), error)


def _log_px(vae, X, n_samples, seed):
    """log p(x) and the variance of its estimate: 0 on a grid; by the delta method 1/ess - 1/L where it is sampled."""
    if vae.n_latent <= 2:
        with contextlib.suppress(ValueError):  # a posterior that no grid resolves
            return GridPosterior(vae).log_evidence(X), 0.0
    log_px, ess = log_likelihood(vae, X, n_samples, seed, return_ess=True)
    return log_px, 1 / ess - 1 / n_samples


def two_step_learning(vae, X, *, epochs, steps=20, lr=0.05, decoder_lr=0.003, n_samples=1, seed=0):
    """Learning without an encoder, as in lecture D2: fit q to every datum, then update the decoder; and again.

    The q of the last epoch are where the next starts. The model handed in is not changed; it lends its decoder's start.

    Returns
    -------
    q : LocalPosterior, whose `q.vae` holds the learned decoder
    history : dict of lists, one entry per epoch: neg_elbo in nats per datum, seconds
    """
    q, learning, inference = LocalPosterior(vae, X, seed=seed), Adam(decoder_lr), Adam(lr)
    vae = q.vae
    history = {"neg_elbo": [], "seconds": []}
    for _ in range(check_int("epochs", epochs, 1)):
        start = time.perf_counter()
        with blas_threads(vae, len(q.x)):
            for _ in range(steps):  # 1. fit q
                inference.step(q.theta, -q.elbo_and_grad(q._noise(n_samples))[1])
            dtheta = np.zeros_like(vae.theta)  # 2. update the decoder
            elbo, _ = q.elbo_and_grad(q._noise(n_samples), vae.views(dtheta))
            learning.step(vae.theta, -dtheta / len(q.x))
        history["neg_elbo"].append(-float(elbo.mean()))
        history["seconds"].append(time.perf_counter() - start)
    return q, history
