"""Layers: dense, tanh, relu, sigmoid, softplus and dropout, one forward/backward pair each.

The contract of every pair in this package::

    out, cache = f_forward(*inputs)        # inputs are never changed
    grads      = f_backward(dout, cache)   # in the order of the inputs

`dv` is the derivative of the loss by `v` and has the shape of `v`; the lectures write it
as v with a bar. Backward stands under forward, unpacks the cache in the order in which forward
packed it, and reads forward from its last line to its first.

One datum per row: `x @ W + b` with W of shape (in, out) is the transpose of the slides' W x + b.
"""

import numpy as np


def _rows(a):
    """Any batch shape (..., D) seen as a matrix of rows (N, D)."""
    return a.reshape(-1, a.shape[-1])


def dense_forward(x, W, b):
    """y = x W + b                                                                  [DENSE.1]

    Parameters
    ----------
    x : ndarray of shape (..., I)
    W : ndarray of shape (I, O)
    b : ndarray of shape (O,)

    Returns
    -------
    y : ndarray of shape (..., O)
    cache : what `dense_backward` needs

    Examples
    --------
    >>> y, cache = dense_forward(np.array([[1.0, 2.0]]), np.array([[1.0], [10.0]]), np.array([0.5]))
    >>> print(y)
    [[21.5]]
    """
    cache = x, W
    y = x @ W
    y += b  # in place: no second array of this size
    return y, cache


def dense_backward(dy, cache, *, dW=None, db=None, need_dx=True, need_dW=True):
    """dx = dy W',  dW = x' dy,  db = sum of dy over the batch                       [DENSE.2]

    Parameters
    ----------
    dy : ndarray of shape (..., O)
    cache : from `dense_forward`
    dW, db : ndarrays of shape (I, O) and (O,), optional
        Arrays to write into. A network passes empty views of its flat gradient and saves a copy.
    need_dx : bool
        False at the first layer of a network, where x is data: dx is then None.
    need_dW : bool
        False where the weights stay as they are: dW and db are then None.

    Returns
    -------
    dx, dW, db : ndarrays of shape (..., I), (I, O), (O,)
    """
    x, W = cache
    dx = dy @ W.T if need_dx else None
    if not need_dW:
        return dx, None, None
    x, dy = _rows(x), _rows(dy)
    dW = np.matmul(x.T, dy, out=dW)
    db = dy.sum(0, out=db)
    return dx, dW, db


def tanh_forward(x):
    """y = tanh(x)                                              all (..., D)         [TANH.1]"""
    y = np.tanh(x)
    cache = y
    return y, cache


def tanh_backward(dy, cache):
    """dx = dy (1 - y^2)                                        all (..., D)         [TANH.2]"""
    y = cache
    return dy * (1 - y * y)


def relu_forward(x):
    """y = max(x, 0)                                            all (..., D)         [RELU.1]

    The cache is a mask of booleans: the gradient checker sees by it that a unit changed side.
    """
    mask = x > 0
    cache = mask
    return np.maximum(x, 0), cache


def relu_backward(dy, cache):
    """dx = dy where x > 0, else 0 (0 at x = 0 by convention)   all (..., D)         [RELU.2]"""
    mask = cache
    return dy * mask


def sigmoid(x):
    """1 / (1 + exp(-x)), written with tanh: it cannot overflow and is fast.

    >>> print(sigmoid(np.array([-50000.0, 0.0, 50000.0])))
    [0.  0.5 1. ]
    """
    y = np.tanh(x / 2)
    y += 1
    y /= 2
    return y


def log_softmax(logits):
    """log p of p = softmax(logits) over the last axis, both of shape (..., C); the largest is taken away first, so nothing overflows.

    >>> print(log_softmax(np.array([50000.0, 50000.0])).round(4))
    [-0.6931 -0.6931]
    """
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def one_hot(y, n_classes, dtype="float64"):
    """Row n holds 1 in column y_n and 0 elsewhere; shape (N, C).

    >>> print(one_hot(np.array([2, 0]), 3))
    [[0. 0. 1.]
     [1. 0. 0.]]
    """
    return (np.asarray(y)[:, None] == np.arange(n_classes)).astype(dtype)


def softplus(x):
    """log(1 + exp(x)), with only exp(-|x|) evaluated: it cannot overflow.

    >>> print(softplus(np.array([-50000.0, 0.0, 500.0])).round(4))
    [  0.       0.6931 500.    ]
    """
    y = np.exp(-np.abs(x))
    y = np.log1p(y, out=y if np.ndim(y) else None)
    y += np.maximum(x, 0)
    return y


def sigmoid_forward(x):
    """y = 1 / (1 + exp(-x))                                    all (..., D)         [SIG.1]"""
    y = sigmoid(x)
    cache = y
    return y, cache


def sigmoid_backward(dy, cache):
    """dx = dy y (1 - y)                                        all (..., D)         [SIG.2]"""
    y = cache
    return dy * y * (1 - y)


def softplus_forward(x):
    """y = log(1 + exp(x))                                      all (..., D)         [SP.1]"""
    cache = x
    return softplus(x), cache


def softplus_backward(dy, cache):
    """dx = dy sigmoid(x)                                       all (..., D)         [SP.2]"""
    x = cache
    return dy * sigmoid(x)


def dropout_forward(x, mask):
    """y = mask x                                               all (..., D)         [DROP.1]

    The mask is an argument because nothing random may stand inside a pair. Its entries are 0 with
    probability p and 1 / (1 - p) otherwise, so that E[y] = x; lecture D2 compares the
    reparameterised noise of a VAE to it.

    Examples
    --------
    >>> y, cache = dropout_forward(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0, 2.0]))
    >>> print(y)
    [2. 0. 6.]
    """
    cache = mask
    return mask * x, cache


def dropout_backward(dy, cache):
    """dx = mask dy                                             all (..., D)         [DROP.2]"""
    mask = cache
    return mask * dy
