"""The variational auto-encoder: composition only. The calculus stands in the rooms that it calls.

From data to loss and back: `encode`, `reparameterize`, `decode`, `log p(x|z)`, `kl`; then the same lines upwards.
"""

import numpy as np

from . import likelihoods
from .checks import check_choice, check_int, check_matrix, check_number
from .gaussian import (
    kl_backward,
    kl_forward,
    reparameterize_backward,
    reparameterize_forward,
)
from .mlp import ACTIVATIONS, mlp_backward, mlp_forward, mlp_init, mlp_shapes
from .params import count, views
from .storage import read_npz, write_npz

CHUNK = 1000  # rows evaluated at a time outside training, so that memory stays small


def encode_forward(x, params, vae):
    """(mu, log_sigma) of q(z|x): the encoder's two heads, side by side in one layer     [ENC.1]

    x has shape (N, D), mu and log_sigma (N, K); `params` maps names to arrays as `VAE.params` does,
    `vae` knows the names of the layers and the activation.
    """
    heads, cache = mlp_forward(x / vae.top if vae.top != 1 else x, params, vae.encoder, vae.activation)
    mu, log_sigma = np.split(heads, 2, axis=-1)
    return (mu, log_sigma), cache


def encode_backward(dheads, cache, dparams):
    """Writes the encoder's gradients, given dheads = (dmu, dlog_sigma), each (N, K)     [ENC.2]"""
    mlp_backward(np.concatenate(dheads, axis=-1), cache, dparams, need_dx=False)


def decode_forward(z, params, vae):
    """The decoder's output, which the likelihood turns into p(x|z)                      [DEC.1]

    z has shape (..., K), out (..., D), or (..., D, outputs) if the likelihood wants several per pixel.
    """
    flat, mlp_cache = mlp_forward(z, params, vae.decoder, vae.activation)
    cache = mlp_cache, flat.shape
    return flat.reshape(*z.shape[:-1], *vae.out_shape), cache


def decode_backward(dout, cache, dparams):
    """Writes the decoder's gradients and returns dz, of shape (..., K)                  [DEC.2]"""
    mlp_cache, shape = cache
    return mlp_backward(dout.reshape(shape), mlp_cache, dparams)


def elbo_terms_forward(x, eps, params, vae):
    """The two terms of the ELBO:  E_q[log p(x|z)]  and  KL(q(z|x) || p(z))              [ELBO.1]

    ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z)) <= log p(x), the expectation being a mean over L samples.
    Source: Kingma and Welling, arXiv:1312.6114, equation 10; lectures D0 to D4.

    Parameters
    ----------
    x : ndarray of shape (N, D)
    eps : ndarray of shape (L, N, K), drawn from N(0, I)
    params : mapping of names to arrays, as `VAE.params`
    vae : VAE, for its architecture and its likelihood

    Returns
    -------
    (log_px, kl) : ndarrays of shape (N,), in nats per datum
    cache : what `elbo_terms_backward` needs
    """
    (mu, log_sigma), encoder_cache = encode_forward(x, params, vae)  # q(z|x)
    z, z_cache = reparameterize_forward(mu, log_sigma, eps)  # z ~ q(z|x)
    out, decoder_cache = decode_forward(z, params, vae)  # p(x|z)
    log_px, px_cache = vae.px.forward(out, x, *vae.own(params))  # (L, N)
    kl, kl_cache = kl_forward(mu, log_sigma)  # (N,)
    cache = encoder_cache, z_cache, decoder_cache, px_cache, log_px.shape, kl_cache
    return (log_px.mean(0), kl), cache


