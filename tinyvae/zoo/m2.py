"""M2, the semi-supervised VAE: few labels, many data, and one model of both (lecture D0).

The class y and the latent z are drawn apart, p(x, y, z) = p(y) p(z) p(x|y, z) with p(y) uniform and p(z) = N(0, I), so that
z is left with what the class does not say: the handwriting. (D4 asks whether p(z) holds the classes: here y is there to hold them.)
q(y|x) is a classifier and q(z|x, y) an encoder that is told the class. Where y is known, it is used. Where it is not, all classes
are tried, and the sum over y is exact. Source: Kingma et al., arXiv:1406.5298, whose L and U are the bounds here with a minus.
"""

import math
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
from ..layers import log_softmax, one_hot
from ..likelihoods import categorical_backward, categorical_forward
from ..mlp import ACTIVATIONS, Network, mlp_backward, mlp_forward, mlp_init
from ..model import CHUNK, Model
from ..support.streams import SAMPLING, generator
from ..support.validation import (
    check_choice,
    check_int,
    check_matrix,
    check_noise,
    check_number,
    check_sizes,
)


def unlabelled_bound_forward(bound, logits):
    """U = sum_y q(y) bound(y) + H(q),  q = softmax(logits): a bound on log p(x) from bounds on log p(x, y)   [SEMI.1]

    The same as U = logsumexp_y bound(y) - KL(q || softmax(bound)): the best q is softmax(bound), and costs nothing.
    Source: Kingma et al., arXiv:1406.5298, where it is -U.

    Parameters
    ----------
    bound : ndarray of shape (N, C), in nats
    logits : ndarray of shape (N, C)

    Returns
    -------
    U : ndarray of shape (N,), in nats
    cache : what `unlabelled_bound_backward` needs

    Examples
    --------
    >>> bound = np.log(np.array([[0.2, 0.3]]))
    >>> for logits in (bound, 0 * bound):
    ...     print(np.exp(unlabelled_bound_forward(bound, logits)[0]).round(4))
    [0.5]
    [0.4899]
    """
    log_q = log_softmax(logits)
    q = np.exp(log_q)
    gain = bound - log_q
    cache = q, gain
    return (q * gain).sum(-1), cache


def unlabelled_bound_backward(dU, cache):
    """dbound = dU q,  dlogits = dU q (gain - U),  gain = bound - log q; both (N, C): q grows where gain exceeds its mean   [SEMI.2]"""
    q, gain = cache
    U = (q * gain).sum(-1, keepdims=True)
    dbound = dU[..., None] * q
    return dbound, dbound * (gain - U)


def labels_first(epochs):
    """A schedule for `fit`: the unlabelled data weigh nothing in the first epochs, though the history has their bounds, and 1 from then on.

    The classifier starts from what the labels say. Without it q(y|x) is fitted first to the bounds of a model that has learned nothing yet.

    >>> [labels_first(5)(t, {})["unlabelled"] for t in (0, 4.9, 5, 50)]
    [0.0, 0.0, 1.0, 1.0]
    """
    epochs = check_number("epochs", epochs, at_least=0)
    return lambda t, terms: {"unlabelled": float(t >= epochs)}


