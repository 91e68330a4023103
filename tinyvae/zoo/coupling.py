"""A reversible model by affine coupling: z is as large as x, and log p(x) is exact, without an integral and without a bound.

Lecture D2: "With reversible models, z and x must be the same size. Therefore, we can't reduce the dimensionality." The layer is
RealNVP's (arXiv:1605.08803): half of the numbers pass, and say by how much the other half is stretched and shifted.
"""

from typing import ClassVar

import numpy as np

from ..bounds import cut, join
from ..gradcheck import over_theta
from ..mlp import ACTIVATIONS, Network, mlp_backward, mlp_forward, mlp_init
from ..model import Model
from ..priors.standard import standard_normal_backward, standard_normal_forward
from ..support.streams import SAMPLING, generator
from ..support.validation import check_choice, check_int, check_matrix, check_sizes


def coupling_forward(x, s, t):
    """z = (x - t) exp(-s),  log|det dz/dx| = -sum_d s_d                                    [COUP.1]

    The inverse is x = z exp(s) + t, as cheap. s and t come from numbers that pass unchanged, so they are the same both ways.

    Parameters
    ----------
    x, s, t : ndarrays of shape (N, D)

    Returns
    -------
    (z, log_det) : ndarrays of shape (N, D) and (N,)
    cache : what `coupling_backward` needs
    """
    shrink = np.exp(-s)
    z = (x - t) * shrink
    cache = shrink, z
    return (z, -s.sum(-1)), cache


def coupling_backward(douts, cache):
    """dx = dz exp(-s),  ds = -dz z - dlog_det,  dt = -dx        dz, dx, ds, dt (N, D), dlog_det (N,)   [COUP.2]"""
    dz, dlog_det = douts
    shrink, z = cache
    dx = dz * shrink
    ds = -dz * z - dlog_det[..., None]
    dt = -dx
    return dx, ds, dt


def halves(n_features, layer):
    """(kept, moved): two masks of shape (D,); even columns are kept in even layers, odd ones in odd layers."""
    kept = np.arange(n_features) % 2 == layer % 2
    return kept, ~kept


def flow_forward(x, params, networks):
    """z = f_T(... f_1(x)),  log|det dz/dx| = the sum over the layers                        [REV.1]

    So log p(x) = log N(z; 0, I) + log|det dz/dx|. In layer i, s and t of the moved half are a network of the kept half.

    Parameters
    ----------
    x : ndarray of shape (N, D)
    params : mapping of names to arrays
    networks : sequence of Network, one a layer, with the heads s and t

    Returns
    -------
    (z, log_det) : ndarrays of shape (N, D) and (N,)
    cache : what `flow_backward` needs
    """
    z, log_det, cache = x.copy(), 0, []
    for i, network in enumerate(networks):
        kept, moved = halves(x.shape[1], i)
        out, mlp_cache = mlp_forward(z[:, kept], params, network)
        s, t = cut(out, network.heads)
        (z[:, moved], log_det_i), coupling_cache = coupling_forward(z[:, moved], s, t)
        log_det = log_det + log_det_i
        cache.append((kept, moved, mlp_cache, network.heads, coupling_cache))
    return (z, log_det), cache


def flow_backward(douts, cache, dparams):
    """From the last layer: dmoved = dmoved exp(-s),  dkept += (ds, dt) through the network of kept       [REV.2]

    dz and dx have shape (N, D), dlog_det (N,); the networks' gradients are added to dparams.
    """
    dz, dlog_det = douts
    dx = dz.copy()
    for kept, moved, mlp_cache, heads, coupling_cache in reversed(cache):
        dx[:, moved], ds, dt = coupling_backward((dx[:, moved], dlog_det), coupling_cache)
        dx[:, kept] += mlp_backward(join((ds, dt), heads), mlp_cache, dparams)  # kept numbers pass, and set s and t
    return dx


