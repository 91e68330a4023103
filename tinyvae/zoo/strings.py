"""A VAE of strings: a recurrent encoder, a recurrent decoder, one z for the whole string.

p(x|z) is a product over the symbols, each given z and the symbols before it: the decoder is a language model that may look at z, and may
do without. The strings of `tinyvae.grammar` stand for molecules, parse trees, drawings and melodies (lecture D0). Their entropy is known
exactly, so collapse is measured against it. Source: Bowman et al., arXiv:1511.06349.
"""

from typing import ClassVar

import numpy as np

from ..gaussian import (
    kl_backward,
    kl_forward,
    reparameterize_backward,
    reparameterize_forward,
)
from ..grammar import (  # noqa: F401  text is for those who import this page
    END,
    LENGTH,
    SYMBOLS,
    strings,
    text,
)
from ..iwae import iwae_bound_forward
from ..mlp import Network, mlp_backward, mlp_forward
from ..model import CHUNK, Model
from ..recurrent import (
    embed_backward,
    embed_forward,
    gru_backward,
    gru_forward,
    gru_step_backward,
    gru_step_forward,
    string_log_p_backward,
    string_log_p_forward,
)
from ..support.streams import EVALUATION, SAMPLING, generator
from ..support.validation import check_int, check_matrix, check_noise, check_number


