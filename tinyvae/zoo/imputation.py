"""Missing pixels: a VAE fills in what it was not shown, in three ways (lecture D0).

NaN marks what is missing. The model was trained on whole data, and its networks stay as they are. Either q is fitted anew to the
observed pixels alone, without the encoder; or the encoder is used as it is, on data that a chain fills in.
"""

import numpy as np

from ..bounds import (
    decode_backward,
    decode_forward,
    draw_backward,
    draw_forward,
    encode_forward,
    kl_term_backward,
    kl_term_forward,
    log_px_backward,
    log_px_forward,
    log_ratio_forward,
    own_values,
)
from ..optim import Adam
from ..params import views
from ..support.machine import blas_threads
from ..support.streams import EVALUATION, LOCAL, generator
from ..support.validation import check_int, check_number
from ..vae import VAE

# ---- the bound on what was observed -----------------------------------------------------------------


def observed_log_px_forward(out, x, observed, params, likelihood):
    """log p(x_o|z) = sum over the observed pixels d of log p(x_d|z): given z, pixels are independent          [MISS.1]

    Parameters
    ----------
    out : ndarray of shape (L, N, D), the decoder's output
    x : ndarray of shape (N, D); any finite number stands where a pixel is missing
    observed : ndarray of shape (N, D), 1 where the pixel was seen and 0 where it is missing
    params : mapping of names to arrays, as `VAE.params`
    likelihood : Likelihood with one output per pixel

    Returns
    -------
    log_px : ndarray of shape (L, N), in nats
    cache : what `observed_log_px_backward` needs
    """
    of_pixel, px_cache = log_px_forward(out[..., None], x[..., None], params, likelihood)  # (L, N, D): each a sum over one pixel
    cache = px_cache, observed
    return (of_pixel * observed).sum(-1), cache


def observed_log_px_backward(dlog_px, cache, dparams, likelihood):
    """dout_d = observed_d dlog_px d log p(x_d|z) / d out_d: nothing comes from a missing pixel                [MISS.2]

    dlog_px has shape (L, N), dout (L, N, D).
    """
    px_cache, observed = cache
    dof_pixel = dlog_px[..., None] * observed
    return log_px_backward(dof_pixel, px_cache, dparams, likelihood)[..., 0]


def observed_elbo_forward(q, eps, x, observed, params, parts):
    """E_q log p(x_o|z) - KL(q(z) || p(z)) <= log p(x_o): the ELBO of the observed pixels, without an encoder

    q is a tuple, (mu, log_sigma) for example, each (N, K); eps (L, N, K), x and observed (N, D), elbo (N,), in nats.
    """
    z, z_cache = draw_forward(q, eps, params, parts.posterior)
    out, decoder_cache = decode_forward(z, params, parts.decoder)
    log_px, px_cache = observed_log_px_forward(out, x, observed, params, parts.likelihood)  # (L, N)
    kl, kl_cache = kl_term_forward(q, z, params, parts, eps)
    cache = z_cache, decoder_cache, px_cache, log_px.shape, kl_cache
    return log_px.mean(0) - kl, cache


def observed_elbo_backward(delbo, cache, parts):
    """The same lines from last to first: dq in the order of q, each (N, K); delbo (N,). The decoder gets no gradient."""
    z_cache, decoder_cache, px_cache, (L, N), kl_cache = cache
    dq_kl, dz_kl = kl_term_backward(-delbo, kl_cache, None, parts)
    dlog_px = np.broadcast_to(delbo / L, (L, N))  # of the mean over samples
    dout = observed_log_px_backward(dlog_px, px_cache, None, parts.likelihood)
    dz = decode_backward(dout, decoder_cache, None) + dz_kl
    dq = draw_backward(dz, z_cache, None, parts.posterior)
    return tuple(d + d_kl for d, d_kl in zip(dq, dq_kl, strict=True))


# ---- q fitted to the observed pixels ------------------------------------------------------------------


