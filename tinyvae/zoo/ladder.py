"""A VAE of two levels, p(z2) p(z1|z2) p(x|z1), whose q comes down the same way: q(z2|x) q(z1|x, z2), the ladder.

The slide "may require years of architecture design" (lecture D0) cites a VAE (arXiv:2007.03898) that stacks many levels, with a q that
comes down beside p. Here are two, in the way of the ladder VAE (Sønderby et al., arXiv:1602.02282): q(z1|x, z2) is a product of
two Gaussians, what the data say of z1 on the way up and what z2 says of it on the way down, which is p(z1|z2).
"""

from functools import partial
from typing import ClassVar

import numpy as np

from ..bounds import (
    cut,
    decode_backward,
    decode_forward,
    encode_backward,
    encode_forward,
    join,
)
from ..gaussian import (
    gaussian_log_density_forward,
    kl_backward,
    kl_forward,
    reparameterize_backward,
    reparameterize_forward,
)
from ..iwae import iwae_bound_forward
from ..layers import sigmoid, softplus
from ..likelihoods.bernoulli import RECORD as BERNOULLI
from ..likelihoods.bernoulli import bernoulli_backward, bernoulli_forward
from ..mlp import ACTIVATIONS, Network, mlp_backward, mlp_forward, mlp_init
from ..model import Model
from ..priors.standard import standard_normal_forward
from ..support.streams import EVALUATION, SAMPLING, generator
from ..support.validation import check_choice, check_int, check_noise, check_sizes


def precision_weighted_forward(mu_up, log_sigma_up, mu_down, log_sigma_down):
    """N(mu, sigma^2), proportional to N(mu_up, sigma_up^2) N(mu_down, sigma_down^2): precisions add            [LADQ.1]

    1 / sigma^2 = 1 / sigma_up^2 + 1 / sigma_down^2,  mu = mu_down + w (mu_up - mu_down),  w = sigma^2 / sigma_up^2,
    the share of what comes up. With a = 2 log(sigma_down / sigma_up): w = sigmoid(a), log_sigma = log_sigma_down - softplus(a) / 2.
    Source: arXiv:1602.02282.

    Parameters
    ----------
    mu_up, log_sigma_up, mu_down, log_sigma_down : ndarrays of shape (N, K)

    Returns
    -------
    (mu, log_sigma) : ndarrays of shape (N, K)
    cache : what `precision_weighted_backward` needs

    Examples
    --------
    Two equal precisions: the mean of the means, and half of the variance.

    >>> (mu, log_sigma), cache = precision_weighted_forward(np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1)), np.zeros((1, 1)))
    >>> print(mu, np.exp(2 * log_sigma).round(12))
    [[0.5]] [[0.5]]
    """
    a = 2 * (log_sigma_down - log_sigma_up)
    w, apart = sigmoid(a), mu_up - mu_down
    cache = w, apart
    return (mu_down + w * apart, log_sigma_down - softplus(a) / 2), cache


def precision_weighted_backward(dq, cache):
    """da = dmu (mu_up - mu_down) w (1 - w) - dlog_sigma w / 2; dmu is shared out by w and 1 - w               [LADQ.2]

    dq = (dmu, dlog_sigma) and all four gradients have shape (N, K).
    """
    w, apart = cache
    dmu, dlog_sigma = dq
    da = dmu * apart * w * (1 - w) - dlog_sigma * w / 2
    return w * dmu, -2 * da, (1 - w) * dmu, dlog_sigma + 2 * da


def level_kl_forward(mu, log_sigma, mu_p, log_sigma_p):
    """KL(N(mu, sigma^2) || N(mu_p, sigma_p^2)) = 1/2 sum_k (r_k^2 + u_k^2 - 1 - ln r_k^2)                     [LADKL.1]

    with r = sigma / sigma_p and u = (mu - mu_p) / sigma_p: the KL to N(0, I), in units of the prior.

    Parameters
    ----------
    mu, log_sigma, mu_p, log_sigma_p : ndarrays of shape (N, K)

    Returns
    -------
    kl : ndarray of shape (N,), in nats
    cache : what `level_kl_backward` needs
    """
    log_r, s = log_sigma - log_sigma_p, np.exp(-log_sigma_p)
    u = (mu - mu_p) * s
    kl, kl_cache = kl_forward(u, log_r)
    cache = u, s, kl_cache
    return kl, cache