class SequenceVAE(Model):
    """A VAE whose encoder and decoder are gated recurrent units.

    The encoder reads the string; its last state gives mu and log sigma. The decoder is told z at every step, beside the symbol before.

    Parameters
    ----------
    n_symbols : int
        V, the size of the alphabet. Symbol 0 ends a string and fills the columns after its end; the decoder starts with it, too.
    length : int
        T, the columns of X.
    n_latent : int
        K.
    hidden : int
        H, of both recurrent units.
    word_dropout : float in [0, 1)
        The share of symbols that the decoder does not see in training, so that it needs z.
    seed : int
    dtype : str, "float32" or "float64"

    Examples
    --------
    >>> X = strings(2000)
    >>> model = SequenceVAE(len(SYMBOLS), LENGTH, n_latent=4, hidden=12)
    >>> history = model.fit(X, epochs=3, progress=False)
    >>> history["neg_elbo"][-1] < history["neg_elbo"][0], model.sample(5).shape, text(X[:3])
    (True, (5, 12), ['x*(x*z)', 'z', 'x'])
    """

    units: ClassVar[dict] = {"neg_elbo": "nats per string", "reconstruction": "nats per string", "kl": "nats per string"}

    def __init__(self, n_symbols, length, n_latent=8, *, hidden=40, word_dropout=0.0, seed=0, dtype="float32"):
        super().__init__(seed=seed, dtype=dtype)
        self.n_symbols = V = check_int("n_symbols", n_symbols, 2)
        self.length = self.n_features = check_int("length", length, 1)
        self.n_latent, self.hidden = K, H = check_int("n_latent", n_latent, 1), check_int("hidden", hidden, 1)
        self.word_dropout = check_number("word_dropout", word_dropout, at_least=0, below=1)
        self.head, self.z_in = Network(("encoder.head",), (H, 2 * K)), Network(("decoder.z",), (K, 3 * H))
        self.out = Network(("decoder.out",), (H, V))
        encoder, decoder = ({f"{name}.W": (V, 3 * H), f"{name}.U": (H, 3 * H)} for name in ("encoder", "decoder"))
        self.shapes = encoder | self.head.shapes | decoder | self.z_in.shapes | self.out.shapes

    # ---- the objective ----------------------------------------------------------------------------

    def draw_noise(self, rng, batch):
        """(eps, keep): eps ~ N(0, I) of shape (N, K); keep of shape (T, N), 0 for the symbols that the decoder does not see."""
        n = len(batch[0])
        eps = rng.standard_normal((n, self.n_latent), dtype=self.dtype)
        return eps, (rng.random((self.length, n)) >= self.word_dropout).astype(self.dtype)

    def loss_forward(self, batch, noise):
        """loss = mean of KL - log p(x|z), for x of shape (N, T)."""
        x, n = batch[0].T.astype(np.intp), len(batch[0])
        eps, keep = check_noise(noise, (n, self.n_latent), (self.length, n))
        (mu, log_sigma), encode_cache = self._encode_forward(x)
        z, z_cache = reparameterize_forward(mu, log_sigma, eps)
        logits, decode_cache = self._decode_forward(z, x, keep)
        log_px, p_cache = string_log_p_forward(logits, x)
        kl, kl_cache = kl_forward(mu, log_sigma)
        cache = encode_cache, z_cache, decode_cache, p_cache, kl_cache, log_px
        return (np.mean(kl - log_px), {"neg_elbo": kl - log_px, "reconstruction": -log_px, "kl": kl}), cache

    def loss_backward(self, dloss, cache, weights=None):
        """The same lines from last to first; the gradient has the shape of `theta`."""
        encode_cache, z_cache, decode_cache, p_cache, kl_cache, log_px = cache
        weights, dparams = self.weigh(weights, reconstruction=1, kl=1), self.gradients()
        each = np.full_like(log_px, dloss / len(log_px))
        dmu_kl, dlog_sigma_kl = kl_backward(weights["kl"] * each, kl_cache)
        dlogits = string_log_p_backward(-weights["reconstruction"] * each, p_cache)
        dz = self._decode_backward(dlogits, decode_cache, dparams)
        dmu, dlog_sigma = reparameterize_backward(dz, z_cache)
        self._encode_backward((dmu + dmu_kl, dlog_sigma + dlog_sigma_kl), encode_cache, dparams)
        return dparams.flat()

    def _encode_forward(self, x):
        """q(z|x): mu and log_sigma of shape (N, K) from the last state, for x of shape (T, N)."""
        a, embed_cache = embed_forward(x, self.params["encoder.W"], np.ones(x.shape, self.dtype))
        states, gru_cache = gru_forward(a, np.zeros((x.shape[1], self.hidden), self.dtype), self.params["encoder.U"])
        head, head_cache = mlp_forward(states[-1], self.params, self.head)
        return (head[:, : self.n_latent], head[:, self.n_latent :]), (embed_cache, states.shape, gru_cache, head_cache)

    def _encode_backward(self, dq, cache, dparams):
        embed_cache, shape, gru_cache, head_cache = cache
        dstates = np.zeros(shape, self.dtype)
        dstates[-1] = mlp_backward(np.concatenate(dq, axis=1), head_cache, dparams)
        da, _, dU = gru_backward(dstates, gru_cache)
        dparams.add("encoder.U", dU)
        dparams.add("encoder.W", embed_backward(da, embed_cache))

    def _decode_forward(self, z, x, keep):
        """Logits of shape (T, N, V): symbol t is told by z and by the symbols before it, of which it sees those with keep = 1."""
        before = np.concatenate([np.full_like(x[:1], END), x[:-1]])
        a_x, embed_cache = embed_forward(before, self.params["decoder.W"], keep)
        a_z, z_cache = mlp_forward(z, self.params, self.z_in)
        states, gru_cache = gru_forward(a_x + a_z, np.zeros((len(z), self.hidden), self.dtype), self.params["decoder.U"])
        logits, out_cache = mlp_forward(states, self.params, self.out)
        return logits, (embed_cache, z_cache, gru_cache, out_cache)

    def _decode_backward(self, dlogits, cache, dparams):
        embed_cache, z_cache, gru_cache, out_cache = cache
        dstates = mlp_backward(dlogits, out_cache, dparams)
        da, _, dU = gru_backward(dstates, gru_cache)
        dparams.add("decoder.U", dU)
        dz = mlp_backward(da.sum(0), z_cache, dparams)  # z was used at every step
        dparams.add("decoder.W", embed_backward(da, embed_cache))
        return dz

    # ---- data, and what a trained model is used for -----------------------------------------------

    def check_data(self, X, name="X", binarize=None):
        """X as it is, or a ValueError or TypeError: not whole numbers from 0 to V - 1, or a symbol after the end."""
        if binarize:
            raise ValueError(f"binarize draws pixels, and {name} holds symbols: leave it out")
        X = super().check_data(X, name)
        if not (X.min() >= 0 and X.max() < self.n_symbols and (X == np.round(X)).all()):
            raise ValueError(f"{name} must hold whole numbers from 0 to {self.n_symbols - 1}, got {X.min()} to {X.max()}: number the symbols")
        if late := ((X[:, :-1] == END) & (X[:, 1:] != END)).any(1).sum():
            raise ValueError(f"{name} must hold nothing but {END} after the first {END}, got other symbols in {late} rows: {END} ends a string")
        return X

    def elbo_terms(self, X, rng=None, n_samples=1):
        """(log_px, kl), each of shape (N,), in nats per string: means over n_samples draws, every symbol seen."""
        log_px, _, kl = self._draws(X, rng, n_samples)
        return log_px.mean(0), kl

    def elbo(self, X, rng=None, n_samples=1):
        """log p(x|z) - KL, of shape (N,), in nats per string; word dropout is for training alone."""
        log_px, kl = self.elbo_terms(X, rng, n_samples)
        return log_px - kl

    def log_likelihood(self, X, n_samples=100, rng=None):
        """Importance-sampled log p(x), of shape (N,), in nats per string."""
        log_px, log_ratio, _ = self._draws(X, rng, n_samples)
        return iwae_bound_forward(log_px + log_ratio)[0]

    def evaluate(self, X, y=None, *, rng=None, n_samples=1):
        """Means over X of neg_elbo = reconstruction + kl, in nats per string, every symbol seen. y is ignored."""
        log_px, kl = (float(np.mean(term, dtype=float)) for term in self.elbo_terms(X, rng, n_samples))
        return {"neg_elbo": kl - log_px, "reconstruction": -log_px, "kl": kl}

    def _draws(self, X, rng, n_samples):
        """log p(x|z) and log p(z)/q(z|x) for n_samples draws of z, each (L, N), and the KL, (N,)."""
        X, rng, L = self.check_data(X), generator(rng, self.seed, EVALUATION), check_int("n_samples", n_samples, 1)
        found = []
        for x in (X[i : i + CHUNK].T.astype(np.intp) for i in range(0, len(X), CHUNK)):
            (mu, log_sigma), _ = self._encode_forward(x)
            eps = rng.standard_normal((L, *mu.shape), dtype=self.dtype)
            z, _ = reparameterize_forward(mu, log_sigma, eps)
            keep = np.ones(x.shape, self.dtype)
            log_px = np.stack([string_log_p_forward(self._decode_forward(z_l, x, keep)[0], x)[0] for z_l in z])
            found.append((log_px, ((eps * eps - z * z) / 2 + log_sigma).sum(-1), kl_forward(mu, log_sigma)[0]))
        return tuple(np.concatenate(parts, axis=-1) for parts in zip(*found))

    def encode(self, X):
        """q(z|x): (mu, log_sigma), each of shape (N, K)."""
        return self._encode_forward(self.check_data(X).T.astype(np.intp))[0]

    def decode(self, Z, rng=None):
        """Strings of shape (N, T) for Z of shape (N, K): at every step the most probable symbol, or one drawn by `rng`."""
        rng = None if rng is None else np.random.default_rng(rng)
        a_z, _ = mlp_forward(check_matrix("Z", Z, self.n_latent).astype(self.dtype), self.params, self.z_in)
        h, X, alive = np.zeros((len(Z), self.hidden), self.dtype), np.full((len(Z), self.length + 1), END), np.ones(len(Z), bool)
        for t in range(self.length):
            h, _ = gru_step_forward(self.params["decoder.W"][X[:, t]] + a_z, h, self.params["decoder.U"])
            logits, _ = mlp_forward(h, self.params, self.out)
            noise = 0 if rng is None else rng.gumbel(size=logits.shape)  # the argmax of logits + Gumbel noise is a draw
            X[:, t + 1] = np.where(alive, (logits + noise).argmax(1), END)
            alive &= X[:, t + 1] != END
        return X[:, 1:]

    def reconstruct(self, X):
        """The strings decoded from the means of q(z|x), of shape (N, T)."""
        return self.decode(self.encode(X)[0])

    def sample(self, n, rng=None):
        """n new strings, of shape (n, T): z ~ N(0, I), then symbol by symbol."""
        rng = generator(rng, self.seed, SAMPLING)
        return self.decode(rng.standard_normal((check_int("n", n, 1), self.n_latent), dtype=self.dtype), rng)


def pairs(rng):
    """Where to check the recurrent pairs."""
    T, N, V, H, W_columns = 5, 3, 6, 2, 4

    def normal(*shape):
        return rng.standard_normal(shape)

    x, keep = rng.integers(0, V, (T, N)), 1.0 * (rng.random((T, N)) < 0.7)
    x[:2] += x[:2] == END  # strings of two symbols and more
    return {
        "embed": (embed_forward, embed_backward, (x, normal(V, W_columns), keep), ("W",)),
        "gru_step": (gru_step_forward, gru_step_backward, (normal(N, 3 * H), normal(N, H), normal(H, 3 * H))),
        "gru": (gru_forward, gru_backward, (normal(T, N, 3 * H), normal(N, H), normal(H, 3 * H))),
        "string_log_p": (string_log_p_forward, string_log_p_backward, (normal(T, N, V), x), ("logits",)),
    }


def models(rng):
    """Small sequence VAEs, with and without word dropout."""
    X = strings(5, int(rng.integers(1000)))
    return {f"strings, word dropout {p}": (SequenceVAE(len(SYMBOLS), LENGTH, 3, hidden=4, word_dropout=p), X, None) for p in (0.0, 0.5)}
