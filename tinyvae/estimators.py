"""Estimators of log p(x), of gradients and of the KL: how good is a number that was drawn at random?

The lectures' estimators beside one another, each with its bias, its variance or its standard error.
"""

import numpy as np

from .bounds import log_px_forward, log_weight_terms_forward, own_values
from .gaussian import gaussian_log_density_forward, kl_forward, reparameterize_forward
from .iwae import iwae_bound_forward
from .priors.standard import standard_normal_forward
from .support.machine import blas_threads, keep_freed_memory, progress_bar
from .support.streams import EVALUATION, generator
from .support.validation import check_int

ROWS = 50  # data evaluated together


def standard_error(samples):
    """The standard error of the mean of independent samples, along the first axis."""
    samples = np.asarray(samples, dtype=np.float64)
    return samples.std(0, ddof=1) / np.sqrt(len(samples))


# ---- log p(x) ------------------------------------------------------------------------------------


def naive_log_likelihood(vae, X, n_samples=1, rng=None):
    """log 1/L sum_l p(x|z_l) with z_l from the prior: biased for log p(x), and noisy.              [NAIVE.1]

    p(x) itself is estimated without bias, its logarithm is not: E log p(x|z), for one sample, is the ELBO at q = p(z), so the bias is exactly
    -KL(p(z) || p(z|x)). (Lecture D0.)

    Parameters
    ----------
    vae : VAE
    X : ndarray of shape (N, D)
    n_samples : int, L
    rng : numpy.random.Generator or int; the model's seed unless given

    Returns
    -------
    ndarray of shape (N,), in nats
    """
    x, params, prior = vae.scaled(vae.check_data(X)), vae.params, vae.parts.prior
    shape = check_int("n_samples", n_samples, 1), vae.n_latent
    rng = generator(rng, vae.seed, EVALUATION)
    z = prior.sample(rng, shape, np.float64, *own_values(prior, "prior", params))
    log_px = np.stack([log_px_forward(out, x, params, vae.parts.likelihood)[0] for out in vae.decoder_output(z)[:, None]])
    return iwae_bound_forward(log_px.astype(np.float64))[0]


def log_likelihood(vae, X, n_samples=5000, rng=None, chunk=2000, progress=None, return_ess=False):
    """Importance-sampled log p(x) = log 1/L sum_l w_l,  w = p(x|z) p(z) / q(z|x),  z ~ q(z|x)         [IS.1]

    Unbiased inside the logarithm, so a lower bound on log p(x) in expectation, which tightens with L. The weights have a
    finite variance only where q has heavy enough tails (`weights_have_finite_variance`).
    Source: Burda et al., arXiv:1509.00519, who evaluate with 5000 samples.

    Parameters
    ----------
    vae : VAE
    X : ndarray of shape (N, D)
    n_samples : int, L
    rng : numpy.random.Generator or int; the model's seed unless given
    chunk : int
        How many z are decoded at a time, at least one for each of 50 data: bounds the memory. The result does not depend on it.
    progress : bool, optional
        Show a progress bar, with the median effective sample size; by default on work of more than a million z.
    return_ess : bool
        Also return the effective sample size (sum w)^2 / sum w^2 of every datum, from 1 to L.

    Returns
    -------
    log_px : ndarray of shape (N,), in nats (and ess, of the same shape)
    """
    X, rng = vae.check_data(X), generator(rng, vae.seed, EVALUATION)
    L, chunk = check_int("n_samples", n_samples, 1), check_int("chunk", chunk, 1)
    keep_freed_memory()
    log_px, ess = np.empty(len(X)), np.empty(len(X))
    show = len(X) * L > 1_000_000 if progress is None else progress
    with blas_threads(vae, chunk), progress_bar(len(X), show, unit="datum") as bar:
        for start in range(0, len(X), ROWS):  # whatever the chunk: the order of the draws hangs on it
            part = slice(start, start + ROWS)
            x = vae.scaled(X[part])
            top, total, squares = np.full(len(x), -np.inf), 0.0, 0.0  # of exp(log_w - top), updated as top rises
            for log_w in _log_weights(vae, x, L, rng, chunk):
                old, top = top, np.maximum(top, log_w.max(0))
                w, fall = np.exp(log_w - top), np.exp(old - top)
                total, squares = total * fall + w.sum(0), squares * fall**2 + (w * w).sum(0)
            log_px[part], ess[part] = top + np.log(total) - np.log(L), total**2 / squares
            bar.set_postfix(median_ess=f"{np.median(ess[: start + len(x)]):.0f}", refresh=False)
            bar.update(len(x))
    return (log_px, ess) if return_ess else log_px