def impute_by_fit(vae, X, *, steps=300, lr=0.05, n_pairs=2, seed=0):
    """E_q E[x_m|z] in the place of every NaN, for the q of each datum that ascends the ELBO of its observed pixels.

    Adam with a step size that falls to zero, from the encoder's q of X with its NaN filled by the decoder at z = 0. Noise comes in pairs
    eps, -eps: if the decoder is linear and p(x|z) Gaussian, the gradient by the mean of q is then free of noise.

    Parameters
    ----------
    vae : VAE with one output per pixel
    X : ndarray of shape (N, D), NaN where a pixel is missing
    steps : int
    lr : float
    n_pairs : int, of draws for each datum and step
    seed : int

    Returns
    -------
    ndarray of shape (N, D), X with every NaN replaced

    Examples
    --------
    >>> from tinyvae import VAE, load_digits
    >>> X = load_digits()[0][:3].copy()
    >>> X[:, 32:] = np.nan
    >>> filled = impute_by_fit(VAE(64, 2), X, steps=5)
    >>> bool(np.isfinite(filled).all()), bool(np.array_equal(filled[:, :32], X[:, :32]))
    (True, True)
    """
    x, observed = _filled(vae, X)
    steps, n_pairs, lr = check_int("steps", steps, 0), check_int("n_pairs", n_pairs, 1), check_number("lr", lr, above=0)
    rng, adam = generator(None, seed, LOCAL), Adam(lr)
    shapes = {name: (len(x), *shape) for name, shape in vae.parts.posterior.heads(vae.n_latent).items()}
    theta = np.concatenate([part.ravel() for part in encode_forward(x, vae.params, vae.parts.encoder)[0]])
    q = tuple(views(theta, shapes).values())
    with blas_threads(vae, len(x)):
        for i in range(steps):
            adam.lr = lr * (1 - i / steps)
            _, cache = observed_elbo_forward(q, _mirrored(vae, rng, n_pairs, len(x)), x, observed, vae.params, vae.parts)
            dq = observed_elbo_backward(-np.ones(len(x), vae.dtype), cache, vae.parts)
            adam.step(theta, np.concatenate([d.ravel() for d in dq]))
    z, _ = draw_forward(q, _mirrored(vae, rng, 50, len(x)), vae.params, vae.parts.posterior)
    out = np.mean([vae.decode(rows) for rows in z], axis=0)
    return np.where(observed, X, out)


def _mirrored(vae, rng, n_pairs, n):
    eps = rng.standard_normal((n_pairs, n, vae.n_latent), vae.dtype)
    return np.concatenate([eps, -eps])


def _filled(vae, X):
    """X in the model's dtype with the decoder's output at z = 0 for every NaN, and which pixels were observed; or an error."""
    if not isinstance(vae, VAE):
        raise TypeError(f"vae must be a VAE, got a {type(vae).__name__}: its posterior and its decoder are used as they are")
    if vae.parts.likelihood.outputs != 1 or vae.parts.likelihood.whole:
        raise ValueError(f"likelihood must have one output per pixel to leave pixels out, got {vae.likelihood!r}: take 'gaussian_scalar' or 'bernoulli'")
    X = np.asarray(X)
    if X.ndim != 2 or X.dtype.kind != "f":
        raise ValueError(f"X must be floats of shape (N, {vae.n_features}) with NaN where a pixel is missing, got {X.dtype} of shape {X.shape}")
    observed = ~np.isnan(X)
    vae.check_data(np.where(observed, X, 0))
    start = vae.decode(np.zeros((1, vae.n_latent)))
    return np.where(observed, X, start).astype(vae.dtype), observed


# ---- chains with the encoder as it is ---------------------------------------------------------------------


