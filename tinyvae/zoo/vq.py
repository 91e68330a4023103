"""Vector quantisation: codes are entries of a table, and no gradient passes through the choice (arXiv:1711.00937).

The encoder gives a vector z at each of some positions; the nearest of the codebook's entries, e_k, goes to the decoder in its place.
k is an argmin: the derivative of the real loss by z has no reconstruction in it. What is trained instead is a surrogate with the
residual e_k - z frozen, whose gradient is exact: the straight-through estimator is that gradient, used for another function.
`check` refuses it as a gradient of the real loss, and is right.
"""

import itertools
from typing import ClassVar, NamedTuple

import numpy as np

from ..layers import softplus
from ..likelihoods import categorical_backward, categorical_forward
from ..likelihoods.bernoulli import RECORD as BERNOULLI
from ..likelihoods.bernoulli import bernoulli_backward, bernoulli_forward
from ..mlp import Network, mlp_backward, mlp_forward, mlp_init
from ..model import Model
from ..support.validation import check_int, check_number


def straight_through_forward(z, residual):
    """z_q = z + residual,  residual = e_k - z frozen: z_q is e_k where it was taken     all (..., W)    [VQ.1]"""
    cache = None
    return z + residual, cache


def straight_through_backward(dz_q, cache):
    """dz = dz_q,  as if quantisation were the identity                                  (..., W)        [VQ.2]

    The residual is a constant and has no gradient.
    """
    return dz_q


def distance_forward(a, target):
    """distance = sum of (a - target)^2 over positions and their width     a, target (N, P, W), distance (N,)"""
    d = a - target
    cache = d
    return (d * d).sum((-2, -1)), cache


def distance_backward(ddistance, cache):
    """da = 2 (a - target) ddistance, and none for the target: it is frozen     da (N, P, W), ddistance (N,)"""
    d = cache
    return 2 * d * ddistance[..., None, None]


def lookup_forward(codebook, k):
    """e = codebook[k]                       codebook (C, W), k whole numbers (N, P), e (N, P, W)"""
    cache = k, codebook.shape
    return codebook[k], cache


def lookup_backward(de, cache):
    """dcodebook[c] = sum of de where k = c                       de (N, P, W), dcodebook (C, W)"""
    k, shape = cache
    dcodebook = np.zeros(shape, de.dtype)
    np.add.at(dcodebook, k, de)
    return dcodebook


def markov_forward(first, following, k):
    """log p(k) = log p(k_1) + sum_i log p(k_i | k_{i-1}), each a softmax of logits

    first (C,), following (P - 1, C, C), a row for each code before; k (N, P), log p(k) (N,), in nats.
    """
    logits = [np.broadcast_to(first, (len(k), len(first))), *(table[before] for table, before in zip(following, k.T[:-1]))]
    log_pk, logits_cache = categorical_forward(np.stack(logits, axis=1), k)
    cache = k, following.shape, logits_cache
    return log_pk, cache


def markov_backward(dlog_pk, cache):
    """dlogits = (one-hot(k_i) - p) dlog_pk, added up where logits are shared     dlog_pk (N,), dfirst (C,), dfollowing (P - 1, C, C)"""
    k, shape, logits_cache = cache
    dfirst, *dlogits = categorical_backward(dlog_pk, logits_cache).swapaxes(0, 1)  # a position each
    dfollowing = np.zeros(shape, dfirst.dtype)
    for dtable, before, d in zip(dfollowing, k.T[:-1], dlogits):
        np.add.at(dtable, before, d)
    return dfirst.sum(0), dfollowing


class Frozen(NamedTuple):
    """What the surrogate loss holds fixed: the codes k (N, P), their entries e and the encoder's z, both (N, P, W)."""

    k: np.ndarray
    e: np.ndarray
    z: np.ndarray


