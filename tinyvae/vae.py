"""The variational auto-encoder as an estimator: parameters, loss and gradient, and what a trained model is used for.

The forward and backward passes that it calls stand in `bounds`, on one page.
"""

import numpy as np

from . import likelihoods
from .bounds import (
    decode_forward,
    elbo_terms_backward,
    elbo_terms_forward,
    encode_forward,
    log_weight_terms_backward,
    log_weight_terms_forward,
)
from .gaussian import reparameterize_forward
from .iwae import iwae_bound_backward, iwae_bound_forward
from .mlp import ACTIVATIONS, mlp_init, mlp_shapes
from .params import count, views
from .support.storage import read_npz, write_npz
from .support.validation import check_choice, check_int, check_matrix, check_number

CHUNK = 1000  # rows evaluated at a time outside training, so that memory stays small


def _architecture(n_features, n_latent, hidden, px):
    """Names of the encoder's and the decoder's layers, and the shapes of all parameters in their order."""
    encoder = [f"encoder.{i}" for i in range(len(hidden))] + ["encoder.head"]
    decoder = [f"decoder.{i}" for i in range(len(hidden))] + ["decoder.out"]
    shapes = mlp_shapes(encoder, [n_features, *hidden, 2 * n_latent])
    shapes |= mlp_shapes(decoder, [n_latent, *reversed(hidden), n_features * px.outputs])
    if px.own == "log_eta":
        shapes["likelihood.log_eta"] = ()
    return encoder, decoder, shapes


