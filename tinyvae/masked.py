"""A dense network whose output i sees the inputs before i alone: masks on its weights make it autoregressive.

One pass gives all D conditionals p(x_i | x_<i) at once, or the shift and the scale of every coordinate of a flow.
Source: Germain and others, arXiv:1502.03509.
"""

import itertools

import numpy as np

from .layers import dense_backward, dense_forward
from .mlp import ACTIVATIONS


def autoregressive_masks(sizes, *, reverse=False, context=0):
    """Masks of 0 and 1, one for each layer, that let outputs i see inputs j < i, or j > i if `reverse`.

    Every unit gets a number: the inputs 1 to D, hidden units 1 to D - 1 over and over, the outputs 1 to D, over and over if there are
    several for each input. A hidden unit may read units of a number up to its own, an output those of smaller numbers.
    So every path from input j to output i climbs from j to at most i - 1. With a context, inputs that all outputs may see, these inputs
    have the number 0, and so have some hidden units: without them output 1 would see nothing.

    Parameters
    ----------
    sizes : tuple of int, (D + context, hidden, ..., a multiple of D)
    reverse : bool, the order of the numbers of inputs and outputs
    context : int, how many of the inputs, the last ones, all outputs see

    Returns
    -------
    tuple of ndarrays of bool, each of the shape of its layer's W, (in, out)

    Examples
    --------
    >>> first, last = autoregressive_masks((3, 4, 3))
    >>> print((first.astype(int) @ last)[:, ::-1].T)  # paths from inputs 1 to 3 to the outputs 3, 2 and 1
    [[4 2 0]
     [2 0 0]
     [0 0 0]]
    """
    D, hidden, out = sizes[0] - context, sizes[1:-1], sizes[-1]
    numbers = np.arange(D, 0, -1) if reverse else np.arange(1, D + 1)
    lowest = 0 if context else min(1, D - 1)
    layers = [np.append(numbers, [0] * context), *(lowest + np.arange(H) % (D - lowest) for H in hidden)]
    masks = [above >= below[:, None] for below, above in itertools.pairwise(layers)]
    return (*masks, np.resize(numbers, out) > layers[-1][:, None])


def masked_dense_forward(x, W, b, mask):
    """y = x (M W) + b,  M W entry by entry                                              [MADE.1]

    Parameters
    ----------
    x : ndarray of shape (..., I)
    W : ndarray of shape (I, O)
    b : ndarray of shape (O,)
    mask : ndarray of bool of shape (I, O), M

    Returns
    -------
    y : ndarray of shape (..., O)
    cache : what `masked_dense_backward` needs
    """
    y, dense_cache = dense_forward(x, mask * W, b)
    cache = dense_cache, mask
    return y, cache


def masked_dense_backward(dy, cache):
    """dx = dy (M W)',  dW = M (x' dy),  db = sum of dy over the batch:  no weight that is masked ever moves   [MADE.2]

    dy has shape (..., O); dx (..., I), dW (I, O), db (O,).
    """
    dense_cache, mask = cache
    dx, dW, db = dense_backward(dy, dense_cache)
    dW *= mask
    return dx, dW, db


def masked_mlp_forward(x, weights, masks, activation="tanh"):
    """h_0 = x,  h_i = activation(h_{i-1} (M_i W_i) + b_i),  y = h_{n-1} (M_n W_n) + b_n

    Parameters
    ----------
    x : ndarray of shape (..., D)
    weights : sequence of ndarrays, (W_1, b_1, ..., W_n, b_n)
    masks : (M_1, ..., M_n), from `autoregressive_masks`
    activation : str, a key of `tinyvae.mlp.ACTIVATIONS`; the last layer has none

    Returns
    -------
    y : ndarray of shape (..., O)
    cache : what `masked_mlp_backward` needs
    """
    act_forward, act_backward = ACTIVATIONS[activation]
    h, cache = x, []
    for i, mask in enumerate(masks):
        h, dense_cache = masked_dense_forward(h, weights[2 * i], weights[2 * i + 1], mask)
        act_cache = None
        if i + 1 < len(masks):
            h, act_cache = act_forward(h)
        cache.append((dense_cache, act_backward, act_cache))
    return h, cache


def masked_mlp_backward(dy, cache):
    """The same layers from last to first.

    dy has shape (..., O), dx (..., D); dweights = (dW_1, db_1, ..., dW_n, db_n).
    """
    dh, dweights = dy, []
    for dense_cache, act_backward, act_cache in reversed(cache):
        if act_cache is not None:
            dh = act_backward(dh, act_cache)
        dh, dW, db = masked_dense_backward(dh, dense_cache)
        dweights = [dW, db, *dweights]
    return dh, tuple(dweights)