class VQVAE(Model):
    """An auto-encoder of binary pixels by discrete codes, with a Markov chain over their positions as the prior.

    Its encoder gives one code with certainty, so that log p(x|e_k) + log p(k) is an ELBO: the entropy of q is 0.

    Parameters
    ----------
    n_features : int
    positions, codes, width : int
        P codes for a datum, each one of C entries, which are vectors of W numbers. All positions share one codebook.
    hidden : int, units of the hidden layer of either network
    commitment : float, weight of the term that keeps z near its code
    seed : int
    dtype : str, "float32" or "float64"

    Examples
    --------
    >>> from tinyvae import load_digits
    >>> X = (load_digits()[0] >= 0.5).astype("float32")
    >>> model = VQVAE(64, positions=2, codes=4, hidden=16)
    >>> history = model.fit(X, epochs=2, progress=False)
    >>> model.encode(X).shape, bool((model.log_likelihood(X) >= model.elbo(X)).all())
    ((1797, 2), True)
    """

    units: ClassVar[dict] = {
        "reconstruction": "nats", "neg_log_prior": "nats", "codebook": "squared units of z", "commitment": "squared units of z",
    }  # fmt: skip

    def __init__(self, n_features, *, positions=3, codes=16, width=8, hidden=128, commitment=0.25, seed=0, dtype="float32"):
        super().__init__(seed=seed, dtype=dtype)
        self.n_features, self.positions = check_int("n_features", n_features, 1), check_int("positions", positions, 2)
        self.codes, self.width = check_int("codes", codes, 2), check_int("width", width, 1)
        self.hidden, self.commitment = check_int("hidden", hidden, 1), check_number("commitment", commitment, at_least=0)
        outputs = self.positions * self.width
        self.encoder = Network(("encoder.0", "encoder.out"), (self.n_features, self.hidden, outputs))
        self.decoder = Network(("decoder.0", "decoder.out"), (outputs, self.hidden, self.n_features))
        self.shapes = self.encoder.shapes | {"codebook": (self.codes, self.width)} | self.decoder.shapes
        self.shapes |= {"prior.first": (self.codes,), "prior.following": (self.positions - 1, self.codes, self.codes)}

    def init_params(self, rng, params):
        """Glorot for the networks, N(0, 1) for the codebook, a uniform prior."""
        mlp_init(rng, params, self.encoder)
        mlp_init(rng, params, self.decoder)
        params["codebook"][...] = rng.standard_normal(params["codebook"].shape)

    def freeze(self, z):
        """The nearest entries of the codebook to z of shape (N, P, W), as the surrogate holds them."""
        codebook = self.params["codebook"]
        k = ((z[..., None, :] - codebook) ** 2).sum(-1).argmin(-1)
        return Frozen(k, codebook[k], z)

    def loss_forward(self, batch, noise):
        """Mean of -log p(x|z_q) - log p(k) + codebook + weight x commitment, each of shape (N,).

        `noise` is Frozen: the surrogate, a smooth function of the parameters; or None, to freeze at these parameters: the real loss, which jumps.
        """
        (x, _), params = batch, self.params
        z, encoder_cache = self._encode(x)
        k, e, z_frozen = self.freeze(z) if noise is None else noise
        z_q, through_cache = straight_through_forward(z, e - z_frozen)
        logits, decoder_cache = mlp_forward(z_q.reshape(len(x), -1), params, self.decoder)
        log_px, px_cache = bernoulli_forward(logits, x)
        log_pk, pk_cache = markov_forward(params["prior.first"], params["prior.following"], k)
        entry, lookup_cache = lookup_forward(params["codebook"], k)
        codebook, codebook_cache = distance_forward(entry, z_frozen)  # moves the entry to z
        commitment, commitment_cache = distance_forward(z, e)  # moves z to the entry
        terms = {"reconstruction": -log_px, "neg_log_prior": -log_pk, "codebook": codebook, "commitment": commitment}
        cache = encoder_cache, through_cache, decoder_cache, px_cache, pk_cache, lookup_cache, codebook_cache, commitment_cache, z.shape
        return (np.mean(codebook + self.commitment * commitment - log_px - log_pk), terms), cache

    def loss_backward(self, dloss, cache, weights=None):
        """The same lines from last to first, the gradient of the surrogate; of the shape of `theta`."""
        encoder_cache, through_cache, decoder_cache, px_cache, pk_cache, lookup_cache, codebook_cache, commitment_cache, shape = cache
        weights = self.weigh(weights, reconstruction=1, neg_log_prior=1, codebook=1, commitment=self.commitment)
        on = {name: np.full(shape[0], weight * dloss / shape[0], self.dtype) for name, weight in weights.items()}
        dparams = self.gradients()
        dz_pull = distance_backward(on["commitment"], commitment_cache)
        dparams["codebook"] += lookup_backward(distance_backward(on["codebook"], codebook_cache), lookup_cache)
        dfirst, dfollowing = markov_backward(-on["neg_log_prior"], pk_cache)
        dparams["prior.first"] += dfirst
        dparams["prior.following"] += dfollowing
        dlogits = bernoulli_backward(-on["reconstruction"], px_cache)
        dz_q = mlp_backward(dlogits, decoder_cache, dparams).reshape(shape)
        dz = straight_through_backward(dz_q, through_cache) + dz_pull
        mlp_backward(dz.reshape(shape[0], -1), encoder_cache, dparams, need_dx=False)
        return dparams.flat()

    def check_data(self, X, name="X", binarize=None):
        """X as it is, or an error: wrong shape, NaN, outside [0, 1]."""
        X = super().check_data(X, name, binarize)
        if not binarize:
            BERNOULLI.check(X, name)
        return X

    def _encode(self, x):
        z, cache = mlp_forward(x, self.params, self.encoder)
        return z.reshape(len(x), self.positions, self.width), cache

    def encode(self, X):
        """The codes k, of shape (N, P)."""
        return self.freeze(self._encode(self.scaled(self.check_data(X)))[0]).k

    def decoder_output(self, k):
        """Logits of the pixels, of shape (N, D), for codes k of shape (N, P)."""
        return mlp_forward(self.params["codebook"][k].reshape(len(k), -1), self.params, self.decoder)[0]

    def log_prior(self, k):
        """log p(k), of shape (N,), in nats."""
        return markov_forward(self.params["prior.first"], self.params["prior.following"], k)[0]

    def count_prior(self, X):
        """Set the prior to the shares of the codes of X and of their successors, half a count added to each; return the model.

        Training leads the logits there slowly; the counts are the optimum, but for the halves, without which unseen pairs had no probability.
        """
        k, tables = self.encode(X), np.full((self.positions, self.codes, self.codes), 0.5)
        np.add.at(tables[0, 0], k[:, 0], 1)
        for table, before, code in zip(tables[1:], k.T[:-1], k.T[1:]):
            np.add.at(table, (before, code), 1)
        self.params["prior.first"][...] = np.log(tables[0, 0])
        self.params["prior.following"][...] = np.log(tables[1:])
        return self

    def elbo(self, X):
        """log p(x|e_k) + log p(k) at the encoder's own codes, of shape (N,), in nats."""
        k = self.encode(X)
        return bernoulli_forward(self.decoder_output(k), self.scaled(X))[0] + self.log_prior(k)

    def log_likelihood(self, X):
        """log p(x) = log sum_k p(k) p(x|e_k) over all C^P codes: exact, of shape (N,), in nats."""
        if self.codes**self.positions > 10**5:
            raise ValueError(f"log_likelihood adds up {self.codes}^{self.positions} codes: at most 10^5 can be, make the model smaller")
        k = np.array(list(itertools.product(range(self.codes), repeat=self.positions)))
        logits = self.decoder_output(k)
        constant = self.log_prior(k) - softplus(logits).sum(-1)  # log p(x|k) = x'logits - sum softplus: one product for all x
        log_joint = logits @ self.scaled(self.check_data(X)).T + constant[:, None]
        top = log_joint.max(0)
        return top + np.log(np.exp(log_joint - top).sum(0))


