"""The KL term in two parts, and the prior that takes one of them away.

The mean KL of a VAE is what z says of the datum plus what the aggregate posterior, q(z) = 1/N sum_n q(z|x_n), misses of the prior.
The second part buys nothing: where it is large, the prior draws z from holes. A mixture fitted to q(z) afterwards, with the
networks as they are, gets most of it back (lectures D0 and D4).
"""

from typing import NamedTuple

import numpy as np

from ..bounds import draw_forward, log_pz_forward
from ..estimators import standard_error
from ..posteriors import CLOSED_KL
from ..priors.mixture import mixture_forward
from ..support.streams import EVALUATION, LOCAL, generator
from ..support.validation import check_choice, check_int, check_matrix

CHUNK = 200  # draws whose density under all N posteriors is held at once

# ---- the aggregate posterior ----------------------------------------------------------------------


def aggregate_log_density(vae, X, Z):
    """log q(z) = log 1/N sum_n q(z|x_n): a sum over all rows of X, and no estimate.

    Parameters
    ----------
    vae : VAE whose posterior is "diagonal" or "full"
    X : ndarray of shape (N, D), the data that q(z) is an average over
    Z : ndarray of shape (M, K)

    Returns
    -------
    ndarray of shape (M,), in nats
    """
    q, Z = _posteriors(vae, X), check_matrix("Z", Z, vae.n_latent)
    return _log_aggregate(vae, q, Z)


def _log_aggregate(vae, q, z):
    log_q = np.empty(len(z))
    for i in range(0, len(z), CHUNK):
        of_each, _ = vae.parts.posterior.forward(z[i : i + CHUNK, None], *q)  # log q(z|x_n), of shape (chunk, N)
        top = of_each.max(1)
        log_q[i : i + CHUNK] = top + np.log(np.exp(of_each - top[:, None]).mean(1))
    return log_q


def _posteriors(vae, X):
    """The parts of q(z|x), in float64."""
    check_choice("posterior", vae.posterior, ("diagonal", "full"))
    return tuple(part.astype(np.float64) for part in vae.encode(X))


def _draws(vae, q, n_samples, rng):
    """z ~ q(z|x), of shape (n_samples, N, K), in float64."""
    eps = rng.standard_normal((n_samples, len(q[0]), vae.n_latent))
    return draw_forward(q, eps, {}, vae.parts.posterior)[0]


# ---- the KL in two parts --------------------------------------------------------------------------


class KLParts(NamedTuple):
    """kl = information + marginal, in nats per datum: to rounding, for the three are means over the same draws.

    `error` holds the standard errors of the three; `closed` is the mean KL without draws, or None where no closed form is known.
    """

    kl: float
    information: float
    marginal: float
    error: tuple
    closed: float | None

    def __str__(self):
        a, b, c = (f"{value:.3f} +- {error:.3f}" for value, error in zip(self[:3], self.error, strict=True))
        return f"mean KL {a} = I(x; z) {b} + KL(q(z) || p(z)) {c} (nats per datum, errors by sampling)"


def kl_in_parts(vae, X, n_samples=10, rng=None):
    """E_x KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || p(z)),  q(z) = 1/N sum_n q(z|x_n)              [AGG.1]

    I(x; z) = E log q(z|x) - log q(z), with x a random row of X and z ~ q(z|x); it is at most ln N. The densities are exact, the
    expectation over z is a mean over n_samples draws for every row. So the sum holds to rounding, and each of the three has a Monte Carlo error.
    Source: Hoffman and Johnson, "ELBO surgery" (2016).

    Parameters
    ----------
    vae : VAE whose posterior is "diagonal" or "full", under any prior
    X : ndarray of shape (N, D): the training data, if q(z) is to be that of the training
    n_samples : int, at least 2 for the errors
    rng : numpy.random.Generator or int; the model's seed unless given

    Returns
    -------
    KLParts

    Examples
    --------
    >>> from tinyvae import VAE, load_digits
    >>> X, _ = load_digits()
    >>> parts = kl_in_parts(VAE(64, 2), X[:100])
    >>> abs(parts.kl - parts.information - parts.marginal) < 1e-12
    True
    """
    n_samples, rng = check_int("n_samples", n_samples, 2), generator(rng, vae.seed, EVALUATION)
    q, own = _posteriors(vae, X), _prior_values(vae)
    z = _draws(vae, q, n_samples, rng)  # (S, N, K)
    log_qzx, _ = vae.parts.posterior.forward(z, *q)  # (S, N)
    log_qz = _log_aggregate(vae, q, z.reshape(-1, vae.n_latent)).reshape(log_qzx.shape)
    log_pz, _ = log_pz_forward(z, own, vae.parts.prior)
    terms = np.stack([log_qzx - log_pz, log_qzx - log_qz, log_qz - log_pz], axis=-1)  # (S, N, 3)
    closed, _ = CLOSED_KL.get((vae.posterior, vae.parts.prior.name), (None, None))
    closed = None if closed is None else float(closed(*q)[0].mean())
    return KLParts(*map(float, terms.mean((0, 1))), tuple(map(float, _error(terms))), closed)


