"""The dense network that encoder and decoder share: dense, activation, dense, activation, ..., dense.

A composite: it calls the pairs of `layers` and holds no calculus of its own. It reads its weights
from a mapping of names to arrays and writes their gradients into a mapping of the same names.
"""

from . import layers
from .params import glorot_uniform, he_normal

ACTIVATIONS = {
    "tanh": (layers.tanh_forward, layers.tanh_backward),
    "relu": (layers.relu_forward, layers.relu_backward),
    "sigmoid": (layers.sigmoid_forward, layers.sigmoid_backward),
    "softplus": (layers.softplus_forward, layers.softplus_backward),
}


def mlp_shapes(names, sizes):
    """Shapes of the weights of a network whose layers have these names.

    >>> mlp_shapes(["encoder.0", "encoder.head"], [64, 128, 4])["encoder.head.W"]
    (128, 4)
    """
    shapes = {}
    for name, n_in, n_out in zip(names, sizes[:-1], sizes[1:]):
        shapes[name + ".W"] = (n_in, n_out)
        shapes[name + ".b"] = (n_out,)
    return shapes


def mlp_init(rng, params, names, activation):
    """Draw the weights in place: He below a ReLU, Glorot elsewhere; biases are zero.

    The last layer is linear and therefore always Glorot: neither mu and log_sigma nor logits
    may pass through an activation, which would bound them from one side.
    """
    for name in names:
        draw = he_normal if activation == "relu" and name != names[-1] else glorot_uniform
        W = params[name + ".W"]
        W[...] = draw(rng, W.shape)
        params[name + ".b"][...] = 0


def mlp_forward(x, params, names, activation):
    """h_0 = x,  h_i = activation(h_{i-1} W_i + b_i),  y = h_{n-1} W_n + b_n             [MLP.1]

    Parameters
    ----------
    x : ndarray of shape (..., I)
    params : mapping of "name.W" and "name.b" to arrays
    names : sequence of the names of the layers
    activation : str, a key of `ACTIVATIONS`

    Returns
    -------
    y : ndarray of shape (..., O)
    cache : what `mlp_backward` needs
    """
    act_forward, act_backward = ACTIVATIONS[activation]
    cache = []
    h = x
    for name in names:
        h, dense_cache = layers.dense_forward(h, params[name + ".W"], params[name + ".b"])
        act_cache = None
        if name != names[-1]:
            h, act_cache = act_forward(h)
        cache.append((name, dense_cache, act_backward, act_cache))
    return h, cache


def mlp_backward(dy, cache, dparams, *, need_dx=True):
    """The same layers from last to first; every dW and db is written into its view.     [MLP.2]

    Parameters
    ----------
    dy : ndarray of shape (..., O)
    cache : from `mlp_forward`
    dparams : mapping of "name.W" and "name.b" to the arrays to write into
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
        dW, db = dparams[name + ".W"], dparams[name + ".b"]
        dh, _, _ = layers.dense_backward(dh, dense_cache, dW=dW, db=db, need_dx=need_dx or i > 0)
    return dh