def level_kl_backward(dkl, cache):
    """dmu = dkl u / sigma_p = -dmu_p,  dlog_sigma = dkl (r^2 - 1),  dlog_sigma_p = dkl (1 - r^2 - u^2)          [LADKL.2]

    dkl has shape (N,), the four gradients (N, K).
    """
    u, s, kl_cache = cache
    du, dlog_r = kl_backward(dkl, kl_cache)
    return du * s, dlog_r, -du * s, -dlog_r - du * u


class Ladder(Model):
    """A VAE of two levels with a top-down q, for binary pixels. The lower level z1 is next to x, the upper one z2 above it.

    Parameters
    ----------
    n_features : int
    n_latent : (int, int)
        K1 and K2, the dimensions of z1 and z2.
    hidden : sequence of int
        Sizes of the hidden layers of each of the four networks; the decoder has them in the opposite order.
    activation : str
    seed : int
    dtype : str

    Examples
    --------
    The weight of "kl" is that of both levels.

    >>> from tinyvae import Adam, load_digits
    >>> from tinyvae.schedules import linear_warmup
    >>> X = (load_digits()[0] >= 0.5).astype("float32")
    >>> model = Ladder(64, (4, 2), hidden=(32,))
    >>> history = model.fit(X, epochs=4, optimizer=Adam(0.003), schedule=linear_warmup(2), progress=False)
    >>> model.elbo(X[:7]).shape, model.sample(5).shape, [kl > 0 for kl in (history["kl_lower"][-1], history["kl_upper"][-1])]
    ((7,), (5, 64), [True, True])
    """

    units: ClassVar[dict] = {"neg_elbo": "nats", "reconstruction": "nats", "kl": "nats", "kl_lower": "nats", "kl_upper": "nats"}

    def __init__(self, n_features, n_latent=(8, 4), *, hidden=(128,), activation="tanh", seed=0, dtype="float32"):
        super().__init__(seed=seed, dtype=dtype)
        self.n_features = check_int("n_features", n_features, 1)
        self.n_latent = tuple(check_int("n_latent", K, 1) for K in np.atleast_1d(np.asarray(n_latent, dtype=object)))
        if len(self.n_latent) != 2:
            raise ValueError(f"n_latent must be two numbers, of the lower and of the upper level, got {n_latent}: for one level take a VAE")
        self.hidden = check_sizes("hidden", hidden)
        self.activation = check_choice("activation", activation, ACTIVATIONS)
        D, (K1, K2) = self.n_features, self.n_latent
        self.upper = self._network("upper", (D, *self.hidden, 2 * K2), (K2,), (K2,))  # q(z2|x)
        self.up = self._network("up", (D, *self.hidden, 2 * K1), (K1,), (K1,))  # what x says of z1
        self.down = self._network("down", (K2, *self.hidden, 2 * K1), (K1,), (K1,))  # p(z1|z2), what z2 says of it
        self.decoder = self._network("decoder", (K1, *self.hidden[::-1], D), (D,))  # p(x|z1)
        self.shapes = self.upper.shapes | self.up.shapes | self.down.shapes | self.decoder.shapes

    def _network(self, name, sizes, *heads):
        return Network((*(f"{name}.{i}" for i in range(len(self.hidden))), f"{name}.out"), sizes, self.activation, heads)

    def init_params(self, rng, params):
        """As for the VAE: layers at the data at half their scale, every log_sigma at 0."""
        for network in (self.upper, self.up, self.down, self.decoder):
            mlp_init(rng, params, network)
        K1, K2 = self.n_latent
        for name, K in (("upper", K2), ("up", K1), ("down", K1)):
            params[f"{name}.out.W"][:, K:] = 0
        for network in (self.upper, self.up):
            params[network.names[0] + ".W"][...] /= 2

    # ---- the objective ---------------------------------------------------------------------

    def draw_noise(self, rng, batch):
        """(eps1, eps2) ~ N(0, I), of shapes (N, K1) and (N, K2)."""
        return tuple(rng.standard_normal((len(batch[0]), K), self.dtype) for K in self.n_latent)

    def loss_forward(self, batch, noise):
        """ELBO = E_q[log p(x|z1) - KL(q(z1|x, z2) || p(z1|z2))] - KL(q(z2|x) || p(z2)); the loss is minus the mean   [LADDER.1]

        x has shape (N, D), the noise (N, K1) and (N, K2).
        """
        x, _ = batch
        eps1, eps2 = check_noise(noise, *((len(x), K) for K in self.n_latent))
        q2, upper_cache = encode_forward(x, self.params, self.upper)
        z2, z2_cache = reparameterize_forward(*q2, eps2)
        up, up_cache = encode_forward(x, self.params, self.up)
        y, down_cache = mlp_forward(z2, self.params, self.down)
        down = cut(y, self.down.heads)  # p(z1|z2)
        q1, q1_cache = precision_weighted_forward(*up, *down)
        z1, z1_cache = reparameterize_forward(*q1, eps1)
        logits, decoder_cache = decode_forward(z1, self.params, self.decoder)
        log_px, px_cache = bernoulli_forward(logits, x)
        kl_lower, lower_cache = level_kl_forward(*q1, *down)
        kl_upper, top_cache = kl_forward(*q2)
        cache = upper_cache, z2_cache, up_cache, down_cache, q1_cache, z1_cache, decoder_cache, px_cache, lower_cache, top_cache, len(x)
        kl = kl_lower + kl_upper
        terms = {"neg_elbo": kl - log_px, "reconstruction": -log_px, "kl": kl, "kl_lower": kl_lower, "kl_upper": kl_upper}
        return (np.mean(kl - log_px), terms), cache

    def loss_backward(self, dloss, cache, weights=None):
        """Upwards; p(z1|z2) stands in q(z1|x, z2) and in the KL, and collects both gradients; dtheta (P,)              [LADDER.2]"""
        upper_cache, z2_cache, up_cache, down_cache, q1_cache, z1_cache, decoder_cache, px_cache, lower_cache, top_cache, N = cache
        dparams, weights = self.gradients(), self.weigh(weights, reconstruction=1, kl=1)
        each = np.full(N, dloss / N, self.dtype)
        dq2_kl = kl_backward(weights["kl"] * each, top_cache)
        *dq1_kl, dmu_p, dlog_sigma_p = level_kl_backward(weights["kl"] * each, lower_cache)
        dlogits = bernoulli_backward(-weights["reconstruction"] * each, px_cache)
        dz1 = decode_backward(dlogits, decoder_cache, dparams)
        dq1 = [d + d_kl for d, d_kl in zip(reparameterize_backward(dz1, z1_cache), dq1_kl, strict=True)]
        *dup, dmu_down, dlog_sigma_down = precision_weighted_backward(dq1, q1_cache)
        ddown = dmu_down + dmu_p, dlog_sigma_down + dlog_sigma_p
        dz2 = mlp_backward(join(ddown, self.down.heads), down_cache, dparams)
        encode_backward(dup, up_cache, dparams)
        dq2 = reparameterize_backward(dz2, z2_cache)
        encode_backward([d + d_kl for d, d_kl in zip(dq2, dq2_kl, strict=True)], upper_cache, dparams)
        return dparams.flat()

    # ---- data ------------------------------------------------------------------------------------

    def check_data(self, X, name="X", binarize=None):
        """X as it is, or an error: wrong shape, NaN, outside [0, 1]."""
        X = super().check_data(X, name, binarize)
        if not (binarize and X.dtype == np.uint8):  # pixels 0 to 255, from which binary ones are drawn
            BERNOULLI.check(X, name)
        return X

    # ---- what a trained model is used for ----------------------------------------------------------

    def encode(self, X):
        """((mu, log_sigma) of q(z1|x, z2) at z2 = its mean, (mu, log_sigma) of q(z2|x)), of shapes (N, K1) and (N, K2)."""
        x = self.scaled(self.check_data(X))
        q2, _ = encode_forward(x, self.params, self.upper)
        return self._lower(x, q2[0])[0], q2

    def _lower(self, x, z2):
        """q(z1|x, z2), and p(z1|z2)."""
        up, down = encode_forward(x, self.params, self.up)[0], encode_forward(z2, self.params, self.down)[0]
        return precision_weighted_forward(*up, *down)[0], down

    def elbo(self, X, rng=None, n_samples=1):
        """The bound on log p(x) per datum, of shape (N,), in nats: a mean over n_samples draws of (z1, z2)."""
        x, rng = self.scaled(self.check_data(X)), generator(rng, self.seed, EVALUATION)
        L = check_int("n_samples", n_samples, 1)
        return -sum(self.loss_forward((x, None), self.draw_noise(rng, (x, None)))[0][1]["neg_elbo"] for _ in range(L)) / L

    def log_likelihood(self, X, n_samples=1000, rng=None):
        """log p(x) per datum by importance sampling over both levels, of shape (N,), in nats: log of the mean of

        w = p(x|z1) p(z1|z2) p(z2) / (q(z2|x) q(z1|x, z2)),  (z1, z2) ~ q
        """
        x, rng = self.scaled(self.check_data(X)), generator(rng, self.seed, EVALUATION)
        q2, _ = encode_forward(x, self.params, self.upper)
        log_w = [self._log_weight(x, q2, self.draw_noise(rng, (x, None))) for _ in range(check_int("n_samples", n_samples, 1))]
        return iwae_bound_forward(np.array(log_w, np.float64))[0]

    def _log_weight(self, x, q2, noise):
        z2, _ = reparameterize_forward(*q2, noise[1])
        q1, p1 = self._lower(x, z2)
        z1, _ = reparameterize_forward(*q1, noise[0])
        log_px, _ = bernoulli_forward(decode_forward(z1, self.params, self.decoder)[0], x)
        log_p = gaussian_log_density_forward(z1, *p1)[0] + standard_normal_forward(z2)[0]
        return log_px + log_p - gaussian_log_density_forward(z1, *q1)[0] - gaussian_log_density_forward(z2, *q2)[0]

    def sample(self, n, rng=None, *, mean=False):
        """n new data, of shape (n, D): z2 ~ p(z2), z1 ~ p(z1|z2), then x ~ p(x|z1), or its mean if `mean`."""
        rng, shape = generator(rng, self.seed, SAMPLING), (check_int("n", n, 1), self.n_latent[1])
        z2 = rng.standard_normal(shape, self.dtype)
        down, _ = encode_forward(z2, self.params, self.down)
        z1, _ = reparameterize_forward(*down, rng.standard_normal(down[0].shape, self.dtype))
        logits, _ = decode_forward(z1, self.params, self.decoder)
        return BERNOULLI.mean(logits) if mean else BERNOULLI.sample(logits, rng)


def pairs(rng):
    """Where to check the pairs of this page."""
    normal = 0.7 * rng.standard_normal((4, 3, 5))
    return {
        "precision_weighted": (partial(precision_weighted_forward), precision_weighted_backward, tuple(normal)),  # partial: two outputs, no primitive
        "level_kl": (level_kl_forward, level_kl_backward, tuple(normal)),
    }


def models(rng):
    """A small model of two levels."""
    return {"two levels": (Ladder(6, (3, 2), hidden=(5, 7)), rng.integers(0, 2, (4, 6)), None)}
