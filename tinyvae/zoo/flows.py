"""How rich must q be? q fitted to one given density, and to the posteriors of a decoder that stays as it is.

The gap log p(x) - ELBO = KL(q || p(z|x)) is the family's, where nothing else is trained (lectures D0 and D3). An inverse autoregressive
flow (`tinyvae.posteriors.iaf`) closes it where the posterior is bent. Where it has two modes apart, q takes one of them, and its own
importance weights do not show what is missing.
"""

import math

import numpy as np

from .. import posteriors
from ..bounds import (
    draw_backward,
    draw_forward,
    log_ratio_backward,
    log_ratio_forward,
)
from ..gaussian import LOG_2PI
from ..iwae import iwae_bound_forward
from ..optim import Adam
from ..params import Gradients, count, views
from ..parts import Parts
from ..priors import Prior
from ..support.streams import EVALUATION, LOCAL, WEIGHTS, generator, stream
from ..support.validation import check_int
from ..vae import VAE

# ---- one density ------------------------------------------------------------------------------------

BEND, NOISE, SEEN = 2.0, 0.4, -1.0


def banana_forward(z):
    """log p(x, z) = log N(z; 0, I) + log N(x; z_2 - 2 z_1^2, 0.4^2) at x = -1: given x, z_2 lies near 2 z_1^2 - 1

    z has shape (..., 2), log p(x, z) (...,), in nats.
    """
    r = (SEEN - z[..., 1] + BEND * z[..., 0] ** 2) / NOISE
    cache = z, r
    return -((z * z).sum(-1) + r * r) / 2 - math.log(NOISE) - 1.5 * LOG_2PI, cache


def banana_backward(dlog_p, cache):
    """dr = -r dlog_p,  dz_1 = -z_1 dlog_p + 4 z_1 dr / 0.4,  dz_2 = -z_2 dlog_p - dr / 0.4               dz (..., 2)"""
    z, r = cache
    dr = -r * dlog_p
    through_r = np.stack([2 * BEND * z[..., 0] * dr, -dr], axis=-1) / NOISE
    return through_r - z * dlog_p[..., None]