def impute_by_chain(vae, X, *, metropolis=True, steps=2000, burn_in=20, rng=None):
    """The mean of E[x_m|z] along a chain that draws z given x and the missing x_m given z in turns, in the place of every NaN.

    Pseudo-Gibbs (metropolis=False) takes every z' ~ q(z|x) as if q were p(z|x). Metropolis-within-Gibbs takes it, else keeps z, with probability

    min(1, w(z') / w(z)),  w(z) = p(x|z) p(z) / q(z|x), both at the present x                                  [MWG.1]

    and leaves p(z, x_m|x_o) as it is; w are the weights of importance sampling. If q(z|x) = p(z|x), w is p(x) for every z: all are accepted.
    The first half of burn_in takes every z', for a chain can be stuck at the z that it starts with.
    Source: pseudo-Gibbs, Rezende et al., arXiv:1401.4082; with Metropolis, Mattei and Frellsen, arXiv:1802.04826.

    Parameters
    ----------
    vae : VAE with one output per pixel
    X : ndarray of shape (N, D), NaN where a pixel is missing
    metropolis : bool
    steps, burn_in : int; the mean is over the steps after burn_in
    rng : numpy.random.Generator or int; the model's seed unless given

    Returns
    -------
    filled : ndarray of shape (N, D), X with every NaN replaced
    accepted : float, the share of z' that were accepted after burn_in
    """
    x, observed = _filled(vae, X)
    if metropolis and vae.parts.posterior.by_noise:
        raise ValueError(f"posterior {vae.posterior!r} knows log q at its own draws alone, and Metropolis asks at older ones: take metropolis=False, or impute_by_fit")
    burn_in, rng = check_int("burn_in", burn_in, 0), generator(rng, vae.seed, EVALUATION)
    steps, likelihood = check_int("steps", steps, burn_in + 1), vae.parts.likelihood
    own, kept, total, accepted = own_values(likelihood, "likelihood", vae.params), None, np.zeros(x.shape), 0
    for i in range(steps):
        q, _ = encode_forward(x, vae.params, vae.parts.encoder)
        new = _proposal(vae, q, rng)
        take = np.ones(len(x), bool)
        if metropolis and kept is not None and i >= burn_in // 2:
            take = np.log(rng.random(len(x))) < _log_weight(vae, x, q, *new) - _log_weight(vae, x, q, *kept)
        kept = new if kept is None else tuple(np.where(take[:, None], a, b) for a, b in zip(new, kept, strict=True))
        x = np.where(observed, x, likelihood.sample(kept[1], rng, *own)[0])  # x_m ~ p(x_m|z)
        if i >= burn_in:
            total += likelihood.mean(kept[1])[0]
            accepted += take.mean()
    n = steps - burn_in
    return np.where(observed, X, total / n), float(accepted / n)


def _proposal(vae, q, rng):
    """z' ~ q(z|x), of shape (1, N, K), and the decoder's output there, (1, N, D)."""
    z, _ = draw_forward(q, rng.standard_normal((1, len(q[0]), vae.n_latent), vae.dtype), vae.params, vae.parts.posterior)
    return z, decode_forward(z, vae.params, vae.parts.decoder)[0]


def _log_weight(vae, x, q, z, out):
    """log w(z) of shape (N,)."""
    log_px, _ = log_px_forward(out, x, vae.params, vae.parts.likelihood)
    return (log_px + log_ratio_forward(q, z, vae.params, vae.parts)[0])[0]


def pairs(rng):
    """Where to check the pairs of this page."""
    vae = VAE(6, 3, hidden=(5,), likelihood="gaussian_scalar", dtype="float64")
    params, parts = vae.params, vae.parts
    x, observed, eps = rng.random((4, 6)), (rng.random((4, 6)) < 0.6).astype(float), rng.standard_normal((2, 4, 3))
    mu, log_sigma = 0.5 * rng.standard_normal((2, 4, 3))
    return {
        "observed_log_px": (
            lambda out: observed_log_px_forward(out, x, observed, params, parts.likelihood),
            lambda dlog_px, cache: observed_log_px_backward(dlog_px, cache, None, parts.likelihood), (rng.standard_normal((2, 4, 6)),),
        ),
        "observed_elbo": (
            lambda mu, log_sigma: observed_elbo_forward((mu, log_sigma), eps, x, observed, params, parts),
            lambda delbo, cache: observed_elbo_backward(delbo, cache, parts), (mu, log_sigma),
        ),
    }  # fmt: skip
