"""A VAE whose two networks are told the class: p(x|z, y) and q(z|x, y). The class is given, so z is left with the handwriting.

The slide "decouple digit classes and handwriting" (lecture D0, from Kingma et al., arXiv:1406.5298) shows what that is good for: one
handwriting, written as all the digits. Here every label is known; the paper's models also learn from images without one.
"""

from typing import ClassVar

import numpy as np

from .. import likelihoods
from ..bounds import (
    decode_backward,
    decode_forward,
    encode_backward,
    encode_forward,
    log_px_backward,
    log_px_forward,
    own_values,
)
from ..gaussian import (
    kl_backward,
    kl_forward,
    reparameterize_backward,
    reparameterize_forward,
)
from ..layers import one_hot
from ..mlp import ACTIVATIONS, Network, mlp_init
from ..model import Model
from ..support.streams import EVALUATION, SAMPLING, generator
from ..support.validation import (
    check_choice,
    check_int,
    check_labels,
    check_matrix,
    check_noise,
    check_sizes,
)


class CVAE(Model):
    """A class-conditional VAE: x given z and y, with z ~ N(0, I) whatever y is.

    What it bounds is log p(x|y). Source: Kingma et al., arXiv:1406.5298, equation 6, but for the constant log p(y); lecture D0.

    Parameters
    ----------
    n_features, n_classes, n_latent : int
        D, C and K. Classes are numbered 0 to C - 1.
    hidden : sequence of int
        Sizes of the encoder's hidden layers; the decoder mirrors them.
    likelihood : str, p(x|z, y): a name in `tinyvae.likelihoods.LIKELIHOODS`; a fixed variance is 1
    activation : str
    seed : int
    dtype : str

    Raises
    ------
    ValueError, TypeError
        Of methods that take y: if it is missing, holds -1 (unknown), or is no class.

    Examples
    --------
    >>> from tinyvae import Adam, load_digits
    >>> X, y = load_digits()
    >>> model = CVAE(64, hidden=(32,))
    >>> history = model.fit(X, y, epochs=5, optimizer=Adam(0.003), progress=False)
    >>> model.elbo(X[:7], y[:7]).shape, model.analogies(X[:7], y[:7]).shape
    ((7,), (7, 10, 64))
    """

    units: ClassVar[dict] = {"neg_elbo": "nats", "reconstruction": "nats", "kl": "nats"}

    def __init__(
        self, n_features, n_classes=10, n_latent=2, *, hidden=(128,), likelihood="bernoulli", activation="tanh", seed=0, dtype="float32",
    ):  # fmt: skip
        super().__init__(seed=seed, dtype=dtype)
        self.n_features, self.n_latent = check_int("n_features", n_features, 1), check_int("n_latent", n_latent, 1)
        self.n_classes, self.likelihood = check_int("n_classes", n_classes, 2), likelihood
        self.hidden = check_sizes("hidden", hidden)
        self.activation = check_choice("activation", activation, ACTIVATIONS)
        D, C, K, self.px = self.n_features, self.n_classes, self.n_latent, likelihoods.get(likelihood)
        out, inner = (D, self.px.outputs)[: 1 + (self.px.outputs > 1)], range(len(self.hidden))
        self.encoder = Network((*(f"encoder.{i}" for i in inner), "encoder.head"), (D + C, *self.hidden, 2 * K), activation, ((K,), (K,)))
        self.decoder = Network((*(f"decoder.{i}" for i in inner), "decoder.out"), (K + C, *self.hidden[::-1], D * self.px.outputs), activation, (out,))
        self.shapes = self.encoder.shapes | self.decoder.shapes | {f"likelihood.{name}": () for name in self.px.own}

    def init_params(self, rng, params):
        """As for the VAE: the first layer at half its scale, log_sigma at 0."""
        mlp_init(rng, params, self.encoder)
        mlp_init(rng, params, self.decoder)
        params[self.encoder.names[0] + ".W"][...] /= 2
        params["encoder.head.W"][:, self.n_latent :] = 0
        for name, value in zip(self.px.own, self.px.start(1.0)):
            params[f"likelihood.{name}"][...] = value

    # ---- the objective ---------------------------------------------------------------------

    def draw_noise(self, rng, batch):
        """eps ~ N(0, I) of shape (N, K)."""
        return rng.standard_normal((len(batch[0]), self.n_latent), self.dtype)

    def loss_forward(self, batch, noise):
        """log p(x|y) >= E_q[log p(x|z, y)] - KL(q(z|x, y) || p(z)); the loss is minus the mean          [CVAE.1]

        x has shape (N, D), y (N,), the noise (N, K).
        """
        x, y = batch
        check_noise(noise, (len(x), self.n_latent))
        h = one_hot(self.check_classes(y), self.n_classes, x.dtype)
        (mu, log_sigma), encoder_cache = encode_forward(np.concatenate([self.px.features(x), h], 1), self.params, self.encoder)
        z, z_cache = reparameterize_forward(mu, log_sigma, noise)
        out, decoder_cache = decode_forward(np.concatenate([z, h], 1), self.params, self.decoder)  # y comes in beside z
        log_px, px_cache = log_px_forward(out, x, self.params, self.px)
        kl, kl_cache = kl_forward(mu, log_sigma)
        cache = encoder_cache, z_cache, decoder_cache, px_cache, kl_cache, len(x)
        return (np.mean(kl - log_px), {"neg_elbo": kl - log_px, "reconstruction": -log_px, "kl": kl}), cache

    def loss_backward(self, dloss, cache, weights=None):
        """Upwards; of d[z, y] only dz goes on: y is data. dtheta has shape (P,)                           [CVAE.2]"""
        encoder_cache, z_cache, decoder_cache, px_cache, kl_cache, N = cache
        dparams, weights = self.gradients(), self.weigh(weights, reconstruction=1, kl=1)
        each = np.full(N, dloss / N, self.dtype)
        dmu_kl, dlog_sigma_kl = kl_backward(weights["kl"] * each, kl_cache)
        dout = log_px_backward(-weights["reconstruction"] * each, px_cache, dparams, self.px)
        dz = decode_backward(dout, decoder_cache, dparams)[:, : self.n_latent]
        dmu, dlog_sigma = reparameterize_backward(dz, z_cache)
        encode_backward((dmu + dmu_kl, dlog_sigma + dlog_sigma_kl), encoder_cache, dparams)
        return dparams.flat()

    # ---- data --------------------------------------------------------------------------------

    def check_data(self, X, name="X", binarize=None):
        """X as it is, or an error: wrong shape, NaN, outside the domain of the likelihood."""
        X = super().check_data(X, name, binarize)
        if not (binarize and X.dtype == np.uint8):  # pixels 0 to 255, from which binary ones are drawn
            self.px.check(X, name)
        return X

    def check_classes(self, y, name="y"):
        """y as it is, or a ValueError: missing, unknown, or no class."""
        if y is None:
            raise ValueError(f"{name} is needed, a class for every row, got None: both networks of a CVAE are told the class")
        if bad := [value for value in np.unique(y) if value not in range(self.n_classes)]:
            remedy = "drop the rows of unknown class, or take the semi-supervised M2, which can use them" if bad[0] == -1 else "number them so"
            raise ValueError(f"{name} must hold classes 0 to {self.n_classes - 1}, got {bad[0]}: {remedy}")
        return y

    def fit(self, X, y=None, *, y_val=None, **options):
        """`Model.fit`; every datum needs its class."""
        for name, labels in (("y", y), ("y_val", y_val)):
            if name == "y" or options.get("X_val") is not None:
                self.check_classes(labels, name)
        return super().fit(X, y, y_val=y_val, **options)

    def _batch(self, X, y):
        X = self.check_data(X)
        return self.scaled(X), self.check_classes(check_labels(_of_each(y, len(X)), X))

    # ---- what a trained model is used for ----------------------------------------------------------

    def elbo(self, X, y, rng=None, n_samples=1):
        """The bound on log p(x|y) per datum, of shape (N,), in nats: a mean over n_samples draws of z."""
        batch, rng, L = self._batch(X, y), generator(rng, self.seed, EVALUATION), check_int("n_samples", n_samples, 1)
        return -sum(self.loss_forward(batch, self.draw_noise(rng, batch))[0][1]["neg_elbo"] for _ in range(L)) / L

    def predict(self, X, rng=None, n_samples=10):
        """argmax_y of the bound, of shape (N,): Bayes' rule for equally frequent classes, with the bound for log p(x|y).

        All classes are compared at the same noise.
        """
        seed = int(generator(rng, self.seed, EVALUATION).integers(2**32))
        return np.argmax([self.elbo(X, np.full(len(X), c), seed, n_samples) for c in range(self.n_classes)], axis=0)

    def encode(self, X, y):
        """q(z|x, y): (mu, log_sigma), each of shape (N, K)."""
        x, y = self._batch(X, y)
        h = one_hot(y, self.n_classes, x.dtype)
        return encode_forward(np.concatenate([self.px.features(x), h], 1), self.params, self.encoder)[0]

    def decoder_output(self, Z, y):
        """What the likelihood takes, logits for example, at Z of shape (N, K) and y of shape (N,)."""
        Z = check_matrix("Z", Z, self.n_latent).astype(self.dtype)
        h = one_hot(self.check_classes(check_labels(_of_each(y, len(Z)), Z)), self.n_classes, self.dtype)
        return decode_forward(np.concatenate([Z, h], 1), self.params, self.decoder)[0]

    def decode(self, Z, y):
        """The mean of p(x|z, y), of shape (N, D)."""
        return self.px.mean(self.decoder_output(Z, y))

    def sample(self, n, rng=None, *, y=None, mean=False):
        """n new data, of shape (n, D): z ~ p(z), then x ~ p(x|z, y), or its mean if `mean`; y is drawn uniformly unless given, (n,) or one class."""
        rng, n = generator(rng, self.seed, SAMPLING), check_int("n", n, 1)
        y = rng.integers(self.n_classes, size=n) if y is None else np.full(n, y) if np.ndim(y) == 0 else y
        out = self.decoder_output(rng.standard_normal((n, self.n_latent), self.dtype), y)
        return self.px.mean(out) if mean else self.px.sample(out, rng, *own_values(self.px, "likelihood", self.params))

    def analogies(self, X, y, classes=None):
        """Every row of X as every class: z = mu(x, y), then the mean of p(x|z, c) for all c. Shape (N, C, D)."""
        mu, _ = self.encode(X, y)
        classes = range(self.n_classes) if classes is None else classes
        return np.stack([self.decode(mu, np.full(len(mu), c)) for c in classes], axis=1)


def _of_each(y, n):
    """A class for each of n rows, where one may be given for all."""
    return np.full(n, y) if y is not None and np.ndim(y) == 0 else y


def models(rng):
    """A small model, with logits, and one whose likelihood has a parameter of its own."""
    X, y = rng.random((4, 6)), np.array([0, 2, 1, 2])
    return {
        f"class-conditional, {name}": (CVAE(6, 3, 2, hidden=(5, 7), likelihood=name), X, y) for name in ("bernoulli", "gaussian_scalar")
    }
