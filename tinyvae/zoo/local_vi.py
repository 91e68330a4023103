"""Inference without an encoder: every datum has its own q, fitted by gradient ascent on the ELBO.

The same functions as in the VAE, with mu and log_sigma as free arrays in the place of the encoder's outputs.
What an encoder loses against this is the amortisation gap, what the Gaussian family loses the
approximation gap (lectures D0, D1 and D2; the names are those of arXiv:1801.03558).
"""

import contextlib
import time
from typing import NamedTuple

import numpy as np

from ..bounds import (
    decode_backward,
    decode_forward,
    draw_backward,
    draw_forward,
    kl_term_backward,
    kl_term_forward,
    log_px_backward,
    log_px_forward,
)
from ..estimators import log_likelihood, standard_error
from ..exact import GridPosterior
from ..optim import Adam
from ..params import count, views
from ..posteriors import POSTERIORS
from ..support.machine import blas_threads
from ..support.streams import EVALUATION, LOCAL, generator, stream
from ..support.validation import check_choice, check_int, look_up

# ---- fitting one q per datum ---------------------------------------------------------------------


class LocalPosterior:
    """A free Gaussian q(z) for every datum of X, under the decoder of a VAE, which stays as it is.

    Parameters
    ----------
    vae : VAE
    X : ndarray of shape (N, D)
    family : str, a name in `tinyvae.posteriors.POSTERIORS`: "diagonal" (mean field), "full" (Cholesky factor), or the VAE's own
    start : "prior", or "encoder" for semi-amortised inference (arXiv:1802.02550)
    seed : int

    Attributes
    ----------
    params : dict of arrays with a row for each datum: mu, log_sigma; or mu, log_diagonal, lower

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
        self.vae, start = vae.copy("float64"), check_choice("start", start, ("prior", "encoder"))
        self.x = self.vae.scaled(vae.check_data(X))
        self.parts = self.vae.parts._replace(posterior=look_up("family", POSTERIORS, family))
        if self.parts.posterior.own and family != vae.posterior:
            raise ValueError(f"family {family!r} has parameters of its own, which this VAE lacks: take a VAE with posterior={family!r}")
        self.shapes = {name: (len(self.x), *shape) for name, shape in self.parts.posterior.heads(vae.n_latent).items()}
        self.theta, self.seed, self.step = np.zeros(count(self.shapes)), seed, 0
        if start == "encoder":
            shared = None if family == vae.posterior else 2  # families share the mean and the log of the widths
            for view, of_encoder in zip(list(self.params.values())[:shared], self.vae.encode(X)):
                view[...] = of_encoder

    @property
    def params(self):
        """Names to views of the flat vector of all variational parameters."""
        return views(self.theta, self.shapes)

    def elbo_and_grad(self, eps, dparams=None):
        """The ELBO per datum, its gradient by the variational parameters, and (only if dparams is given) by the decoder.

        Parameters
        ----------
        eps : ndarray of shape (S, N, K)
        dparams : Gradients to which those of the decoder are added, optional

        Returns
        -------
        elbo : ndarray of shape (N,), in nats
        dtheta : ndarray of the shape of `theta`, the gradient of the sum of the ELBOs
        """
        q, params, parts = tuple(self.params.values()), self.vae.params, self.parts
        z, z_cache = draw_forward(q, eps, params, parts.posterior)
        out, decoder_cache = decode_forward(z, params, parts.decoder)
        log_px, px_cache = log_px_forward(out, self.x, params, parts.likelihood)
        kl, kl_cache = kl_term_forward(q, z, params, parts, eps)

        dq_kl, dz_kl = kl_term_backward(-np.ones_like(kl), kl_cache, dparams, parts)
        dout = log_px_backward(np.full_like(log_px, 1 / len(eps)), px_cache, dparams, parts.likelihood)
        dz = decode_backward(dout, decoder_cache, dparams) + dz_kl
        dq = draw_backward(dz, z_cache, dparams, parts.posterior)
        return log_px.mean(0) - kl, np.concatenate([(d + d_kl).ravel() for d, d_kl in zip(dq, dq_kl, strict=True)])

    def fit(self, steps=300, lr=0.05, n_samples=8):
        """Gradient ascent on the ELBO by Adam, with a step size that falls linearly to zero. Returns self."""
        adam, n_samples = Adam(lr), check_int("n_samples", n_samples, 1)
        with blas_threads(self.vae, len(self.x)):
            for i in range(check_int("steps", steps, 0)):
                adam.lr = lr * (1 - i / steps)
                adam.step(self.theta, -self.elbo_and_grad(self._noise(n_samples))[1])
        return self

    def _noise(self, n_samples):
        self.step += 1  # a stream of its own for every step
        return stream(self.seed, LOCAL, self.step).standard_normal((n_samples, *self.shapes["mu"]))

    def elbo(self, n_samples=1000, rng=None):
        """The ELBO of every datum, of shape (N,), in nats, by n_samples draws."""
        return self.elbo_samples(n_samples, rng).mean(0)

    def elbo_samples(self, n_samples, rng=None):
        """log p(x|z) - KL for every draw of z, of shape (n_samples, N); drawn by the seed unless `rng` is given."""
        rng, q, params, parts = generator(rng, self.seed, EVALUATION), tuple(self.params.values()), self.vae.params, self.parts
        samples = []
        with blas_threads(self.vae, len(self.x)):
            for _ in range(check_int("n_samples", n_samples, 1)):
                eps = rng.standard_normal((1, *self.shapes["mu"]))
                z, _ = draw_forward(q, eps, params, parts.posterior)
                out, _ = decode_forward(z, params, parts.decoder)
                log_px, _ = log_px_forward(out, self.x, params, parts.likelihood)
                samples.append(log_px[0] - kl_term_forward(q, z, params, parts, eps)[0])
        return np.array(samples)


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
    n_samples = check_int("n_samples", n_samples, 2)  # one has no standard error
    amortised = LocalPosterior(vae, X, vae.posterior, start="encoder").elbo_samples(n_samples, stream(seed, EVALUATION))
    best = LocalPosterior(vae, X, family, start="encoder", seed=seed).fit(steps).elbo_samples(n_samples, stream(seed, EVALUATION))
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
    log_px, ess = log_likelihood(vae, X, n_samples, stream(seed, EVALUATION), return_ess=True)
    return log_px, 1 / ess - 1 / n_samples


def two_step_learning(vae, X, *, epochs, steps=20, lr=0.05, decoder_lr=0.003, n_samples=1, seed=0):
    """Learning without an encoder, as in lecture D2: fit q to every datum, then update the decoder; and again.

    The q of the last epoch are where the next starts. The model handed in is not changed; it lends its decoder's start.

    Returns
    -------
    q : LocalPosterior, whose `q.vae` holds the learned decoder
    history : dict of lists, one entry per epoch: neg_elbo in nats per datum, seconds
    """
    steps, n_samples = check_int("steps", steps, 0), check_int("n_samples", n_samples, 1)
    q, learning, inference = LocalPosterior(vae, X, seed=seed), Adam(decoder_lr), Adam(lr)
    vae = q.vae
    history = {"neg_elbo": [], "seconds": []}
    for _ in range(check_int("epochs", epochs, 1)):
        start = time.perf_counter()
        with blas_threads(vae, len(q.x)):
            for _ in range(steps):  # 1. fit q
                inference.step(q.theta, -q.elbo_and_grad(q._noise(n_samples))[1])
            dparams = vae.gradients()  # 2. update the decoder
            elbo, _ = q.elbo_and_grad(q._noise(n_samples), dparams)
            learning.step(vae.theta, -dparams.flat() / len(q.x))
        history["neg_elbo"].append(-float(elbo.mean()))
        history["seconds"].append(time.perf_counter() - start)
    return q, history