def elbo_terms_backward(dterms, cache, dparams, vae):
    """The lines of the forward pass from last to first; every gradient is written into dparams   [ELBO.2]

    dterms = (dlog_px, dkl), each of shape (N,).
    """
    dlog_px, dkl = dterms
    encoder_cache, z_cache, decoder_cache, px_cache, (L, N), kl_cache = cache
    dmu_kl, dlog_sigma_kl = kl_backward(dkl, kl_cache)
    dout = vae.px.backward(np.broadcast_to(dlog_px / L, (L, N)), px_cache)
    if vae.px.own == "log_eta":
        dout, dparams["likelihood.log_eta"][...] = dout
    dz = decode_backward(dout, decoder_cache, dparams)
    dmu, dlog_sigma = reparameterize_backward(dz, z_cache)
    encode_backward((dmu + dmu_kl, dlog_sigma + dlog_sigma_kl), encoder_cache, dparams)


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
    n_samples : int
        L, the samples of z per datum in training.
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
        activation="tanh", beta=1.0, n_samples=1, seed=0, dtype="float32",
    ):  # fmt: skip
        self.n_features = check_int("n_features", n_features, 1)
        self.n_latent = check_int("n_latent", n_latent, 1)
        self.hidden = tuple(check_int("hidden", size, 1) for size in np.atleast_1d(np.asarray(hidden, dtype=object)))
        self.px = likelihoods.get(likelihood)
        self.likelihood = likelihood
        self.eta = check_number("eta", eta, above=0)
        self.activation = check_choice("activation", activation, ACTIVATIONS)
        self.beta = check_number("beta", beta, at_least=0)
        self.n_samples = check_int("n_samples", n_samples, 1)
        self.seed = check_int("seed", seed, 0)
        self.dtype = np.dtype(check_choice("dtype", str(dtype), ("float32", "float64")))
        self.top, self.out_shape = self.px.top, (self.n_features, self.px.outputs)[: 1 + (self.px.outputs > 1)]
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
        return views(flat, self.shapes)

    def own(self, params):
        """The arguments that the likelihood takes after x: nothing, the fixed eta, or the learned log_eta."""
        return {"": (), "eta": (self.eta,), "log_eta": (params.get("likelihood.log_eta"),)}[self.px.own]

    def loss_forward(self, X, eps):
        """loss = -mean over the batch of (log p(x|z) - beta KL), in nats per datum      [LOSS.1]

        Deterministic in its arguments: all noise is in eps, of shape (N, K), or (L, N, K) for
        L samples per datum.
        """
        X = self.check_data(X)
        eps = self._check_eps(eps, len(X))
        terms, terms_cache = elbo_terms_forward(self.scaled(X), eps, self.params, self)
        log_px, kl = terms
        cache = terms, terms_cache
        return -np.mean(log_px - self.beta * kl), cache

    def loss_backward(self, dloss, cache):
        """dlog_px = -dloss / N,  dkl = beta dloss / N, then the ELBO's terms; dtheta (P,)   [LOSS.2]"""
        (log_px, kl), terms_cache = cache
        dtheta = np.empty_like(self.theta)
        dlog_px = np.full_like(log_px, -dloss / len(log_px))
        dkl = np.full_like(kl, self.beta * dloss / len(kl))
        elbo_terms_backward((dlog_px, dkl), terms_cache, self.views(dtheta), self)
        return dtheta

    def loss_and_grad(self, X, eps, *, return_terms=False):
        """The loss and its gradient by theta.

        Parameters
        ----------
        X : ndarray of shape (N, D)
        eps : ndarray of shape (N, K), or (L, N, K) for L samples per datum, drawn from N(0, I)
        return_terms : bool
            Also return (log_px, kl), each of shape (N,), in nats.

        Returns
        -------
        loss : scalar, in nats per datum
        dtheta : ndarray of the shape of `theta`
        """
        loss, cache = self.loss_forward(X, eps)
        dtheta = self.loss_backward(1, cache)
        return (loss, dtheta, cache[0]) if return_terms else (loss, dtheta)

    def _check_eps(self, eps, n):
        eps = np.asarray(eps, self.dtype)
        if eps.ndim not in (2, 3) or eps.shape[-2:] != (n, self.n_latent):
            wanted = f"({n}, {self.n_latent}) or (L, {n}, {self.n_latent})"
            raise ValueError(f"eps must have shape {wanted}, got {eps.shape}: draw it with rng.standard_normal")
        return eps.reshape(-1, n, self.n_latent)

    def check_data(self, X):
        """X as it is, or a ValueError or TypeError: wrong shape or dtype, NaN, no rows, pixels outside the domain."""
        X = check_matrix("X", X, self.n_features)
        if self._is_pixels(X):
            if X.max() == 1:
                raise ValueError(
                    "X is uint8, which is taken as pixels 0 to 255, but its largest value is 1: "
                    "pass binary pixels as X.astype('float32')"
                )
        else:
            self.px.check(X)
        return X

    def _is_pixels(self, X):
        return X.dtype == np.uint8 and self.top == 1

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

    def _out(self, Z):
        Z = check_matrix("Z", Z, self.n_latent).astype(self.dtype)
        return decode_forward(Z, self.params, self)[0]

    def decode(self, Z):
        """The mean of p(x|z), of shape (N, D), for Z of shape (N, K)."""
        return self.px.mean(self._out(Z))

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
        return self.px.sample(self._out(z), rng, *self.own(self.params))

    def sample(self, n, rng=None, *, mean=False):
        """n new data, of shape (n, D): z ~ N(0, I), then x ~ p(x|z), or its mean if `mean`."""
        rng = self._rng(rng)
        out = self._out(self._noise(rng, check_int("n", n, 1)))
        return self.px.mean(out) if mean else self.px.sample(out, rng, *self.own(self.params))

    def elbo_terms(self, X, rng=None, n_samples=1):
        """The two terms of the ELBO by themselves: (log_px, kl), each of shape (N,), in nats."""
        X, rng, L = self.check_data(X), self._rng(rng), check_int("n_samples", n_samples, 1)
        parts = []
        for i in range(0, len(X), CHUNK):
            x = self.scaled(X[i : i + CHUNK])
            parts.append(elbo_terms_forward(x, self._noise(rng, L, len(x)), self.params, self)[0])
        log_px, kl = zip(*parts)
        return np.concatenate(log_px), np.concatenate(kl)

    def elbo(self, X, rng=None, n_samples=1):
        """A lower bound on log p(x) per datum: log p(x|z) - KL, of shape (N,), in nats.

        `beta` has no part in it: it weighs the training loss alone.
        """
        log_px, kl = self.elbo_terms(X, rng, n_samples)
        return log_px - kl

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
        names = ["n_features", "n_latent", "hidden", "likelihood", "eta", "activation", "beta", "n_samples", "seed"]
        return {name: getattr(self, name) for name in names} | {"dtype": self.dtype.name}

    def copy(self, dtype=None):
        """The same model with its own theta, in another dtype if one is given."""
        twin = VAE(**self.config | ({"dtype": str(dtype)} if dtype else {}))
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
