"""The dense network that encoder and decoder share: dense, activation, dense, activation, ..., dense.

`Network` is its architecture as a value. The pair is a composite: it calls the pairs of `layers` and holds no calculus
of its own. It reads its weights from a mapping of names to arrays and adds their gradients to a mapping of the same names.
"""

from typing import NamedTuple

from . import layers
from .params import glorot_uniform, he_normal

ACTIVATIONS = {
    "tanh": (layers.tanh_forward, layers.tanh_backward),
    "relu": (layers.relu_forward, layers.relu_backward),
    "sigmoid": (layers.sigmoid_forward, layers.sigmoid_backward),
    "softplus": (layers.softplus_forward, layers.softplus_backward),
}


class Network(NamedTuple):
    """The architecture of a dense network, as a value.

    Attributes
    ----------
    names : tuple of str, of the layers; their weights are called "name.W" and "name.b"
    sizes : tuple of int, one more than there are layers: (64, 128, 4) goes from 64 inputs by 128 hidden units to 4 outputs
    activation : str, a key of `ACTIVATIONS`; the last layer has none
    heads : tuple of shapes, optional: what the outputs are, side by side; ((K,), (K,)) for mu and log_sigma

    Examples
    --------
    >>> Network(("encoder.0", "encoder.head"), (64, 128, 4), "tanh").shapes["encoder.head.W"]
    (128, 4)
    """

    names: tuple
    sizes: tuple
    activation: str = "tanh"
    heads: tuple = ()

    @property
    def shapes(self):
        """Names of the weights to their shapes, in the order of the layers."""
        shapes = {}
        for name, n_in, n_out in zip(self.names, self.sizes[:-1], self.sizes[1:]):
            shapes[name + ".W"] = (n_in, n_out)
            shapes[name + ".b"] = (n_out,)
        return shapes

    @property
    def pair(self):
        """The forward and the backward pass of such a network; a record of another architecture names its own."""
        return mlp_forward, mlp_backward


def mlp_init(rng, params, network):
    """Draw the weights in place: He below a ReLU, Glorot elsewhere; biases are zero.

    The last layer is linear and therefore always Glorot: neither mu and log_sigma nor logits
    may pass through an activation, which would bound them from one side.
    """
    for name in network.names:
        draw = he_normal if network.activation == "relu" and name != network.names[-1] else glorot_uniform
        W = params[name + ".W"]
        W[...] = draw(rng, W.shape)
        params[name + ".b"][...] = 0


def mlp_forward(x, params, network):
    """h_0 = x,  h_i = activation(h_{i-1} W_i + b_i),  y = h_{n-1} W_n + b_n             [MLP.1]

    Parameters
    ----------
    x : ndarray of shape (..., I)
    params : mapping of "name.W" and "name.b" to arrays
    network : Network

    Returns
    -------
    y : ndarray of shape (..., O)
    cache : what `mlp_backward` needs
    """
    act_forward, act_backward = ACTIVATIONS[network.activation]
    cache = []
    h = x
    for name in network.names:
        h, dense_cache = layers.dense_forward(h, params[name + ".W"], params[name + ".b"])
        act_cache = None
        if name != network.names[-1]:
            h, act_cache = act_forward(h)
        cache.append((name, dense_cache, act_backward, act_cache))
    return h, cache


def mlp_backward(dy, cache, dparams, *, need_dx=True):
    """The same layers from last to first; every dW and db is added to dparams.          [MLP.2]

    Parameters
    ----------
    dy : ndarray of shape (..., O)
    cache : from `mlp_forward`
    dparams : Gradients, or None if the weights stay as they are
    need_dx : bool
        False if x is data: the largest product of the backward pass is then saved.

    Returns
    -------
    dx : ndarray of shape (..., I), or None
    """
    dh = dy
    for i, (name, dense_cache, act_backward, act_cache) in reversed(list(enumerate(cache))):
        if act_cache is not None:
            dh = act_backward(dh, act_cache)
        if dparams is None:
            dh, _, _ = layers.dense_backward(dh, dense_cache, need_dW=False)
            continue
        W, b = name + ".W", name + ".b"
        dh, dW, db = layers.dense_backward(dh, dense_cache, dW=dparams.empty(W), db=dparams.empty(b), need_dx=need_dx or i > 0)
        dparams.add(W, dW)
        dparams.add(b, db)
    return dh