class Surrogate(VQVAE):
    """The same model with all choices frozen, where noise would be drawn: what the hand-written gradient is the gradient of."""

    def draw_noise(self, rng, batch):
        """Frozen at the present parameters."""
        return self.freeze(self._encode(batch[0])[0])


def pairs(rng):
    """Where to check the pairs of this page: at frozen choices, where they have derivatives."""
    z, e, k = rng.standard_normal((4, 3, 2)), rng.standard_normal((4, 3, 2)), rng.integers(0, 5, (4, 3))
    tables = rng.standard_normal(5), rng.standard_normal((2, 5, 5))
    return {
        "straight_through": (straight_through_forward, straight_through_backward, (z, e - z), ("z",)),
        "distance": (distance_forward, distance_backward, (z, e), ("a",)),
        "lookup": (lookup_forward, lookup_backward, (rng.standard_normal((5, 2)), k)),
        "markov": (markov_forward, markov_backward, (*tables, k)),
    }


def models(rng):
    """A small surrogate: it passes, and `VQVAE` itself, whose choices move with the parameters, must not."""
    model = Surrogate(6, positions=3, codes=5, width=2, hidden=4, commitment=0.7)
    model.theta += 0.3 * rng.standard_normal(model.theta.size).astype(model.dtype)
    return {"vector quantisation, choices frozen": (model, rng.integers(0, 2, (4, 6)), None)}
