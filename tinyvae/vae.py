"""The variational auto-encoder: its loss and gradient, and what a trained model is used for.

The forward and backward passes that it calls stand in `bounds`, on one page.
"""

from typing import ClassVar

import numpy as np

from . import estimators
from .bounds import (
    BOUNDS,
    decode_forward,
    draw_forward,
    elbo_terms_forward,
    encode_forward,
    own_values,
)
from .mlp import ACTIVATIONS
from .model import CHUNK, Model
from .params import Gradients
from .parts import assemble, init_parts
from .support.protocol import NoWeightError
from .support.streams import EVALUATION, SAMPLING, generator
from .support.validation import (
    check_choice,
    check_int,
    check_matrix,
    check_number,
    check_sizes,
    refuse_binary_bytes,
)


class VAE(Model):
    """A variational auto-encoder with dense networks: by default a diagonal Gaussian posterior and the prior N(0, I).

    Parameters
    ----------
    n_features : int
        D, the number of pixels.
    n_latent : int
        K, the dimension of z.
    hidden : sequence of int
        Sizes of the encoder's hidden layers; the decoder mirrors them. () gives linear networks.
    likelihood : str
        p(x|z): a name in `tinyvae.likelihoods.LIKELIHOODS`, or "categorical:C" for C classes.
    eta : float
        Variance of p(x|z): fixed for "gaussian" and "laplace", the start for "gaussian_scalar". It goes into `parts`
        when the model is made: for another, make another model.
    posterior : str
        q(z|x): a name in `tinyvae.posteriors.POSTERIORS`, "diagonal", "full" or "iaf:T", a flow of T steps.
    prior : str
        p(z): a name in `tinyvae.priors.PRIORS`, "standard" or "mixture:M" for M learned Gaussians.
    activation : str
        "tanh", "relu", "sigmoid" or "softplus".
    beta : float
        Weight of the KL in the training loss (1 gives the ELBO).
    bound : str
        "elbo", or "iwae" for the k-sample bound with k = n_samples (then beta must be 1).
    n_samples : int
        L or k, the samples of z per datum in training.
    seed : int
        Seeds the weights, and the training noise unless `fit` gets its own seed.
    dtype : str
        "float32", or "float64" for checking.

    Attributes
    ----------
    theta : ndarray of shape (P,)
        All parameters, encoder first; `params` names its parts.
    parts : Parts
        The two networks and the three distributions, which the pairs of `tinyvae.bounds` take.
    epoch : int
        Epochs trained so far.

    Raises
    ------
    ValueError, TypeError
        If an argument lies outside its range; the message says what was wanted.

    Examples
    --------
    >>> from tinyvae import VAE, load_digits
    >>> X, y = load_digits()
    >>> vae = VAE(n_features=64, n_latent=2, hidden=(32,))
    >>> history = vae.fit(X, epochs=5, progress=False)
    >>> history["neg_elbo"][-1] < history["neg_elbo"][0]
    True
    >>> vae.transform(X).shape
    (1797, 2)
    """

    units: ClassVar[dict] = {"neg_elbo": "nats", "reconstruction": "nats", "kl": "nats"}

    def __init__(
        self, n_features, n_latent=2, *, hidden=(128,), likelihood="bernoulli", eta=1.0, posterior="diagonal", prior="standard",
        activation="tanh", beta=1.0, bound="elbo", n_samples=1, seed=0, dtype="float32",
    ):  # fmt: skip
        super().__init__(seed=seed, dtype=dtype)
        self.n_features = check_int("n_features", n_features, 1)
        self.n_latent = check_int("n_latent", n_latent, 1)
        self.hidden = check_sizes("hidden", hidden)
        self.likelihood, self.posterior, self.prior = likelihood, posterior, prior
        self.eta = check_number("eta", eta, above=0)
        self.activation = check_choice("activation", activation, ACTIVATIONS)
        self.beta = check_number("beta", beta, at_least=0)
        self.bound = check_choice("bound", bound, BOUNDS)
        if bound == "iwae" and self.beta != 1:
            raise ValueError(f"beta must be 1 with bound='iwae', which has no KL term to weigh; got {beta}")
        self.n_samples = check_int("n_samples", n_samples, 1)
        self.parts = assemble(self.n_features, self.n_latent, self.hidden, activation, likelihood, self.eta, posterior, prior)
        self.shapes = self.parts.shapes()

    def init_params(self, rng, params):
        """Draw the weights of both networks and start the distributions' own parameters; what a subclass adds comes last."""
        init_parts(rng, params, self.parts, self.eta)
        super().init_params(rng, {name: params[name] for name in params if name not in self.parts.shapes()})

    # ---- the objective ---------------------------------------------------------------------

    def draw_noise(self, rng, batch):
        """eps ~ N(0, I) of shape (n_samples, N, K)."""
        return _noise(self, rng, self.n_samples, len(batch[0]))

    def loss_forward(self, batch, noise):
        """loss = -mean over the batch of the bound: log p(x|z) - beta KL, or the k-sample bound  [LOSS.1]

        In nats per datum, and deterministic in its arguments: all noise is in eps, of shape (N, K),
        or (L, N, K) for L samples per datum. The terms are neg_elbo = reconstruction + kl, reconstruction = -log p(x|z), kl.
        """
        x, eps = _checked(self, batch, noise)
        (bound, log_px, kl), cache = BOUNDS[self.bound].forward(x, eps, self.params, self.parts, (1, self.beta))
        terms = {"neg_elbo": kl - log_px, "reconstruction": -log_px, "kl": kl}
        return (-np.mean(bound), terms), (cache, bound)

    def loss_backward(self, dloss, cache, weights=None):
        """The minus and the 1/N of the mean, then the bound's own backward pass; dtheta (P,)    [LOSS.2]

        `weights`, {"kl": beta} for example, stand in for 1 and beta: the schedules of training set them.
        """
        cache, bound = cache
        if weights is not None and not BOUNDS[self.bound].weighted:
            raise NoWeightError(f"bound={self.bound!r} has no KL term to weigh: train it without a schedule")
        on_terms = (1, self.beta) if weights is None else tuple(self.weigh(weights, reconstruction=1, kl=self.beta).values())
        dbound, dparams = np.full_like(bound, -dloss / len(bound)), Gradients(self.shapes, self.dtype)
        BOUNDS[self.bound].backward(dbound, cache, dparams, self.parts, on_terms)
        return dparams.flat()

    # ---- data -----------------------------------------------------------------------------------

    def check_data(self, X, name="X", binarize=None):
        """X as it is, or a ValueError or TypeError: wrong shape or dtype, NaN, no rows, pixels outside the domain."""
        likelihood = self.parts.likelihood
        if binarize and (likelihood.domain != (0, 1) or likelihood.whole):
            raise ValueError(f"binarize draws pixels 0 and 1, for a Bernoulli likelihood; got {self.likelihood!r}")
        X = super().check_data(X, name, binarize)
        if not _is_pixels(self, X):
            likelihood.check(X, name)
        else:
            refuse_binary_bytes(name, X)
        return X

    def scaled(self, X):
        """Checked rows as the model computes with them: in its dtype, uint8 pixels scaled to [0, 1]."""
        return np.divide(X, 255, dtype=self.dtype) if _is_pixels(self, X) else np.asarray(X, self.dtype)

    # ---- what a trained model is used for ------------------------------------------------------

    def encode(self, X):
        """q(z|x): (mu, log_sigma), each of shape (N, K), mean and log standard deviation; or what else the posterior has."""
        X, features = self.check_data(X), self.parts.likelihood.features
        chunks = (features(self.scaled(X[i : i + CHUNK])) for i in range(0, len(X), CHUNK))
        parts = [encode_forward(x, self.params, self.parts.encoder)[0] for x in chunks]
        return tuple(np.concatenate(part) for part in zip(*parts))

    def decoder_output(self, Z):
        """The decoder's last layer at Z of shape (N, K): what the likelihood takes, logits for example."""
        return _decoded(self, Z, lambda out: out)

    def decode(self, Z):
        """The mean of p(x|z), of shape (N, D), for Z of shape (N, K)."""
        return _decoded(self, Z, self.parts.likelihood.mean)

    def reconstruct(self, X, rng=None):
        """x after encoding and decoding, of shape (N, D).

        Without `rng` deterministic: the mean of p(x|z) at z = mu, for a flow where it takes mu. With `rng` (a Generator or a
        seed) stochastic: z ~ q(z|x), then x ~ p(x|z). Lecture D3 names both.
        """
        q = self.encode(X)
        if rng is None:
            return self.decode(_centre(self, q))
        rng, likelihood = np.random.default_rng(rng), self.parts.likelihood
        (z,), _ = draw_forward(q, _noise(self, rng, 1, len(q[0])), self.params, self.parts.posterior)  # z ~ q(z|x)
        own = own_values(likelihood, "likelihood", self.params)
        return _decoded(self, z, lambda out: likelihood.sample(out, rng, *own))  # x ~ p(x|z)

    def sample(self, n, rng=None, *, mean=False):
        """n new data, of shape (n, D): z ~ p(z), then x ~ p(x|z), or its mean if `mean`."""
        rng, prior, likelihood = generator(rng, self.seed, SAMPLING), self.parts.prior, self.parts.likelihood
        shape = check_int("n", n, 1), self.n_latent
        z = prior.sample(rng, shape, self.dtype, *own_values(prior, "prior", self.params))  # z ~ p(z)
        own = own_values(likelihood, "likelihood", self.params)
        return _decoded(self, z, likelihood.mean if mean else lambda out: likelihood.sample(out, rng, *own))  # x ~ p(x|z)

    def elbo_terms(self, X, rng=None, n_samples=1):
        """The two terms of the ELBO by themselves: (log_px, kl), each of shape (N,), in nats."""
        X, L = self.check_data(X), check_int("n_samples", n_samples, 1)
        rng = generator(rng, self.seed, EVALUATION)
        terms, samples = np.zeros((2, len(X)), self.dtype), max(1, CHUNK // self.parts.likelihood.outputs)
        rows = max(1, samples // L)
        for i in range(0, len(X), rows):
            x = self.scaled(X[i : i + rows])
            for done in range(0, L, samples):
                n = min(samples, L - done)
                part, _ = elbo_terms_forward(x, _noise(self, rng, n, len(x)), self.params, self.parts)
                terms[:, i : i + rows] += np.multiply(part, n / L)  # the mean over L samples, from the means over n
        return tuple(terms)

    def elbo(self, X, rng=None, n_samples=1):
        """A lower bound on log p(x) per datum: log p(x|z) - KL, of shape (N,), in nats.

        `beta` has no part in it: it weighs the training loss alone.
        """
        log_px, kl = self.elbo_terms(X, rng, n_samples)
        return log_px - kl

    def evaluate(self, X, y=None, *, rng=None, n_samples=1):
        """Means over X of neg_elbo = reconstruction + kl, in nats per datum, whatever bound and beta are trained. y is ignored."""
        if self.units != VAE.units:  # a subclass reports more
            return super().evaluate(X, y, rng=rng, n_samples=n_samples)
        log_px, kl = (float(np.mean(term, dtype=float)) for term in self.elbo_terms(X, rng, n_samples))
        return {"neg_elbo": kl - log_px, "reconstruction": -log_px, "kl": kl}

    def log_likelihood(self, X, n_samples=5000, rng=None, chunk=2000, **options):
        """Importance-sampled log p(x), of shape (N,), in nats. See `tinyvae.estimators.log_likelihood`."""
        return estimators.log_likelihood(self, X, n_samples, rng, chunk, **options)

    # scikit-learn's words for the same things

    def transform(self, X):
        """The posterior means mu, of shape (N, K); for a flow, the z of eps = 0: where it takes mu."""
        return _centre(self, self.encode(X))

    def inverse_transform(self, Z):
        """The same as `decode`."""
        return self.decode(Z)

    def score_samples(self, X):
        """The ELBO per datum, of shape (N,), in nats; the noise is seeded, so calls agree."""
        return self.elbo(X)

    def score(self, X, y=None):
        """The mean ELBO, in nats per datum. y is ignored."""
        return float(np.mean(self.elbo(X), dtype=np.float64))


# ---- small print ---------------------------------------------------------------------------------


def _noise(vae, rng, *shape):
    return rng.standard_normal((*shape, vae.n_latent), dtype=vae.dtype)


def _centre(vae, q):
    """z of shape (N, K) at eps = 0: the mean of a Gaussian, and where a flow takes it."""
    no_noise = np.zeros((1, *q[0].shape), vae.dtype)
    return draw_forward(q, no_noise, vae.params, vae.parts.posterior)[0][0] if vae.parts.posterior.by_noise else q[0]


def _decoded(vae, Z, finish):
    """finish(out) for the decoder's output at Z, some rows at a time: hidden layers are never held for all of them."""
    Z, at_once = check_matrix("Z", Z, vae.n_latent).astype(vae.dtype), max(1, CHUNK // vae.parts.likelihood.outputs)
    for i in range(0, len(Z), at_once):
        part = finish(decode_forward(Z[i : i + at_once], vae.params, vae.parts.decoder)[0])
        if i == 0:
            result = np.empty((len(Z), *part.shape[1:]), part.dtype)
        result[i : i + at_once] = part
    return result


def _checked(vae, batch, eps):
    """x of a batch (x, y), in the model's dtype, and eps of shape (L, N, K); in passing, for the data are checked at the door."""
    if not (isinstance(batch, tuple) and len(batch) == 2 and getattr(batch[0], "dtype", None) == vae.dtype):
        raise TypeError(
            f"batch must be a tuple (x, y), or (x, None) without labels, with x in {vae.dtype}: take x = vae.scaled(X), "
            f"or loss_and_grad(X, eps), which checks and scales"
        )
    x, eps = batch[0], np.asarray(eps, vae.dtype)
    if eps.ndim not in (2, 3) or eps.shape[-2:] != (len(x), vae.n_latent) or len(eps) == 0:
        wanted = f"({len(x)}, {vae.n_latent}) or (L, {len(x)}, {vae.n_latent})"
        raise ValueError(f"eps must have shape {wanted}, got {eps.shape}: draw it with rng.standard_normal")
    return x, eps.reshape(-1, len(x), vae.n_latent)


def _is_pixels(vae, X):
    return X.dtype == np.uint8 and not vae.parts.likelihood.whole