class M2(Model):
    """A VAE with a class beside z, trained on labelled and unlabelled data at once.

    `fit(X, y)` takes whole numbers y from 0 to n_classes - 1, and -1 where the class is unknown.

    Parameters
    ----------
    n_features, n_classes, n_latent : int
    hidden : sequence of int
        Sizes of the hidden layers of q(y|x) and q(z|x, y); the decoder mirrors them.
    likelihood : str, p(x|y, z): a name in `tinyvae.likelihoods.LIKELIHOODS`
    activation : str, of the hidden layers
    alpha : float
        Weight of the cross-entropy -log q(y|x) of each labelled datum; the paper's 0.1 N, of their mean, is alpha = 0.1 N / N_labelled here.
    seed : int
    dtype : str, "float32" or "float64"

    Examples
    --------
    >>> from tinyvae import Adam, load_digits
    >>> X, y = load_digits()
    >>> few = np.where(np.arange(len(y)) < 100, y, -1)  # the first hundred labels
    >>> model = M2(64, hidden=(32,))
    >>> history = model.fit(X, few, epochs=3, optimizer=Adam(0.01), schedule=labels_first(2), progress=False)
    >>> bool(np.mean(model.predict(X) == y) > 0.3), model.sample(2, y=7).shape
    (True, (2, 64))
    """

    units: ClassVar[dict] = {"unlabelled": "nats", "labelled": "nats", "cross_entropy": "nats"}

    def __init__(
        self, n_features, n_classes=10, n_latent=5, *, hidden=(128,), likelihood="bernoulli", activation="softplus", alpha=10.0,
        seed=0, dtype="float32",
    ):  # fmt: skip
        super().__init__(seed=seed, dtype=dtype)
        self.n_features, self.n_latent = check_int("n_features", n_features, 1), check_int("n_latent", n_latent, 1)
        self.n_classes, self.alpha = check_int("n_classes", n_classes, 2), check_number("alpha", alpha, at_least=0)
        self.hidden = check_sizes("hidden", hidden)
        self.activation, self.likelihood = check_choice("activation", activation, ACTIVATIONS), likelihood
        self.px, D, K, C = likelihoods.get(likelihood), self.n_features, self.n_latent, self.n_classes
        out, inner = (D, self.px.outputs)[: 1 + (self.px.outputs > 1)], [str(i) for i in range(len(self.hidden))]

        def network(name, first, last, heads):
            sizes = first, *(self.hidden[::-1] if name == "decoder" else self.hidden), sum(map(math.prod, heads))
            return Network(tuple(f"{name}.{part}" for part in (*inner, last)), sizes, activation, heads)

        self.classifier = network("classifier", D, "logits", ((C,),))  # q(y|x)
        self.encoder = network("encoder", D + C, "head", ((K,), (K,)))  # q(z|x, y)
        self.decoder = network("decoder", K + C, "out", (out,))  # p(x|y, z)
        self.shapes = self.classifier.shapes | self.encoder.shapes | self.decoder.shapes | {f"likelihood.{name}": () for name in self.px.own}

    def init_params(self, rng, params):
        """Glorot or He for the networks; log_sigma starts at 0."""
        for network in (self.classifier, self.encoder, self.decoder):
            mlp_init(rng, params, network)
        params["encoder.head.W"][:, self.n_latent :] = 0
        for name, value in zip(self.px.own, self.px.start(1.0)):
            params[f"likelihood.{name}"][...] = value

    def draw_noise(self, rng, batch):
        """eps ~ N(0, I) of shape (N, C, K): z has noise of its own for every class."""
        return rng.standard_normal((len(batch[0]), self.n_classes, self.n_latent), self.dtype)

    # ---- the objective --------------------------------------------------------------------------

    def joint_bound_forward(self, x, y, eps):
        """log p(x|y, z) + log p(y) - KL(q(z|x, y) || p(z)) <= log p(x, y): the ELBO with y as data; the paper's -L(x, y).

        x has shape (M, D), y (M,), eps (M, K), the bound (M,), in nats.
        """
        h = one_hot(y, self.n_classes, x.dtype)
        (mu, log_sigma), encoder_cache = encode_forward(np.hstack([self.px.features(x), h]), self.params, self.encoder)  # q(z|x, y)
        z, z_cache = reparameterize_forward(mu, log_sigma, eps)
        out, decoder_cache = decode_forward(np.hstack([z, h]), self.params, self.decoder)  # p(x|y, z)
        log_px, px_cache = log_px_forward(out, x, self.params, self.px)
        kl, kl_cache = kl_forward(mu, log_sigma)
        cache = encoder_cache, z_cache, decoder_cache, px_cache, kl_cache
        return log_px - math.log(self.n_classes) - kl, cache

    def joint_bound_backward(self, dbound, cache, dparams):
        """The same lines from last to first; dbound has shape (M,), the gradients are added to dparams."""
        encoder_cache, z_cache, decoder_cache, px_cache, kl_cache = cache
        dmu_kl, dlog_sigma_kl = kl_backward(-dbound, kl_cache)
        dout = log_px_backward(dbound, px_cache, dparams, self.px)
        dz = decode_backward(dout, decoder_cache, dparams)[:, : self.n_latent]  # the class beside z is data
        dmu, dlog_sigma = reparameterize_backward(dz, z_cache)
        encode_backward((dmu + dmu_kl, dlog_sigma + dlog_sigma_kl), encoder_cache, dparams)

    def loss_forward(self, batch, noise):
        """loss = mean over the batch of  -U(x) where y is unknown,  -bound(x, y) - alpha log q(y|x) where it is known   [SEMI.3]

        The terms, each of shape (N,), are 0 on the rows that they do not concern, so that every mean is one over all rows.
        """
        x, y, eps = _checked(self, batch, noise)
        known, n = y >= 0, np.arange(len(x))
        asked = ~known[:, None] | (np.arange(self.n_classes) == y[:, None])  # all classes, or the one that is known
        rows, classes = np.nonzero(asked)
        logits, classifier_cache = mlp_forward(self.px.features(x), self.params, self.classifier)  # q(y|x)
        bound = np.zeros_like(logits)
        bound[rows, classes], joint_cache = self.joint_bound_forward(x[rows], classes, eps[rows, classes])
        U, U_cache = unlabelled_bound_forward(bound, logits)
        log_qy, qy_cache = categorical_forward(logits[:, None], np.maximum(y, 0)[:, None])
        terms = {"unlabelled": -U * ~known, "labelled": -bound[n, y] * known, "cross_entropy": -log_qy * known}
        cache = known, rows, classes, classifier_cache, joint_cache, U_cache, qy_cache
        return (np.mean(terms["unlabelled"] + terms["labelled"] + self.alpha * terms["cross_entropy"]), terms), cache

    def loss_backward(self, dloss, cache, weights=None):
        """The same lines from last to first; the gradient has the shape of `theta`."""
        known, rows, classes, classifier_cache, joint_cache, U_cache, qy_cache = cache
        weights, dparams = self.weigh(weights, unlabelled=1, labelled=1, cross_entropy=self.alpha), self.gradients()
        dmean = np.full(len(known), -dloss / len(known), self.dtype)
        dlogits_known = categorical_backward(weights["cross_entropy"] * dmean * known, qy_cache)[:, 0]
        dbound, dlogits = unlabelled_bound_backward(weights["unlabelled"] * dmean * ~known, U_cache)
        djoint = dbound[rows, classes] + (weights["labelled"] * dmean * known)[rows]  # a labelled datum has one row there
        self.joint_bound_backward(djoint, joint_cache, dparams)
        mlp_backward(dlogits + dlogits_known, classifier_cache, dparams, need_dx=False)
        return dparams.flat()

    # ---- data, and what a trained model is used for -------------------------------------------------

    def check_data(self, X, name="X", binarize=None):
        """X as it is, or a ValueError or TypeError: wrong shape or dtype, NaN, no rows, outside the domain of the likelihood."""
        X = super().check_data(X, name, binarize)
        if not (binarize and X.dtype == np.uint8):  # pixels 0 to 255, from which binary ones are drawn
            self.px.check(X, name)
        return X

    def fit(self, X, y=None, *, y_val=None, **options):
        """`Model.fit`, once the classes have been looked at."""
        for labels in (y, y_val):
            if labels is not None:
                _classes(labels, len(labels), self.n_classes)
        return super().fit(X, y, y_val=y_val, **options)

    def predict_log_proba(self, X):
        """log q(y|x), of shape (N, C)."""
        X = self.check_data(X)
        chunks = (self.px.features(self.scaled(X[i : i + CHUNK])) for i in range(0, len(X), CHUNK))
        return log_softmax(np.concatenate([mlp_forward(x, self.params, self.classifier)[0] for x in chunks]))

    def predict(self, X):
        """The most probable class of each datum by q(y|x), of shape (N,)."""
        return self.predict_log_proba(X).argmax(1)

    def decode(self, Z, y):
        """The mean of p(x|y, z), of shape (N, D), for Z of shape (N, K) and classes y, one or N of them."""
        return self.px.mean(self._decoded(check_matrix("Z", Z, self.n_latent), y))

    def sample(self, n, rng=None, *, y=None, mean=False):
        """n new data, of shape (n, D): y ~ p(y) unless it is given, z ~ p(z), then x ~ p(x|y, z), or its mean if `mean`."""
        rng, n = generator(rng, self.seed, SAMPLING), check_int("n", n, 1)
        y = rng.integers(0, self.n_classes, n) if y is None else y
        out = self._decoded(rng.standard_normal((n, self.n_latent)), y)
        return self.px.mean(out) if mean else self.px.sample(out, rng, *own_values(self.px, "likelihood", self.params))

    def _decoded(self, z, y):
        y = _classes(np.broadcast_to(y, len(z)) if np.ndim(y) == 0 else y, len(z), self.n_classes, at_least=0)
        h = one_hot(y, self.n_classes, self.dtype)
        return decode_forward(np.hstack([z.astype(self.dtype), h]), self.params, self.decoder)[0]