def _error(terms):
    """The standard error of the mean over (S, N): every row has its own S draws, so rows differ without being an error."""
    return np.sqrt((standard_error(terms) ** 2).sum(0)) / terms.shape[1]


def _prior_values(vae):
    return {name: view.astype(np.float64) for name, view in vae.params.items() if name.startswith("prior.")}


# ---- a prior fitted afterwards --------------------------------------------------------------------


class Mixture(NamedTuple):
    """r(z) = sum_c w_c N(z; mu_c, diag(sigma_c^2)), w = softmax(logits): logits (C,), mu and log_sigma (C, K), as the prior "mixture:C" has them."""

    logits: np.ndarray
    mu: np.ndarray
    log_sigma: np.ndarray


def em_step(mixture, z):
    """One step of expectation maximisation on z of shape (M, K): (the next mixture, the mean of log r(z) before it, in nats).

    E: p(c|z) = w_c N(z; mu_c, sigma_c^2) / r(z).  M: w, mu and sigma^2 become the shares, means and variances under these weights.
    No step lowers the mean of log r(z).
    """
    log_r, (_, responsibility, _) = mixture_forward(z, *mixture)  # (M,), (M, C)
    total = np.maximum(responsibility.sum(0), 1e-300)  # a component without draws keeps a weight of nothing
    mu = responsibility.T @ z / total[:, None]
    variance = np.stack([p @ (z - m) ** 2 for p, m in zip(responsibility.T, mu, strict=True)]) / total[:, None]
    return Mixture(np.log(total / len(z)), mu, np.log(np.maximum(variance, 1e-12)) / 2), float(log_r.mean())


def fit_mixture(vae, X, n_components=10, *, steps=200, n_samples=5, rng=None):
    """A mixture of Gaussians fitted to the aggregate posterior of X by EM on draws; the VAE stays as it is.

    It starts at draws of q(z), as wide as all of them together.

    Parameters
    ----------
    vae : VAE whose posterior is "diagonal" or "full"
    X : ndarray of shape (N, D), the training data
    n_components : int, C
    steps : int, of EM
    n_samples : int, draws of z for every row
    rng : numpy.random.Generator or int; the model's seed unless given

    Returns
    -------
    mixture : Mixture
    history : list of the mean of log r(z) before each step, in nats; it never falls
    """
    n_components, n_samples = check_int("n_components", n_components, 1), check_int("n_samples", n_samples, 1)
    rng, q = generator(rng, vae.seed, LOCAL), _posteriors(vae, X)
    z = _draws(vae, q, n_samples, rng).reshape(-1, vae.n_latent)
    if n_components > len(z):
        raise ValueError(f"n_components must be at most the number of draws, {len(z)}, got {n_components}: take more rows or samples")
    mu = z[rng.choice(len(z), n_components, replace=False)]
    mixture, history = Mixture(np.zeros(n_components), mu, np.tile(np.log(z.std(0)), (n_components, 1))), []
    for _ in range(check_int("steps", steps, 0)):
        mixture, log_r = em_step(mixture, z)
        history.append(log_r)
    return mixture, history


def prior_gain(vae, mixture, X, n_samples=10, rng=None):
    """What the ELBO gains where r(z) takes the place of p(z): E log r(z) - log p(z) = KL(q || p) - KL(q || r)    [AGG.2]

    q is the aggregate posterior of X: so the gain is at most its KL to the prior, whatever r is. The draws are those of `kl_in_parts` with the
    same arguments, and should not be those that r was fitted to.

    Returns
    -------
    gain, error : floats, the mean over X and its standard error by sampling; in nats per datum
    """
    n_samples, rng, mixture = check_int("n_samples", n_samples, 2), generator(rng, vae.seed, EVALUATION), _checked(mixture, vae)
    z = _draws(vae, _posteriors(vae, X), n_samples, rng)
    gain = mixture_forward(z, *mixture)[0] - log_pz_forward(z, _prior_values(vae), vae.parts.prior)[0]
    return float(gain.mean()), float(_error(gain))


def with_mixture_prior(vae, mixture):
    """A VAE with the networks of this one and r(z) as its prior, which can be sampled, evaluated, saved, and trained further."""
    if "prior" not in vae.config:
        raise TypeError(f"vae must be a VAE that takes a prior, got a {type(vae).__name__}")
    twin = type(vae)(**vae.config | {"prior": f"mixture:{len(_checked(mixture, vae).logits)}"})
    for name, view in twin.params.items():
        kind, _, own = name.partition(".")
        view[...] = getattr(mixture, own) if kind == "prior" else vae.params[name]
    twin.epoch = vae.epoch
    return twin


def _checked(mixture, vae):
    if mixture.mu.shape != (len(mixture.logits), vae.n_latent) or mixture.log_sigma.shape != mixture.mu.shape:
        raise ValueError(f"mixture must have {vae.n_latent} columns in mu and log_sigma, as this VAE has latents, got {mixture.mu.shape}: fit it to this VAE")
    return mixture