class VAE:
    """A variational auto-encoder with a Gaussian posterior, the prior N(0, I) and dense networks.

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
        Variance of p(x|z): fixed for "gaussian" and "laplace", the start for "gaussian_scalar".
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

    def __init__(
        self, n_features, n_latent=2, *, hidden=(128,), likelihood="bernoulli", eta=1.0,
        activation="tanh", beta=1.0, bound="elbo", n_samples=1, seed=0, dtype="float32",
    ):  # fmt: skip
        self.n_features = check_int("n_features", n_features, 1)
        self.n_latent = check_int("n_latent", n_latent, 1)
        self.hidden = tuple(check_int("hidden", size, 1) for size in np.atleast_1d(np.asarray(hidden, dtype=object)))
        self.px = likelihoods.get(likelihood)
        self.likelihood = likelihood
        self.eta = check_number("eta", eta, above=0)
        self.activation = check_choice("activation", activation, ACTIVATIONS)
        self.beta = check_number("beta", beta, at_least=0)
        self.bound = check_choice("bound", bound, ("elbo", "iwae"))
        if bound == "iwae" and self.beta != 1:
            raise ValueError(f"beta must be 1 with bound='iwae', which has no KL term to weigh; got {beta}")
        self.n_samples = check_int("n_samples", n_samples, 1)
        self.seed = check_int("seed", seed, 0)
        name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
        self.dtype = np.dtype(check_choice("dtype", name, ("float32", "float64")))
        self.out_shape = (self.n_features, self.px.outputs)[: 1 + (self.px.outputs > 1)]
        self.encoder, self.decoder, self.shapes = _architecture(self.n_features, self.n_latent, self.hidden, self.px)
        self.theta = np.zeros(count(self.shapes), self.dtype)
        self.epoch = 0
        self._draw_weights(np.random.default_rng(self.seed))

    def _draw_weights(self, rng):
        params = self.params
        mlp_init(rng, params, self.encoder, self.activation)
        mlp_init(rng, params, self.decoder, self.activation)
        # Pixels are neither centred nor independent: half of the usual scale at the data learns faster
        # (MNIST, 784-200-200-50, 20 epochs: 0.5 nats). log_sigma starts at 0, where exp cannot overflow.
        params[self.encoder[0] + ".W"][...] /= 2
        params["encoder.head.W"][:, self.n_latent :] = 0
        if self.px.own == "log_eta":
            params["likelihood.log_eta"][...] = np.log(self.eta)

    # ---- the objective ---------------------------------------------------------------------

    @property
    def params(self):
        """Names to views of `theta`: "encoder.0.W", ..., "decoder.out.b". Writing changes the model."""
        return self.views(self.theta)

    def views(self, flat):
        """The same names over any vector of the length of `theta`, a gradient for example."""
        if np.shape(flat) != (count(self.shapes),):
            raise ValueError(f"flat must have the shape of theta, ({count(self.shapes)},), got {np.shape(flat)}")
        return views(flat, self.shapes)

    def own(self, params):
        """The arguments that the likelihood takes after x: nothing, the fixed eta, or the learned log_eta."""
        return {"": (), "eta": (self.eta,), "log_eta": (params.get("likelihood.log_eta"),)}[self.px.own]

    def loss_forward(self, X, eps):
        """loss = -mean over the batch of the bound: log p(x|z) - beta KL, or the k-sample bound  [LOSS.1]

        In nats per datum, and deterministic in its arguments: all noise is in eps, of shape (N, K),
        or (L, N, K) for L samples per datum.
        """
        x = self.scaled(self.check_data(X))
        eps = self._check_eps(eps, len(x))
        if self.bound == "iwae":
            (log_px, log_ratio), terms_cache = log_weight_terms_forward(x, eps, self.params, self)
            bound, bound_cache = iwae_bound_forward(log_px + log_ratio)
            return -np.mean(bound), (log_px.mean(0), -log_ratio.mean(0), terms_cache, bound_cache)
        (log_px, kl), terms_cache = elbo_terms_forward(x, eps, self.params, self)
        return -np.mean(log_px - self.beta * kl), (log_px, kl, terms_cache, None)

    def loss_backward(self, dloss, cache, weights=None):
        """The minus and the 1/N of the mean, then the bound's own backward pass; dtheta (P,)    [LOSS.2]

        `weights`, of the reconstruction and the KL, stand in for (1, beta): the schedules of `train` set them.
        """
        log_px, kl, terms_cache, bound_cache = cache
        dtheta = np.empty_like(self.theta)
        if self.bound == "iwae":
            dbound = np.full_like(log_px, -dloss / len(log_px))
            dlog_w = iwae_bound_backward(dbound, bound_cache)
            log_weight_terms_backward((dlog_w, dlog_w), terms_cache, self.views(dtheta), self)
        else:
            on_reconstruction, on_kl = weights or (1, self.beta)
            dlog_px = np.full_like(log_px, -on_reconstruction * dloss / len(log_px))
            dkl = np.full_like(kl, on_kl * dloss / len(kl))
            elbo_terms_backward((dlog_px, dkl), terms_cache, self.views(dtheta), self)
        return dtheta

    def loss_and_grad(self, X, eps):
        """The loss, a scalar in nats per datum, and its gradient, of the shape of `theta`.

        Parameters
        ----------
        X : ndarray of shape (N, D)
        eps : ndarray of shape (N, K), or (L, N, K) for L samples per datum, drawn from N(0, I)
        """
        loss, cache = self.loss_forward(X, eps)
        return loss, self.loss_backward(1, cache)

    def _check_eps(self, eps, n):
        eps = np.asarray(eps, self.dtype)
        if eps.ndim not in (2, 3) or eps.shape[-2:] != (n, self.n_latent) or len(eps) == 0:
            wanted = f"({n}, {self.n_latent}) or (L, {n}, {self.n_latent})"
            raise ValueError(f"eps must have shape {wanted}, got {eps.shape}: draw it with rng.standard_normal")
        return eps.reshape(-1, n, self.n_latent)

    def check_data(self, X):
        """X as it is, or a ValueError or TypeError: wrong shape or dtype, NaN, no rows, pixels outside the domain."""
        X = check_matrix("X", X, self.n_features)
        if self._is_pixels(X):
            if X.max() == 1 and X.mean() > 0.01:  # a dark image has fewer ones
                raise ValueError(
                    "X is uint8, which is taken as pixels 0 to 255, but its largest value is 1: "
                    "pass binary pixels as X.astype('float32')"
                )
        else:
            self.px.check(X)
        return X

    def _is_pixels(self, X):
        return X.dtype == np.uint8 and not self.px.n_classes

    def scaled(self, X):
        """Checked rows as the model computes with them: in its dtype, uint8 pixels scaled to [0, 1]."""
        return np.divide(X, 255, dtype=self.dtype) if self._is_pixels(X) else np.asarray(X, self.dtype)

    def _rng(self, rng):
        return np.random.default_rng(self.seed if rng is None else rng)

    def _noise(self, rng, *shape):
        return rng.standard_normal((*shape, self.n_latent), dtype=self.dtype)

    # ---- what a trained model is used for ------------------------------------------------------

    def fit(self, X, **options):
        """Train from the present theta; calling it again goes on. See `tinyvae.train.fit`."""
        from .train import fit  # here, because the training loop stands above the model

        return fit(self, X, **options)

    def encode(self, X):
        """(mu, log_sigma), each of shape (N, K): mean and log standard deviation of q(z|x)."""
        X = self.check_data(X)
        parts = [encode_forward(self.scaled(X[i : i + CHUNK]), self.params, self)[0] for i in range(0, len(X), CHUNK)]
        mu, log_sigma = zip(*parts)
        return np.concatenate(mu), np.concatenate(log_sigma)

    def decoder_output(self, Z):
        """The decoder's last layer at Z of shape (N, K): what the likelihood takes, logits for example."""
        Z = check_matrix("Z", Z, self.n_latent).astype(self.dtype)
        return decode_forward(Z, self.params, self)[0]

    def decode(self, Z):
        """The mean of p(x|z), of shape (N, D), for Z of shape (N, K)."""
        return self.px.mean(self.decoder_output(Z))

    def reconstruct(self, X, rng=None):
        """x after encoding and decoding, of shape (N, D).

        Without `rng` deterministic: the mean of p(x|z) at z = mu. With `rng` (a Generator or a
        seed) stochastic: z ~ q(z|x), then x ~ p(x|z). Lecture D3 names both.
        """
        mu, log_sigma = self.encode(X)
        if rng is None:
            return self.decode(mu)
        rng = self._rng(rng)
        z, _ = reparameterize_forward(mu, log_sigma, self._noise(rng, len(mu)))
        return self.px.sample(self.decoder_output(z), rng, *self.own(self.params))

    def sample(self, n, rng=None, *, mean=False):
        """n new data, of shape (n, D): z ~ N(0, I), then x ~ p(x|z), or its mean if `mean`."""
        rng = self._rng(rng)
        out = self.decoder_output(self._noise(rng, check_int("n", n, 1)))
        return self.px.mean(out) if mean else self.px.sample(out, rng, *self.own(self.params))

    def elbo_terms(self, X, rng=None, n_samples=1):
        """The two terms of the ELBO by themselves: (log_px, kl), each of shape (N,), in nats."""
        X, rng, L = self.check_data(X), self._rng(rng), check_int("n_samples", n_samples, 1)
        parts, at_once = [], max(1, CHUNK // (L * self.px.outputs))
        for i in range(0, len(X), at_once):
            x = self.scaled(X[i : i + at_once])
            parts.append(elbo_terms_forward(x, self._noise(rng, L, len(x)), self.params, self)[0])
        log_px, kl = zip(*parts)
        return np.concatenate(log_px), np.concatenate(kl)

    def elbo(self, X, rng=None, n_samples=1):
        """A lower bound on log p(x) per datum: log p(x|z) - KL, of shape (N,), in nats.

        `beta` has no part in it: it weighs the training loss alone.
        """
        log_px, kl = self.elbo_terms(X, rng, n_samples)
        return log_px - kl

    def log_likelihood(self, X, n_samples=5000, rng=None, chunk=2000, **options):
        """Importance-sampled log p(x), of shape (N,), in nats. See `tinyvae.estimators.log_likelihood`."""
        from .estimators import (
            log_likelihood,  # here, because the estimators stand above the model
        )

        return log_likelihood(self, X, n_samples, rng, chunk, **options)

    # scikit-learn's words for the same things

    def transform(self, X):
        """The posterior means mu, of shape (N, K)."""
        return self.encode(X)[0]

    def inverse_transform(self, Z):
        """The same as `decode`."""
        return self.decode(Z)

    def score_samples(self, X):
        """The ELBO per datum, of shape (N,), in nats; the noise is seeded, so calls agree."""
        return self.elbo(X)

    def score(self, X, y=None):
        """The mean ELBO, in nats per datum. y is ignored."""
        return float(np.mean(self.elbo(X), dtype=np.float64))

    # ---- copies and files ------------------------------------------------------------------

    @property
    def config(self):
        """The constructor's arguments, as a dict that JSON can hold."""
        names = "n_features n_latent hidden likelihood eta activation beta bound n_samples seed"
        return {name: getattr(self, name) for name in names.split()} | {"dtype": self.dtype.name}

    def copy(self, dtype=None):
        """The same model with its own theta, in another dtype if one is given."""
        twin = type(self)(**self.config | ({"dtype": str(dtype)} if dtype else {}))
        twin.theta[...] = self.theta
        twin.epoch = self.epoch
        return twin

    def save(self, path, **more):
        """Write the model as an npz file without pickle: format version, configuration, theta."""
        write_npz(path, {"config": self.config, "epoch": self.epoch, **more}, {"theta": self.theta})

    @classmethod
    def load(cls, path):
        """Read a model that `save` wrote; OSError if it is not there, ValueError if damaged, foreign or of another version.

        No code in the file is ever executed.
        """
        return cls._from_file(path, *read_npz(path))

    @classmethod
    def _from_file(cls, path, meta, arrays):
        try:
            config, theta = meta["config"], arrays["theta"]
            px = likelihoods.get(config["likelihood"])
            *_, shapes = _architecture(config["n_features"], config["n_latent"], config["hidden"], px)
            if theta.shape != (count(shapes),):  # compared before the constructor would allocate it
                raise ValueError(f"theta must have shape ({count(shapes)},), got {theta.shape}")
            if theta.dtype != config["dtype"] or not np.isfinite(theta).all():
                raise ValueError(f"theta must be finite {config['dtype']}, got {theta.dtype}")
            vae = cls(**config)
            vae.epoch = check_int("epoch", meta["epoch"], 0)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{path} does not hold a usable model ({error}): write it again with save()") from None
        vae.theta[...] = theta
        return vae