def _classes(y, n, n_classes, at_least=-1):
    """y as n whole numbers; -1 is unknown."""
    y = np.asarray(y)
    whole = y.shape == (n,) and y.dtype.kind in "uif" and np.all(y == np.floor(y))
    if not (whole and y.min() >= at_least and y.max() < n_classes):
        wanted = f"{n} classes from 0 to {n_classes - 1}" + ", or -1 where the class is unknown" * (at_least < 0)
        raise ValueError(f"y must hold {wanted}, got {y!r:.60}: number the classes from 0")
    return y.astype(np.intp)


def _checked(model, batch, eps):
    """x, y (-1 throughout where there are no labels) and eps of a batch."""
    x, y = batch
    check_noise(eps, (len(x), model.n_classes, model.n_latent))
    y = np.full(len(x), -1) if y is None else _classes(y, len(x), model.n_classes)
    return x, y, np.asarray(eps, model.dtype)


def pairs(rng):
    """Where to check the pair of this page."""
    bound, logits = rng.standard_normal((2, 4, 5))
    return {"unlabelled_bound": (unlabelled_bound_forward, unlabelled_bound_backward, (bound, logits))}


def models(rng):
    """Small models, with labels on some, none and all of the rows."""
    y = np.array([2, -1, 0, -1])
    return {
        "M2, some labels": (M2(6, 3, 2, hidden=(4,), alpha=1.7), rng.integers(0, 2, (4, 6)), y),
        "M2, no labels": (M2(6, 3, 2, hidden=(4,), likelihood="gaussian_scalar"), rng.standard_normal((4, 6)), None),
        "M2, all labels": (M2(6, 3, 2, hidden=(4, 5)), rng.integers(0, 2, (4, 6)), np.abs(y)),
    }