class DensityFit:
    """One q(z), fitted to one density p(x, z), which need not be normalised, by gradient ascent on the ELBO.

    ELBO = E_q[log p(x, z) - log q(z)] = log p(x) - KL(q || p(z|x)). The pairs are those of the bounds, with p(x, z) in the place of
    the prior: no encoder and no decoder.

    Parameters
    ----------
    forward, backward : the pair of log p(x, z): z of shape (L, 1, K) -> (L, 1), in nats
    n_latent : int, K
    posterior : str, as for `VAE`: "diagonal", "full" or "iaf:T"
    start : sequence of K numbers, the mean of q before the fit
    seed : int

    Examples
    --------
    >>> fits = [DensityFit(banana_forward, banana_backward, 2, q).fit(200, 0.03, 16) for q in ("diagonal", "iaf:2")]
    >>> bool(fits[1].elbo() > fits[0].elbo() + 0.3)
    True
    """

    def __init__(self, forward, backward, n_latent, posterior="iaf:4", start=0.0, seed=0):
        q, K = posteriors.get(posterior), check_int("n_latent", n_latent, 1)
        self.parts = Parts(None, q, Prior("p(x, z)", forward, backward, None), None, None)
        self.heads = {name: (1, *shape) for name, shape in q.heads(K).items()}
        self.shapes = self.heads | {f"posterior.{name}": shape for name, shape in q.shapes(K).items()}
        self.theta, self.seed, self.n_latent, self.step = np.zeros(count(self.shapes)), seed, K, 0
        if q.start is not None:
            q.start(stream(seed, WEIGHTS), {name: self.params[f"posterior.{name}"] for name in q.own})
        self.params["mu"][...] = start

    @property
    def params(self):
        """Names to views of `theta`: the parts of q, each with one row, and the posterior's own parameters."""
        return views(self.theta, self.shapes)

    def log_weights(self, eps):
        """log p(x, z) - log q(z), of shape (L,), at the draws that eps, of shape (L, 1, K), gives; and what the gradient needs."""
        q, params = [self.params[name] for name in self.heads], self.params
        z, z_cache = draw_forward(q, eps, params, self.parts.posterior)
        log_w, ratio_cache = log_ratio_forward(q, z, params, self.parts, eps)
        return log_w[:, 0], (z_cache, ratio_cache)

    def elbo_and_grad(self, eps):
        """The ELBO over the draws of eps, and its gradient, of the shape of `theta`."""
        log_w, (z_cache, ratio_cache) = self.log_weights(eps)
        dlog_w, dparams = np.full((len(log_w), 1), 1 / len(log_w)), Gradients(self.shapes)
        dq_ratio, dz = log_ratio_backward(dlog_w, ratio_cache, dparams, self.parts)
        dq = draw_backward(dz, z_cache, dparams, self.parts.posterior)
        for name, d, d_ratio in zip(self.heads, dq, dq_ratio):
            dparams[name] += d + d_ratio
        return log_w.mean(), dparams.flat()

    def fit(self, steps=2000, lr=0.01, n_samples=32):
        """Gradient ascent on the ELBO by Adam, with a step size that falls linearly to zero. Returns self."""
        adam, n_samples = Adam(lr), check_int("n_samples", n_samples, 1)
        for i in range(check_int("steps", steps, 0)):
            adam.lr, self.step = lr * (1 - i / steps), self.step + 1
            eps = stream(self.seed, LOCAL, self.step).standard_normal((n_samples, 1, self.n_latent))
            adam.step(self.theta, -self.elbo_and_grad(eps)[1])
        return self

    def elbo(self, n_samples=20_000, rng=None):
        """The ELBO by so many draws, in nats."""
        return float(self._draws(n_samples, rng).mean())

    def log_evidence(self, n_samples=20_000, rng=None):
        """log p(x) by importance sampling from q, in nats: no better than q's reach."""
        return float(iwae_bound_forward(self._draws(n_samples, rng)[:, None])[0][0])

    def _draws(self, n_samples, rng):
        rng = generator(rng, self.seed, EVALUATION)
        return self.log_weights(rng.standard_normal((check_int("n_samples", n_samples, 1), 1, self.n_latent)))[0]


# ---- the posteriors of one decoder --------------------------------------------------------------------


class KeptDecoder(VAE):
    """A VAE that learns q(z|x) alone: decoder, prior and what the likelihood learns stay, and with them p(x) and every p(z|x).

    Examples
    --------
    >>> vae = VAE(6, 2, hidden=(5,))
    >>> richer = KeptDecoder.of(vae, "iaf:2")
    >>> history = richer.fit(np.eye(6), epochs=3, progress=False)
    >>> bool(np.array_equal(richer.decode([[1.0, 2.0]]), vae.decode([[1.0, 2.0]])))
    True
    """

    @classmethod
    def of(cls, vae, posterior):
        """The weights of a trained VAE, with another family of q: from a diagonal Gaussian, a flow starts as that one."""
        if type(vae) not in (VAE, cls):
            raise TypeError(f"vae must be a VAE, got a {type(vae).__name__}: its networks would be others")
        model = cls(**vae.config | {"posterior": posterior})
        for name, old in vae.params.items():
            if model.shapes.get(name) == old.shape and not name.startswith("posterior."):
                model.params[name][...] = old
            elif name.startswith("encoder.head."):  # the mean and the log of the widths (of `full` of its factor's diagonal); the rest starts at 0
                model.params[name][...] = 0
                model.params[name][..., : 2 * vae.n_latent] = old[..., : 2 * vae.n_latent]
        return model

    def loss_backward(self, dloss, cache, weights=None):
        """The gradient of the encoder and of the posterior's own parameters; 0 for all others. Shape (P,)."""
        dtheta = super().loss_backward(dloss, cache, weights)
        for name, view in self.views(dtheta).items():
            if not name.startswith(("encoder.", "posterior.")):
                view[...] = 0
        return dtheta


def pairs(rng):
    """Where to check the pair of this page."""
    return {"banana": (banana_forward, banana_backward, (rng.standard_normal((3, 4, 2)),))}