def _log_weights(vae, x, L, rng, chunk):
    """L log weights for every row of x, in float64, some samples at a time, each of shape (n, N)."""
    params, at_once = vae.params, max(1, chunk // (len(x) * vae.parts.likelihood.outputs))
    for start in range(0, L, at_once):
        n = min(at_once, L - start)
        eps = rng.standard_normal((n, len(x), vae.n_latent), dtype=vae.dtype)
        (log_px, log_ratio), _ = log_weight_terms_forward(x, eps, params, vae.parts)
        yield (log_px + log_ratio).astype(np.float64)


def bound_budget(vae, X, counts=(1, 5, 50), n_samples=5000, rng=None, progress=None):
    """From the ELBO to log p(x): the mean k-sample bound for several k, then the NLL, in nats per datum.

    One set of n_samples weights per datum serves all: it is cut into groups of k, so the bounds are paired.

    Returns
    -------
    dict with "bounds" (k -> mean bound, for the k up to n_samples; k = 1 is the ELBO), "nll" (-log p(x) by all
    n_samples), "nll_error" (its standard error over the data, None for one datum), "ess" (the median effective sample size)
    """
    X, rng, L = vae.check_data(X), generator(rng, vae.seed, EVALUATION), check_int("n_samples", n_samples, 1)
    counts, parts, all_px, all_ess = [k for k in counts if k <= L], [], [], []
    show = len(X) * L > 1_000_000 if progress is None else progress
    with blas_threads(vae, 2000), progress_bar(len(X), show, unit="datum") as bar:
        for start in range(0, len(X), ROWS):
            x = vae.scaled(X[start : start + ROWS])
            log_w = np.concatenate(list(_log_weights(vae, x, L, rng, 2000)))
            groups = {k: log_w[: L // k * k].reshape(L // k, k, len(x)).swapaxes(0, 1) for k in counts}
            parts.append([iwae_bound_forward(groups[k])[0].mean(0) for k in counts])
            log_px, weights = iwae_bound_forward(log_w)  # the weights sum to 1
            all_px.append(log_px)
            all_ess.append(1 / (weights**2).sum(0))
            bar.update(len(x))
    log_px, bounds = np.concatenate(all_px), np.concatenate(parts, axis=1).mean(1)
    return {
        "bounds": {k: float(bound) for k, bound in zip(counts, bounds)},
        "nll": -float(log_px.mean()),
        "nll_error": float(standard_error(log_px)) if len(log_px) > 1 else None,
        "ess": float(np.median(np.concatenate(all_ess))),
    }


def weights_have_finite_variance(posterior_precision, q_precision):
    """Whether importance weights have a finite variance, for a Gaussian posterior and a Gaussian q.

    E_q w^2 is the integral of p^2 / q: finite iff 2 Lambda - Lambda_q is positive definite. The mean-field
    optimum of the reverse KL is narrower than the posterior and can violate it.

    Parameters
    ----------
    posterior_precision, q_precision : ndarrays of shape (K, K)

    Examples
    --------
    >>> weights_have_finite_variance(np.eye(1), 1.9 * np.eye(1)), weights_have_finite_variance(np.eye(1), 2.1 * np.eye(1))
    (True, False)
    """
    return bool(np.linalg.eigvalsh(2 * np.asarray(posterior_precision) - q_precision).min() > 0)


# ---- gradients of an expectation ------------------------------------------------------------------


def score_function_gradient(f, mu, log_sigma, eps):
    """Samples of d/dmu E f(z), z ~ N(mu, sigma^2):  f(z) (z - mu) / sigma^2                        [SCORE.1]

    Needs only values of f. Source: Williams (1992), "REINFORCE".

    Parameters
    ----------
    f : callable, z of shape (L, K) -> (L,)
    mu, log_sigma : ndarrays of shape (K,)
    eps : ndarray of shape (L, K), drawn from N(0, I)

    Returns
    -------
    ndarray of shape (L, K): its mean is the gradient, its variance what one sample costs
    """
    z, _ = reparameterize_forward(mu, log_sigma, eps)
    return f(z)[:, None] * eps / np.exp(log_sigma)


def reparameterized_gradient(df, mu, log_sigma, eps):
    """Samples of the same gradient by the sample path:  dmu = dz = f'(mu + sigma eps)               [PATH.1]

    Parameters
    ----------
    df : callable, z of shape (L, K) -> the gradient of f, (L, K)
    mu, log_sigma, eps : as for `score_function_gradient`

    Examples
    --------
    f(z) = z^2 at mu = sigma = 1, whose gradient is 2: the variances are 30 and 4.

    >>> eps, one, zero = np.random.default_rng(0).standard_normal((200_000, 1)), np.ones(1), np.zeros(1)
    >>> score = score_function_gradient(lambda z: (z**2).sum(1), one, zero, eps)
    >>> path = reparameterized_gradient(lambda z: 2 * z, one, zero, eps)
    >>> print(score.var().round(), path.var().round())
    30.0 4.0
    """
    z, _ = reparameterize_forward(mu, log_sigma, eps)
    return df(z)


def monte_carlo_kl(mu, log_sigma, n_samples=1000, rng=0):
    """The KL to N(0, I) as a mean of log q(z) - log p(z) over z ~ q, beside its closed form.

    Parameters
    ----------
    mu, log_sigma : ndarrays of shape (N, K)

    Returns
    -------
    estimate, error, closed : ndarrays of shape (N,): mean, its standard error, `kl_forward`; in nats
    """
    eps = np.random.default_rng(rng).standard_normal((check_int("n_samples", n_samples, 2), *mu.shape))
    z, _ = reparameterize_forward(mu, log_sigma, eps)
    log_q, _ = gaussian_log_density_forward(z, mu, log_sigma)
    log_p, _ = standard_normal_forward(z)
    return (log_q - log_p).mean(0), standard_error(log_q - log_p), kl_forward(mu, log_sigma)[0]