class CouplingFlow(Model):
    """A density p(x) = N(z; 0, I) |det dz/dx| for z = f(x), with f a chain of affine coupling layers; no dimension is lost.

    f is continuous and so is its inverse: the plane stays in one piece, and data in separate pieces keep thin bridges between them.

    Parameters
    ----------
    n_features : int, at least 2
        D, of x and of z.
    n_layers : int
        T; one column of every two moves in even layers, the other in odd ones.
    hidden : sequence of int
        Sizes of the hidden layers of each layer's network.
    activation : str
        "tanh", "relu", "sigmoid" or "softplus".
    seed : int
    dtype : str, "float32" or "float64"

    Examples
    --------
    >>> from tinyvae import Adam
    >>> from tinyvae.data import synthetic
    >>> X = synthetic("banana", 300)
    >>> flow = CouplingFlow(2, n_layers=2, dtype="float64")
    >>> before = flow.log_prob(X).mean()
    >>> history = flow.fit(X, epochs=20, optimizer=Adam(0.01), progress=False)
    >>> print(flow.log_prob(X).mean() > before, np.allclose(flow.inverse_transform(flow.transform(X)), X))
    True True
    """

    units: ClassVar[dict] = {"neg_log_p": "nats"}

    def __init__(self, n_features, n_layers=6, *, hidden=(16,), activation="tanh", seed=0, dtype="float32"):
        super().__init__(seed=seed, dtype=dtype)
        self.n_features, self.n_layers = check_int("n_features", n_features, 2), check_int("n_layers", n_layers, 1)
        self.hidden = check_sizes("hidden", hidden)
        self.activation = check_choice("activation", activation, ACTIVATIONS)
        self.networks = tuple(self._network(i) for i in range(self.n_layers))
        self.shapes = {name: shape for network in self.networks for name, shape in network.shapes.items()}

    def _network(self, i):
        kept, moved = (int(half.sum()) for half in halves(self.n_features, i))
        names = *(f"layer.{i}.{j}" for j in range(len(self.hidden))), f"layer.{i}.out"
        return Network(names, (kept, *self.hidden, 2 * moved), self.activation, ((moved,), (moved,)))

    def init_params(self, rng, params):
        """Glorot or He, and zero for the last weights of every layer: s = t = 0, so f starts as the identity."""
        for network in self.networks:
            mlp_init(rng, params, network)
            params[network.names[-1] + ".W"][...] = 0

    def loss_forward(self, batch, noise):
        """loss = -mean over the batch of log p(x), in nats per datum; nothing is drawn, and x has shape (N, D)."""
        x, _ = batch
        (z, log_det), flow_cache = flow_forward(x, self.params, self.networks)
        log_pz, pz_cache = standard_normal_forward(z)
        log_p = log_pz + log_det
        cache = flow_cache, pz_cache, log_p.shape
        return (-np.mean(log_p), {"neg_log_p": -log_p}), cache

    def loss_backward(self, dloss, cache, weights=None):
        """The same lines from last to first; the gradient has the shape of `theta`."""
        flow_cache, pz_cache, shape = cache
        weights, dparams = self.weigh(weights, neg_log_p=1), self.gradients()
        dlog_p = np.full(shape, -weights["neg_log_p"] * dloss / shape[0], self.dtype)
        dz = standard_normal_backward(dlog_p, pz_cache)
        flow_backward((dz, dlog_p), flow_cache, dparams)
        return dparams.flat()

    def log_prob(self, X):
        """log p(x), exactly, of shape (N,), in nats."""
        (z, log_det), _ = flow_forward(self.scaled(self.check_data(X)), self.params, self.networks)
        return standard_normal_forward(z)[0] + log_det

    def transform(self, X):
        """z = f(x), of shape (N, D)."""
        return flow_forward(self.scaled(self.check_data(X)), self.params, self.networks)[0][0]

    def inverse_transform(self, Z):
        """x, of shape (N, D), with f(x) = z: the layers from last to first, x = z exp(s) + t."""
        x = self.scaled(check_matrix("Z", Z, self.n_features)).copy()
        for i, network in reversed(list(enumerate(self.networks))):
            kept, moved = halves(self.n_features, i)
            s, t = cut(mlp_forward(x[:, kept], self.params, network)[0], network.heads)
            x[:, moved] = x[:, moved] * np.exp(s) + t
        return x

    def sample(self, n, rng=None):
        """n new data, of shape (n, D): z ~ N(0, I), then x with f(x) = z."""
        rng = generator(rng, self.seed, SAMPLING)
        return self.inverse_transform(rng.standard_normal((check_int("n", n, 1), self.n_features), self.dtype))


def pairs(rng):
    """Where to check the pairs of this page: a layer, and a flow of three columns as a function of its weights."""
    flow, x = CouplingFlow(3, n_layers=2, hidden=(4,)), rng.standard_normal((5, 3))
    of_theta = over_theta(lambda x, params: flow_forward(x, params, flow.networks), flow_backward, flow.shapes)
    return {
        "coupling": (coupling_forward, coupling_backward, tuple(rng.standard_normal((3, 4, 5)))),
        "flow": (*of_theta, (0.5 * rng.standard_normal(len(flow.theta)), x)),
    }


def models(rng):
    """Small flows: in two dimensions, and with halves of unequal sizes; at first weights that are not zero."""
    found = {}
    for D in (2, 5):
        flow = CouplingFlow(D, n_layers=3, hidden=(4,), dtype="float64")
        flow.theta += 0.3 * rng.standard_normal(len(flow.theta))
        found[f"coupling flow, D = {D}"] = flow, rng.standard_normal((4, D)), None
    return found
